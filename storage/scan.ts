/** Walks a range page by page. The pages are not one snapshot: only for what nobody else changes meanwhile. */
import type { KeyRange } from "./keys/keyspace.ts";
import type { KvKey, Storage, StoredEntry } from "./storage.ts";

/** Bounds a page's memory: values may have 64 KiB. */
const PAGE_LENGTH = 100;

export async function* scan(storage: Storage, range: KeyRange): AsyncGenerator<StoredEntry, void, void> {
  let start: KvKey = range.start;
  while (true) {
    const page = await storage.list({ start, end: range.end }, { limit: PAGE_LENGTH });
    yield* page;
    const last = page[page.length - 1];
    if (last === undefined || page.length < PAGE_LENGTH) return;
    // The least key after the last one.
    start = [...last.key, new Uint8Array()];
  }
}
