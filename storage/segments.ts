/**
 * Segment files: where the bytes of larger batches lie beside an embedded store. Bytes that no index entry names do not
 * exist, so the files know nothing of batches; which files live, and how much of each, is in the log's head.
 *
 * `<data>/segments/<topicId>-<partition>/<number>-<incarnation>-<opening>.log`: a file belongs to one writer, whose
 * incarnation and opening are in its name, and is created exclusively. Each partition has files of its own: measured, the
 * disk takes as many bytes so as in files that partitions share, and a file is free when its one log says so.
 */
import type { Files, PositionalFile } from "../lib/env.ts";
import { invariant } from "../lib/invariant.ts";
import type { Logger } from "../lib/log.ts";
import { mutant } from "../lib/mutants.ts";

/** One file of a partition. Numbers rise along the log and are never used again. */
export interface SegmentName {
  readonly number: number;
  /** Of the writer that made it. */
  readonly incarnation: string;
  readonly opening: number;
}

/**
 * From this size on a batch is worth a write and an fdatasync of its own beside the commit; `bench/crossover.ts` measures it,
 * `docs/adr/012-segment-files.md` says what came out.
 */
export const EXTENT_BYTES_MIN = 32 * 1_024;

/** Space comes back in pieces of this size, when nothing names a file any more. */
export const SEGMENT_BYTES = 128 * 1_024 * 1_024;

/** Files kept open while nobody uses them; many systems let a process have 1,024. */
const IDLE_FILES_MAX = 256;

const DIRECTORY_NAME = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d{1,9})$/;

/** As large as batches become. */
const PROBE_BYTES = 1_024 * 1_024;

interface OpenFile {
  readonly file: Promise<PositionalFile>;
  userCount: number;
  /** To be removed as soon as nobody uses it. */
  isDoomed: boolean;
  /** It was removed: to be closed as soon as nobody uses it. */
  isGone: boolean;
}

export interface SegmentStoreOptions {
  readonly files: Files;
  readonly log: Logger;
  /** The directory above those of the partitions. */
  readonly path: string;
  /** Batches of this size and more go into files; `EXTENT_BYTES_MIN` when absent. */
  readonly extentBytesMin?: number;
  /** Size at which the next file is begun, in bytes; `SEGMENT_BYTES` when absent. */
  readonly fileBytesMax?: number;
}

/** All segment files of one store. */
export class SegmentStore {
  readonly files: Files;
  readonly log: Logger;
  readonly path: string;
  readonly extentBytesMin: number;
  readonly fileBytesMax: number;
  /** Least recently used first. */
  readonly #open = new Map<string, OpenFile>();
  /** One after the other, so that the disk has time for who appends. */
  #removals: Promise<void> = Promise.resolve();

  constructor(options: SegmentStoreOptions) {
    this.files = options.files;
    this.log = options.log;
    this.path = options.path;
    this.extentBytesMin = options.extentBytesMin ?? EXTENT_BYTES_MIN;
    this.fileBytesMax = options.fileBytesMax ?? SEGMENT_BYTES;
  }

  partition(topicId: string, partition: number): PartitionSegments {
    return new PartitionSegments(this, `${this.path}/${topicId}-${partition}`);
  }

  /** Every partition that has a directory here, in the order of their names. */
  async partitions(): Promise<{ readonly topicId: string; readonly partition: number }[]> {
    const names = (await this.files.list(this.path)).map(({ name }) => name).sort();
    return names.flatMap((name) => {
      const [, topicId, partition] = DIRECTORY_NAME.exec(name) ?? [];
      return topicId === undefined ? [] : [{ topicId, partition: Number(partition) }];
    });
  }

  /** Opens or creates the file if it is not open, and keeps it open while `work` runs. */
  async use<T>(path: string, isNew: boolean, work: (file: PositionalFile) => Promise<T>): Promise<T> {
    let open = this.#open.get(path);
    invariant(open === undefined || !isNew, "A segment file is created once");
    if (open === undefined) {
      const file = isNew ? this.files.create(path) : this.files.open(path);
      open = { file, userCount: 0, isDoomed: false, isGone: false };
    } else {
      this.#open.delete(path);
    }
    this.#open.set(path, open);
    open.userCount++;
    try {
      return await work(await open.file);
    } finally {
      open.userCount--;
      if (open.userCount === 0) await this.#unused(path, open);
    }
  }

  /** Removes the file once its last reader is done. A file that cannot be removed goes at the next opening. */
  drop(path: string): void {
    const open = this.#open.get(path);
    if (open !== undefined && open.userCount > 0) {
      open.isDoomed = true;
      return;
    }
    this.remove(path).catch((error) => {
      this.log.warn("Cannot remove a segment file; it goes when its partition is opened again", {
        path,
        error: String(error),
      });
    });
  }

  /** Resolves when all files that were dropped are gone, but for those that cannot be removed. */
  removed(): Promise<void> {
    return this.#removals;
  }

  /** Removes the file after those that were dropped before it; who has it open may go on with it. Throws what the disk throws. */
  remove(path: string): Promise<void> {
    const removed = this.#removals.then(() => this.#removeNow(path));
    this.#removals = removed.catch(() => undefined);
    return removed;
  }

  /** Writes a file, syncs it and removes it: whether the disk takes batches. Rejects when it does not. */
  async probe(): Promise<void> {
    const path = `${this.path}/probe`;
    await this.files.makeDirectory(this.path);
    // Left over from a process that ended in the middle of it.
    if (await this.files.exists(path)) await this.files.remove(path);
    const file = await this.files.create(path);
    try {
      const written = await file.write(new Uint8Array(PROBE_BYTES), 0);
      if (written < PROBE_BYTES) throw new Error(`only ${written} of ${PROBE_BYTES} bytes were written`);
      await file.syncData();
    } finally {
      await file.close();
      await this.files.remove(path);
    }
  }

  /** Closes what nobody uses, of one directory or of all. */
  async close(directory = ""): Promise<void> {
    const idle = [...this.#open].filter(([path, open]) => path.startsWith(directory) && open.userCount === 0);
    // All at once, so that nobody else closes or uses one while another is being closed.
    for (const [path] of idle) this.#open.delete(path);
    for (const [path, open] of idle) await this.#close(path, open);
  }

  async #unused(path: string, open: OpenFile): Promise<void> {
    const isBroken = await open.file.then(() => false, () => true);
    if (open.isGone) {
      // Else the system would keep its bytes as long as we have it open.
      if (!isBroken) await this.#close(path, open);
      return;
    }
    if (isBroken && this.#open.get(path) === open) this.#open.delete(path);
    if (open.isDoomed) return this.drop(path);
    if (isBroken) return;
    if (this.#open.size <= IDLE_FILES_MAX) return;
    for (const [oldPath, old] of this.#open) {
      if (old.userCount > 0) continue;
      this.#open.delete(oldPath);
      await this.#close(oldPath, old);
      return;
    }
  }

  async #removeNow(path: string): Promise<void> {
    const open = this.#open.get(path);
    this.#open.delete(path);
    const isUsed = open !== undefined && open.userCount > 0;
    try {
      if (isUsed) {
        open.isGone = true;
        return await this.files.remove(path);
      }
      if (open !== undefined) await this.#close(path, open);
      await this.files.removeInSteps(path);
    } catch (error) {
      // It may have been dropped before.
      if (await this.files.exists(path)) throw error;
    }
  }

  async #close(path: string, open: OpenFile): Promise<void> {
    try {
      await (await open.file).close();
    } catch (error) {
      this.log.warn("Cannot close a segment file", { path, error: String(error) });
    }
  }
}

/** The segment files of one partition. */
export class PartitionSegments {
  readonly #store: SegmentStore;
  readonly #directory: string;

  constructor(store: SegmentStore, directory: string) {
    this.#store = store;
    this.#directory = directory;
  }

  get extentBytesMin(): number {
    return this.#store.extentBytesMin;
  }

  get fileBytesMax(): number {
    return this.#store.fileBytesMax;
  }

  /** Makes an empty file whose name is on the disk when this returns. */
  async create(name: SegmentName): Promise<void> {
    const { files, path } = this.#store;
    await files.makeDirectory(this.#directory);
    await this.#store.use(this.#pathOf(name), true, () => Promise.resolve());
    // From the inside out: the file's name, the directory's, and that of the directory above.
    if (mutant("no-directory-sync")) return;
    await files.syncDirectory(this.#directory);
    await files.syncDirectory(path);
    await files.syncDirectory(parentOf(path));
  }

  use<T>(name: SegmentName, work: (file: PositionalFile) => Promise<T>): Promise<T> {
    return this.#store.use(this.#pathOf(name), false, work);
  }

  /** To be called when no index entry names the file any more, durably. */
  drop(name: SegmentName): void {
    this.#store.drop(this.#pathOf(name));
  }

  /** Names of all files. */
  async list(): Promise<string[]> {
    return (await this.#store.files.list(this.#directory)).map(({ name }) => name);
  }

  /** Removes every file but those of `live`: what older writers left behind. To be called after fencing. */
  async sweep(live: readonly SegmentName[]): Promise<number> {
    if (mutant("no-file-sweep")) return 0;
    const names = new Set(live.map(fileName));
    let removedCount = 0;
    for (const { name } of await this.#store.files.list(this.#directory)) {
      if (names.has(name)) continue;
      this.#store.drop(`${this.#directory}/${name}`);
      removedCount++;
    }
    return removedCount;
  }

  /**
   * Removes all files, with a step after each, and then the directory; harmless when there are none. Throws what the disk throws.
   */
  async *removeAll(): AsyncGenerator<void, void, void> {
    const { files } = this.#store;
    const found = await files.list(this.#directory);
    for (const { name } of found) {
      await this.#store.remove(`${this.#directory}/${name}`);
      yield;
    }
    // Nobody will look here again: what a power failure brought back would stay for ever. Also when nothing was found, since
    // an earlier call may have ended before this.
    // Most partitions never had one.
    if (!await files.exists(this.#directory)) return;
    await files.syncDirectory(this.#directory);
    await files.removeDirectory(this.#directory);
  }

  close(): Promise<void> {
    return this.#store.close(`${this.#directory}/`);
  }

  #pathOf(name: SegmentName): string {
    return `${this.#directory}/${fileName(name)}`;
  }
}

export function fileName({ number, incarnation, opening }: SegmentName): string {
  return `${String(number).padStart(10, "0")}-${incarnation}-${opening}.log`;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || ".";
}
