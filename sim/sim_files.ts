/**
 * The files of a simulated machine: text files and locks, and segment files on a disk that is slow, full, failing or without
 * power when the seed says so. `SimDisk` outlives processes; `SimFiles` is one process's view of it, whose calls take
 * time. A process that dies leaves a write in the middle, but what the kernel had taken stays; only a power failure loses
 * what was not synced. Locks end with their process.
 */
import type { Files, PositionalFile } from "../lib/env.ts";
import { DiskModel, type Inode, nameOf } from "../storage/disk_model.ts";
import type { FaultKind, FaultLog } from "./fault_log.ts";
import type { Rng } from "./rng.ts";
import type { EventOwner, Scheduler } from "./scheduler.ts";
import type { DiskFaults } from "./swarm.ts";

/** Where the broker's data lies; it was made and synced long ago. */
export const DATA_DIRECTORY = "/data";

/** One machine's disk; outlives the processes on it. */
export class SimDisk {
  readonly model = new DiskModel();
  readonly texts = new Map<string, string>();
  readonly locks = new Set<string>();
  /** While `scheduler.nowMs` is below it nothing more fits. */
  fullUntilMs = 0;
  /** Told of each file that a process removes, before it does; throws when an invariant is broken. */
  onRemove: ((path: string) => void) | null = null;

  constructor() {
    this.model.makeDirectory(DATA_DIRECTORY);
    this.model.syncDirectory(".");
  }
}

export interface SimFilesOptions {
  readonly disk: SimDisk;
  readonly owner: EventOwner;
  readonly scheduler: Scheduler;
  readonly rng: Rng;
  readonly faultLog: FaultLog;
  /** As they are now: none once the world has healed. */
  readonly faults: () => DiskFaults;
  /** A call that the process makes; false when it is dead, or dies by it. */
  readonly enter: () => boolean;
}

/** A write that the kernel has not taken whole yet. */
interface OpenWrite {
  readonly inode: Inode;
  readonly bytes: Uint8Array;
  readonly position: number;
}

export class SimFiles implements Files {
  readonly #options: SimFilesOptions;
  readonly #held = new Set<string>();
  readonly #writes = new Set<OpenWrite>();

  constructor(options: SimFilesOptions) {
    this.#options = options;
  }

  makeDirectory(path: string): Promise<void> {
    return this.#now((disk) => disk.model.makeDirectory(path));
  }

  readText(path: string): Promise<string> {
    return this.#now((disk) => {
      const text = disk.texts.get(path);
      if (text === undefined) throw new Error(`No such file: ${path}`);
      return text;
    });
  }

  writeText(path: string, text: string): Promise<void> {
    return this.#now((disk) => void disk.texts.set(path, text));
  }

  remove(path: string): Promise<void> {
    return this.#later("disk remove", nameOf(path), "diskOtherThrown", ({ disk, scheduler }) => {
      if (disk.texts.delete(path)) return;
      disk.model.open(path);
      tellRemoval(disk, scheduler, path);
      disk.model.remove(path);
    });
  }

  async removeInSteps(path: string): Promise<void> {
    await this.#later("disk shrinks", nameOf(path), "diskOtherThrown", ({ disk, scheduler }) => {
      const inode = disk.model.open(path);
      tellRemoval(disk, scheduler, path);
      inode.shrink();
    });
    await this.remove(path);
  }

  exists(path: string): Promise<boolean> {
    return this.#now((disk) =>
      disk.texts.has(path) || disk.model.find(path) !== null || disk.model.hasDirectory(path)
    );
  }

  create(path: string): Promise<PositionalFile> {
    return this.#later("disk create", nameOf(path), "diskOtherThrown", ({ disk }) => {
      this.#throwIfFull();
      return this.#file(path, disk.model.create(path));
    });
  }

  open(path: string): Promise<PositionalFile> {
    return this.#later(
      "disk open",
      nameOf(path),
      "diskOtherThrown",
      ({ disk }) => this.#file(path, disk.model.open(path)),
    );
  }

  list(path: string): Promise<{ name: string; sizeBytes: number }[]> {
    return this.#later("disk list", nameOf(path), "diskOtherThrown", ({ disk }) => disk.model.list(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#later(
      "disk syncs directory",
      nameOf(path),
      "diskOtherThrown",
      ({ disk }) => disk.model.syncDirectory(path),
    );
  }

  rename(): Promise<void> {
    return Promise.reject(new Error("Servers rename no files"));
  }

  removeDirectory(path: string): Promise<void> {
    return this.#later(
      "disk removes directory",
      nameOf(path),
      "diskOtherThrown",
      ({ disk }) => disk.model.removeDirectory(path),
    );
  }

  lock(path: string): Promise<{ release(): void } | null> {
    return this.#now((disk) => {
      if (disk.locks.has(path)) return null;
      disk.locks.add(path);
      this.#held.add(path);
      return { release: () => this.#release(path) };
    });
  }

  /** The operating system takes back what a process held; of what it was writing, some part is written. */
  ownerDied(): void {
    const { rng } = this.#options;
    for (const { inode, bytes, position } of this.#writes) {
      if (rng.chance(0.5)) inode.write(bytes.subarray(0, rng.int(bytes.length + 1)), position);
    }
    this.#writes.clear();
    for (const path of this.#held) this.#release(path);
  }

  #file(path: string, inode: Inode): PositionalFile {
    const { rng, faultLog, scheduler } = this.#options;
    const name = nameOf(path);
    // Of those that this process handed over; the last one of them to end.
    let written: Promise<unknown> = Promise.resolve();
    const handOver = (writing: Promise<number>): Promise<number> => {
      written = Promise.allSettled([written, writing]);
      return writing;
    };
    return {
      write: (bytes, position) => {
        const write = { inode, bytes, position };
        this.#writes.add(write);
        return handOver(this.#later("disk write", name, "diskWriteThrown", () => {
          this.#writes.delete(write);
          const isShort = bytes.length > 1 && rng.chance(this.#options.faults().shortWrite);
          const isFull = this.#options.disk.fullUntilMs > scheduler.nowMs;
          if (isShort) faultLog.count("diskShortWrite");
          // A full disk takes what still fits, or nothing.
          const taken = isShort || isFull ? rng.int(bytes.length) : bytes.length;
          if (isFull && taken < bytes.length / 2) this.#throwIfFull();
          inode.write(bytes.subarray(0, taken), position);
          return taken;
        }, () => {
          this.#writes.delete(write);
          // Nobody knows how much of it was written.
          inode.write(bytes.subarray(0, rng.int(bytes.length + 1)), position);
        }));
      },
      read: (buffer, position) =>
        this.#later("disk read", name, "diskReadThrown", () => inode.read(buffer, position)),
      syncData: async () => {
        await written;
        await this.#later(
          "disk sync",
          name,
          "diskSyncThrown",
          () => inode.sync(),
          () => inode.failSync(() => rng.next()),
        );
      },
      close: () => Promise.resolve(),
    };
  }

  #throwIfFull(): void {
    const { disk, scheduler, faultLog } = this.#options;
    if (disk.fullUntilMs <= scheduler.nowMs) return;
    faultLog.count("diskFullThrown");
    throw new Error("No space left on device (os error 28)");
  }

  #release(path: string): void {
    if (this.#held.delete(path)) this.#options.disk.locks.delete(path);
  }

  // deno-lint-ignore require-await -- async turns what is thrown into a rejection.
  async #now<T>(work: (disk: SimDisk) => T): Promise<T> {
    if (!this.#options.enter()) return new Promise(() => {});
    return work(this.#options.disk);
  }

  /** After some time, unless the disk fails the call: then `onFault` happens instead of `work`. */
  #later<T>(
    what: string,
    detail: string,
    kind: keyof DiskFaults & FaultKind,
    work: (options: SimFilesOptions) => T,
    onFault: () => void = () => {},
  ): Promise<T> {
    const options = this.#options;
    if (!options.enter()) return new Promise(() => {});
    const { rng, scheduler, owner, faultLog } = options;
    const faults = options.faults();
    const isSlow = rng.chance(faults.slow);
    if (isSlow) faultLog.count("diskSlow");
    const delayMs = isSlow ? rng.between(1, faults.slowMsMax) : rng.between(0.02, 1);
    const isFailed = rng.chance(faults[kind]);
    return new Promise((resolve, reject) => {
      scheduler.schedule(delayMs, owner, what, () => {
        if (isFailed) scheduler.trace.note(scheduler.nowMs, owner.name, `${what} fails`, detail);
        else scheduler.trace.noteStep(scheduler.nowMs, owner.name, what, detail);
        if (isFailed) {
          faultLog.count(kind);
          onFault();
          return reject(new Error("Input/output error (os error 5)"));
        }
        try {
          resolve(work(options));
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

function tellRemoval(disk: SimDisk, scheduler: Scheduler, path: string): void {
  try {
    disk.onRemove?.(path);
  } catch (error) {
    scheduler.fail(error as Error);
  }
}
