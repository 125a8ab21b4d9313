/**
 * Files read and written at positions, on `Deno.FsFile`, whose reads and writes run beside the event loop. Those of node:fs have
 * positions of their own, but do their work on the event loop itself: a quarter of its time went into writes of 128 KB
 * (measured on Deno 2.9.6), and a read from a slow disk would hold up everybody. A `FsFile` has one cursor, and overlapping
 * seeks and reads on it mix up, so each side has a file of its own. Reads take one call at a time. A `FsFile` does its
 * asynchronous calls in the order in which they were made, so writes that follow one another, and the sync behind them, are
 * handed over at once: the disk does not wait for the event loop in between.
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
  /** Where the cursor will be when what was handed over is written; NaN: unknown. */
  #end = 0;
  /** A write was short or failed: those handed over behind it went to other positions. */
  #isAstray = false;
  /** Writes that wait for those before them. */
  #seekCount = 0;

  constructor(writer: CursorFile, open: () => Promise<CursorFile>) {
    this.#writer = writer;
    this.#open = open;
  }

  write(bytes: Uint8Array, position: number): Promise<number> {
    const follows = this.#end === position && this.#seekCount === 0;
    this.#end = position + bytes.length;
    const written = follows ? this.#put(bytes) : this.#putAt(bytes, position);
    this.#writes = written.catch(() => undefined);
    return written;
  }

  /** Seeking has to wait until nothing is handed over any more. */
  async #putAt(bytes: Uint8Array, position: number): Promise<number> {
    this.#seekCount++;
    await this.#writes;
    this.#seekCount--;
    this.#writer.seekSync(position, FROM_START);
    this.#isAstray = false;
    return await this.#put(bytes);
  }

  async #put(bytes: Uint8Array): Promise<number> {
    let count = 0;
    try {
      count = await this.#writer.write(bytes);
    } finally {
      if (this.#isAstray) count = 0;
      if (count < bytes.length) {
        this.#isAstray = true;
        this.#end = NaN;
      }
    }
    return count;
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

  syncData(): Promise<void> {
    if (this.#seekCount === 0) return this.#writer.syncData();
    return this.#writes.then(() => this.#writer.syncData());
  }

  async close(): Promise<void> {
    await Promise.all([this.#writes, this.#reads]);
    this.#writer.close();
    (await this.#reader)?.close();
  }
}
