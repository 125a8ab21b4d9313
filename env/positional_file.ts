/**
 * Files read and written at positions, on `Deno.FsFile`, whose reads and writes run beside the event loop. Those of node:fs have
 * positions of their own, but do their work on the event loop itself: a quarter of its time went into writes of 128 KB
 * (measured on Deno 2.9.6), and a read from a slow disk would hold up everybody. A `FsFile` has one cursor, and overlapping
 * seeks and reads on it mix up, so each side has a file of its own and takes one call at a time.
 */
import type { PositionalFile } from "../lib/env.ts";

/** The part of `Deno.FsFile` that is used here. */
export interface CursorFile {
  seekSync(offset: number, whence: number): number;
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  syncData(): Promise<void>;
  close(): void;
}

const FROM_START = 0;

/** `open` opens the same file once more. */
export function positionalFile(writer: CursorFile, open: () => Promise<CursorFile>): PositionalFile {
  return new TwoCursors(writer, open);
}

class TwoCursors implements PositionalFile {
  readonly #writer: CursorFile;
  readonly #open: () => Promise<CursorFile>;
  #reader: Promise<CursorFile> | null = null;
  #writes: Promise<unknown> = Promise.resolve();
  #reads: Promise<unknown> = Promise.resolve();
  #end = 0;

  constructor(writer: CursorFile, open: () => Promise<CursorFile>) {
    this.#writer = writer;
    this.#open = open;
  }

  write(bytes: Uint8Array, position: number): Promise<number> {
    const write = async () => {
      // Nearly always it is there already.
      if (this.#end !== position) this.#writer.seekSync(position, FROM_START);
      this.#end = NaN;
      const count = await this.#writer.write(bytes);
      this.#end = position + count;
      return count;
    };
    const written = this.#writes.then(write);
    this.#writes = written.catch(() => undefined);
    return written;
  }

  read(buffer: Uint8Array, position: number): Promise<number> {
    const read = async () => {
      this.#reader ??= this.#open();
      const reader = await this.#reader;
      reader.seekSync(position, FROM_START);
      let filled = 0;
      while (filled < buffer.length) {
        const count = await reader.read(buffer.subarray(filled));
        if (count === null || count === 0) break;
        filled += count;
      }
      return filled;
    };
    const found = this.#reads.then(read);
    this.#reads = found.catch(() => undefined);
    return found;
  }

  /** What was written before the call. */
  async syncData(): Promise<void> {
    await this.#writes;
    await this.#writer.syncData();
  }

  async close(): Promise<void> {
    await Promise.all([this.#writes, this.#reads]);
    this.#writer.close();
    (await this.#reader)?.close();
  }
}
