/** Walks a range page by page. The pages are not one snapshot: only for what nobody else changes meanwhile. */
import type { KeyRange } from "./keys/keyspace.ts";
import type { KvKey, Storage, StoredEntry } from "./storage.ts";

/** Bounds a page's memory: values may have 64 KiB. */
const PAGE_LENGTH = 100;

export async function* scan(storage: Storage, range: KeyRange): AsyncGenerator<StoredEntry, void, void> {
  let start: KvKey = range.start;
  // A store may give less than was asked for; then a full page is a shorter one.
  const limit = Math.min(PAGE_LENGTH, storage.limits.listPageMax);
  while (true) {
    const page = await storage.list({ start, end: range.end }, { limit });
    yield* page;
    const last = page[page.length - 1];
    if (last === undefined || page.length < limit) return;
    // The least key after the last one.
    start = [...last.key, new Uint8Array()];
  }
}
