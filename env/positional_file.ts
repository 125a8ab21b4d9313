/**
 * Files read and written at positions, on the functions of node:fs that `real.ts` passes in. `Deno.FsFile` has one cursor,
 * and overlapping seeks and reads on it mix up (measured), so it cannot serve readers beside a writer.
 */
import type { PositionalFile } from "../lib/env.ts";

type Done<T> = (error: Error | null, value: T) => void;
type Transfer = (
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
  done: Done<number>,
) => void;

/** The part of node:fs that is used here. */
export interface NodeFs {
  readonly constants: { readonly O_CREAT: number; readonly O_EXCL: number; readonly O_RDWR: number };
  readonly open: (path: string, flags: number, mode: number, done: Done<number>) => void;
  readonly write: Transfer;
  readonly read: Transfer;
  readonly fdatasync: (fd: number, done: (error: Error | null) => void) => void;
  readonly close: (fd: number, done: (error?: Error | null) => void) => void;
}

/** Opens for reading and writing; `isNew` demands that there is no such file. */
export function openPositional(fs: NodeFs, path: string, isNew: boolean): Promise<PositionalFile> {
  const { O_CREAT, O_EXCL, O_RDWR } = fs.constants;
  const flags = isNew ? O_RDWR | O_CREAT | O_EXCL : O_RDWR;
  return settled<number>((done) => fs.open(path, flags, 0o644, done)).then((fd) => new NodeFile(fs, fd));
}

class NodeFile implements PositionalFile {
  readonly #fs: NodeFs;
  readonly #fd: number;

  constructor(fs: NodeFs, fd: number) {
    this.#fs = fs;
    this.#fd = fd;
  }

  write(bytes: Uint8Array, position: number): Promise<number> {
    return settled((done) => this.#fs.write(this.#fd, bytes, 0, bytes.length, position, done));
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    while (filled < buffer.length) {
      const at = filled;
      const count = await settled<number>((done) =>
        this.#fs.read(this.#fd, buffer, at, buffer.length - at, position + at, done)
      );
      if (count === 0) break;
      filled += count;
    }
    return filled;
  }

  syncData(): Promise<void> {
    return settled<void>((done) => this.#fs.fdatasync(this.#fd, (error) => done(error, undefined)));
  }

  close(): Promise<void> {
    return settled<void>((done) => this.#fs.close(this.#fd, (error) => done(error ?? null, undefined)));
  }
}

function settled<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => error === null || error === undefined ? resolve(value) : reject(error));
  });
}
