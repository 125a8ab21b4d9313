/**
 * Writes the batches of one writer's log into segment files: what came while a write was under way goes out together, with
 * one fdatasync, and is named by a commit only after that. Positions only rise and are never used again. After a short
 * write, a failed write or a failed fdatasync the file is retired, since nothing is known of its end, and the bytes
 * are written into another one.
 */
import type { PositionalFile } from "../lib/env.ts";
import { invariant } from "../lib/invariant.ts";
import { mutant } from "../lib/mutants.ts";
import { StorageUnavailableError } from "./errors.ts";
import type { PartitionSegments, SegmentName } from "./segments.ts";
import type { WriteHealth } from "./write_health.ts";

/** Bytes that share one fdatasync, at most; a single larger batch goes alone. */
const GROUP_BYTES_MAX = 8 * 1_024 * 1_024;
/** Files that are tried for the same bytes. */
const ATTEMPTS_MAX = 2;

/** Where a batch lies: `position` of file `file.number`. */
export interface Extent {
  readonly file: SegmentName;
  readonly position: number;
}

export interface SegmentWriterOptions {
  readonly segments: PartitionSegments;
  /** The writer's incarnation and opening: its files' names. */
  readonly incarnation: string;
  readonly opening: number;
  /** Above every number that was used before. */
  readonly firstNumber: number;
  /** Size at which the next file is begun, in bytes. */
  readonly fileBytesMax: () => number;
  /** Told of every write that worked and of every batch that could not be written. */
  readonly health: WriteHealth;
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly resolve: (extent: Extent) => void;
  readonly reject: (error: Error) => void;
}

interface CurrentFile {
  readonly name: SegmentName;
  /** The next position: bytes below it may be written, whatever became of them. */
  end: number;
  /** Extents that were ever given out. */
  extentCount: number;
}

export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  #nextNumber: number;
  #current: CurrentFile | null = null;
  #queue: Waiting[] = [];
  #isRunning = false;
  #fault: Error | null = null;
  /** Extents given out and not settled, for each file's number. */
  readonly #open = new Map<number, number>();

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
    this.#nextNumber = options.firstNumber;
  }

  /** Number of the file that the next bytes go to; null before the first. */
  get currentFile(): number | null {
    return this.#current?.name.number ?? null;
  }

  /** Resolves when the bytes are on the disk. They must not change meanwhile. Throws `StorageUnavailableError`. */
  write(bytes: Uint8Array): Promise<Extent> {
    return new Promise((resolve, reject) => {
      if (this.#fault !== null) return reject(this.#fault);
      this.#queue.push({ bytes, resolve, reject });
      if (!this.#isRunning) void this.#run();
    });
  }

  /** The commit that names the extent is durable. */
  settled({ file }: Extent): void {
    const left = (this.#open.get(file.number) ?? 0) - 1;
    invariant(left >= 0, "An extent is settled once");
    if (left === 0) this.#open.delete(file.number);
    else this.#open.set(file.number, left);
  }

  /** Whether the file may go, its named bytes being none. If it is the one written to and all is quiet, it is no more. */
  mayDrop(number: number): boolean {
    if (this.#open.has(number)) return false;
    if (this.#current?.name.number !== number) return true;
    if (this.#isRunning) return false;
    this.#current = null;
    return true;
  }

  /** Takes no more; what waits is refused. */
  close(): void {
    this.#fail(new StorageUnavailableError("Cannot write segment file: the log is closed"));
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // One microtask later, so that batches that were decided together go together.
    await null;
    while (this.#queue.length > 0) await this.#writeGroup(this.#takeGroup());
    this.#isRunning = false;
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (; count < this.#queue.length; count++) {
      bytes += (this.#queue[count] as Waiting).bytes.length;
      if (count > 0 && bytes > GROUP_BYTES_MAX) break;
    }
    return this.#queue.splice(0, count);
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    for (let attempt = 1;; attempt++) {
      try {
        const extents = await this.#tryGroup(group);
        this.#options.health.succeeded("segments");
        for (const [i, { resolve }] of group.entries()) resolve(extents[i] as Extent);
        return;
      } catch (cause) {
        this.#retire();
        if (attempt < ATTEMPTS_MAX && this.#fault === null) continue;
        const why = cause instanceof Error ? cause.message : String(cause);
        const error = this.#fault ??
          new StorageUnavailableError(`Cannot write segment file: ${why}`, { cause });
        if (this.#fault === null) this.#options.health.failed("segments", error);
        for (const { reject } of group) reject(error);
        this.#fail(error);
        return;
      }
    }
  }

  async #tryGroup(group: readonly Waiting[]): Promise<Extent[]> {
    const { segments } = this.#options;
    const current = await this.#file();
    const { name } = current;
    const extents = group.map(({ bytes }): Extent => {
      const extent = { file: name, position: current.end };
      current.end += mutant("position-again") ? bytes.length - 1 : bytes.length;
      return extent;
    });
    await segments.use(name, (file) => writeAndSync(file, group.map(({ bytes }) => bytes), extents));
    this.#throwIfClosed();
    this.#open.set(name.number, (this.#open.get(name.number) ?? 0) + group.length);
    current.extentCount += group.length;
    return extents;
  }

  async #file(): Promise<CurrentFile> {
    const { incarnation, opening, segments, fileBytesMax } = this.#options;
    this.#throwIfClosed();
    if (this.#current !== null && this.#current.end < fileBytesMax()) return this.#current;
    const name = { number: this.#nextNumber++, incarnation, opening };
    try {
      await segments.create(name);
    } catch (error) {
      // It may be there although its name is not on the disk for certain.
      segments.drop(name);
      throw error;
    }
    this.#current = { name, end: 0, extentCount: 0 };
    this.#throwIfClosed();
    return this.#current;
  }

  /** What is written after the log was closed nobody will name, nor look for: it has to go again. */
  #throwIfClosed(): void {
    if (this.#fault !== null) throw this.#fault;
  }

  /** Its extents stay; one that never had any is removed. */
  #retire(): void {
    const current = this.#current;
    this.#current = null;
    if (current?.extentCount === 0) this.#options.segments.drop(current.name);
  }

  #fail(error: Error): void {
    this.#fault ??= error;
    for (const { reject } of this.#queue.splice(0)) reject(this.#fault);
  }
}

/** Hands everything over at once: the disk goes from write to write and to the sync without waiting for us. */
async function writeAndSync(
  file: PositionalFile,
  batches: readonly Uint8Array[],
  extents: readonly Extent[],
): Promise<void> {
  const writes = batches.map((bytes, i) => file.write(bytes, (extents[i] as Extent).position));
  const synced = mutant("commit-before-sync") ? Promise.resolve() : file.syncData();
  // All of them, also after a failure: the file must not be closed under a call.
  const [counts, sync] = await Promise.all([Promise.allSettled(writes), settled(synced)]);
  for (const [i, count] of counts.entries()) {
    if (count.status === "rejected") throw count.reason;
    const { length } = batches[i] as Uint8Array;
    if (count.value !== length && !mutant("short-write-is-whole")) {
      throw new Error(`only ${count.value} of ${length} bytes were written`);
    }
  }
  if (sync !== null) throw sync;
}

/** Its error, or null. */
function settled(promise: Promise<void>): Promise<Error | null> {
  return promise.then(() => null, (error: Error) => error);
}
