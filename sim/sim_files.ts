/**
 * The files of a simulated machine: text files and locks, which is all that the broker keeps beside its store today.
 * Locks end with their process; files stay. Segment files, with unsynced bytes that a crash loses or tears, belong here
 * as soon as the `Files` port has them.
 */
import type { Files } from "../lib/env.ts";

/** One machine's disk; outlives the processes on it. */
export class SimDisk {
  readonly texts = new Map<string, string>();
  readonly locks = new Set<string>();
}

export interface SimFilesOptions {
  readonly disk: SimDisk;
  /** A call that the process makes; false when it is dead, or dies by it. */
  readonly enter: () => boolean;
}

/** One process's view of its machine's disk. */
export class SimFiles implements Files {
  readonly #options: SimFilesOptions;
  readonly #held = new Set<string>();

  constructor(options: SimFilesOptions) {
    this.#options = options;
  }

  makeDirectory(_path: string): Promise<void> {
    return this.#do(() => {});
  }

  readText(path: string): Promise<string> {
    return this.#do((disk) => {
      const text = disk.texts.get(path);
      if (text === undefined) throw new Error(`No such file: ${path}`);
      return text;
    });
  }

  writeText(path: string, text: string): Promise<void> {
    return this.#do((disk) => void disk.texts.set(path, text));
  }

  remove(path: string): Promise<void> {
    return this.#do((disk) => {
      if (!disk.texts.delete(path)) throw new Error(`No such file: ${path}`);
    });
  }

  exists(path: string): Promise<boolean> {
    return this.#do((disk) => disk.texts.has(path));
  }

  create(_path: string): Promise<never> {
    return this.#do(() => this.#noSegments());
  }

  open(_path: string): Promise<never> {
    return this.#do(() => this.#noSegments());
  }

  list(_path: string): Promise<never[]> {
    return this.#do(() => []);
  }

  syncDirectory(_path: string): Promise<void> {
    return this.#do(() => {});
  }

  removeDirectory(_path: string): Promise<void> {
    return this.#do(() => {});
  }

  lock(path: string): Promise<{ release(): void } | null> {
    return this.#do((disk) => {
      if (disk.locks.has(path)) return null;
      disk.locks.add(path);
      this.#held.add(path);
      return { release: () => this.#release(path) };
    });
  }

  /** The operating system takes back what a process held. */
  ownerDied(): void {
    for (const path of this.#held) this.#release(path);
  }

  #noSegments(): never {
    throw new Error("The simulated disk has no segment files yet");
  }

  #release(path: string): void {
    if (this.#held.delete(path)) this.#options.disk.locks.delete(path);
  }

  // deno-lint-ignore require-await -- async turns what is thrown into a rejection.
  async #do<T>(work: (disk: SimDisk) => T): Promise<T> {
    if (!this.#options.enter()) return new Promise(() => {});
    return work(this.#options.disk);
  }
}
