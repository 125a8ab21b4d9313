/**
 * Looks at an embedded store's file before it is opened. SQLite opens a file that lost its end and fails at the first page that is
 * not there, or, when that page held nothing, never; a file that is gone it makes anew. Here both are found beforehand.
 * Source: SQLite's file format, sections 1.3 (the header) and 4.1 (the write-ahead log).
 */
import type { Files, PositionalFile } from "../lib/env.ts";

const HEADER_BYTES = 100;
const MAGIC = "SQLite format 3\0";
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/** "absent", also when empty; "sound" as far as can be told; else what is wrong, in a few words. */
export type StoreFileState = "absent" | "sound" | { readonly fault: string };

/** Throws what the disk throws. */
export async function inspectStoreFile(files: Files, path: string): Promise<StoreFileState> {
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  const found = await files.list(slash < 0 ? "." : path.slice(0, slash) || "/");
  const sizeBytes = found.find((file) => file.name === name)?.sizeBytes ?? 0;
  const walBytes = found.find((file) => file.name === `${name}-wal`)?.sizeBytes ?? 0;
  if (sizeBytes === 0) return walBytes > WAL_HEADER_BYTES ? { fault: "it is empty" } : "absent";
  return await withFile(files, path, async (file) => {
    const header = new Uint8Array(HEADER_BYTES);
    if (await file.read(header, 0) < HEADER_BYTES) return { fault: `it has only ${sizeBytes} bytes` };
    if (new TextDecoder().decode(header.subarray(0, 16)) !== MAGIC) return { fault: "it is no database" };
    const view = new DataView(header.buffer);
    const pageBytes = view.getUint16(16) === 1 ? 65_536 : view.getUint16(16);
    // Another program's count may be out of date; then nothing can be told.
    if (view.getUint32(24) !== view.getUint32(92)) return "sound";
    const pageCount = view.getUint32(28);
    const wholePages = Math.floor(sizeBytes / pageBytes);
    if (wholePages >= pageCount) return "sound";
    // A checkpoint that was cut short is finished by SQLite, from the log.
    const inLog = walBytes > WAL_HEADER_BYTES
      ? await withFile(files, `${path}-wal`, (wal) => pagesOf(wal, walBytes))
      : new Set<number>();
    for (let page = wholePages + 1; page <= pageCount; page++) {
      if (inLog.has(page)) continue;
      return { fault: `it was cut short: ${sizeBytes} of ${pageCount * pageBytes} bytes are there` };
    }
    return "sound";
  });
}

/** Pages that the frames of a write-ahead log hold. */
async function pagesOf(wal: PositionalFile, walBytes: number): Promise<Set<number>> {
  const pages = new Set<number>();
  const header = new Uint8Array(WAL_HEADER_BYTES);
  if (await wal.read(header, 0) < WAL_HEADER_BYTES) return pages;
  const view = new DataView(header.buffer);
  const frameBytes = FRAME_HEADER_BYTES + view.getUint32(8);
  const frame = new Uint8Array(FRAME_HEADER_BYTES);
  const frameView = new DataView(frame.buffer);
  for (let at = WAL_HEADER_BYTES; at + frameBytes <= walBytes; at += frameBytes) {
    if (await wal.read(frame, at) < FRAME_HEADER_BYTES) break;
    // Frames of an earlier round have other salts.
    if (frameView.getUint32(8) !== view.getUint32(16) || frameView.getUint32(12) !== view.getUint32(20)) {
      break;
    }
    pages.add(frameView.getUint32(0));
  }
  return pages;
}

async function withFile<T>(
  files: Files,
  path: string,
  work: (file: PositionalFile) => Promise<T>,
): Promise<T> {
  const file = await files.open(path);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}
