/**
 * Walks everything that a store holds of its partition logs and says what is wrong with it: every batch's length and CRC, the chain of
 * offsets and CRCs, the seals of what is beside them, pieces and files that no index entry names, files of partitions that the store
 * does not know, and live bytes that do not add up. It only reads; nobody may write meanwhile, so the data directory's lock is the
 * caller's.
 */
import { CorruptStorageError } from "./errors.ts";
import { type BatchIndexEntry, decodeBatchIndex } from "./keys/batch_index.ts";
import { FAMILY } from "./keys/keyspace.ts";
import { below } from "./keys/keyspace.ts";
import { decodeLogHead, type LiveLogHead, type LogHeadPayload } from "./keys/log_head.ts";
import { PartitionKeys, partitionOfKey } from "./keys/partition.ts";
import { decodeShardHead } from "./keys/shard_head.ts";
import { entryFault } from "./log_verification.ts";
import { sealFaults } from "./seal_check.ts";
import { fileName, type SegmentStore } from "./segments.ts";
import type { KvKey, Storage, StoredEntry } from "./storage.ts";
import { hasStoredCrc } from "./stored_crc.ts";
import { scan } from "./scan.ts";

export interface PartitionReport {
  readonly topicId: string;
  readonly partition: number;
  readonly batchCount: number;
  /** Of batches between log start and log end. */
  readonly sizeBytes: number;
  /** One line each; none when all is well. */
  readonly faults: readonly string[];
  /** What the next opening removes: no fault. */
  readonly garbage: readonly string[];
}

export interface CheckOptions {
  readonly storage: Storage;
  readonly segments: SegmentStore | null;
}

/**
 * Yields one report for each partition that has keys, in the order of the keys; then one for each that has segment files alone.
 */
export async function* checkStorage(options: CheckOptions): AsyncGenerator<PartitionReport, void, void> {
  let start: KvKey = below([FAMILY.partition]).start;
  const { end } = below([FAMILY.partition]);
  const withKeys = new Set<string>();
  while (true) {
    const [found] = await options.storage.list({ start, end }, { limit: 1 });
    if (found === undefined) break;
    const { topicId, partition } = partitionOfKey(found.key);
    withKeys.add(`${topicId}-${partition}`);
    yield await new PartitionCheck(options, topicId, partition).run();
    start = new PartitionKeys(topicId, partition).all().end;
  }
  for (const { topicId, partition } of await options.segments?.partitions() ?? []) {
    if (withKeys.has(`${topicId}-${partition}`)) continue;
    const names = await options.segments?.partition(topicId, partition).list() ?? [];
    // A power failure may bring back an empty directory.
    if (names.length === 0) continue;
    const faults = names.sort().map((name) => `file ${name}: the store has no keys of this partition`);
    yield { topicId, partition, batchCount: 0, sizeBytes: 0, faults, garbage: [] };
  }
}

class PartitionCheck {
  readonly #options: CheckOptions;
  readonly #topicId: string;
  readonly #partition: number;
  readonly #keys: PartitionKeys;
  readonly #faults: string[] = [];
  readonly #garbage: string[] = [];
  readonly #liveBytes = new Map<number, number>();
  #batchCount = 0;
  #sizeBytes = 0;

  constructor(options: CheckOptions, topicId: string, partition: number) {
    this.#options = options;
    this.#topicId = topicId;
    this.#partition = partition;
    this.#keys = new PartitionKeys(topicId, partition);
  }

  async run(): Promise<PartitionReport> {
    const payload = await this.#head();
    if (payload?.state === "deleted") this.#garbage.push("its deletion has not ended");
    if (payload?.state === "live") {
      await this.#index(payload);
      await this.#pieces();
      await this.#files(payload);
      for await (const fault of sealFaults(this.#options.storage, this.#keys)) this.#faults.push(fault);
    }
    return {
      topicId: this.#topicId,
      partition: this.#partition,
      batchCount: this.#batchCount,
      sizeBytes: this.#sizeBytes,
      faults: this.#faults,
      garbage: this.#garbage,
    };
  }

  async #head(): Promise<LogHeadPayload | null> {
    try {
      const stored = await this.#options.storage.get(this.#keys.head);
      if (stored === null) {
        this.#faults.push("it has no head");
        return null;
      }
      return decodeLogHead(decodeShardHead(stored.value).payload);
    } catch (error) {
      this.#faults.push(messageOf(error));
      return null;
    }
  }

  async #index({ head, writer }: LiveLogHead): Promise<void> {
    let next: number | null = null;
    let previousCrc: number | null = null;
    for await (const stored of scan(this.#options.storage, this.#keys.indexRange(0, Infinity))) {
      const baseOffset = stored.key[4] as number;
      let entry: BatchIndexEntry;
      try {
        entry = decodeBatchIndex(stored.value);
      } catch (error) {
        this.#faults.push(`offset ${baseOffset}: ${messageOf(error)}`);
        next = null;
        previousCrc = null;
        continue;
      }
      if (next !== null && baseOffset !== next) {
        this.#faults.push(`offsets ${next} to ${baseOffset} are missing`);
      }
      if (next === null && baseOffset > head.logStartOffset && this.#batchCount === 0) {
        this.#faults.push(`offsets ${head.logStartOffset} to ${baseOffset} are missing`);
      }
      if (previousCrc !== null && next === baseOffset && entry.previousCrc !== previousCrc) {
        this.#faults.push(`offset ${baseOffset}: it does not follow the batch before it`);
      }
      next = entry.lastOffset + 1;
      previousCrc = entry.chainCrc;
      if (entry.lastOffset < head.logStartOffset) {
        this.#garbage.push(`offset ${baseOffset}: below the log start`);
      }
      // Of what is being deleted some pieces may be gone.
      const isLeft = entry.lastOffset >= head.logStartOffset;
      await this.#batch(baseOffset, entry, { files: writer.files, isLeft });
    }
    if ((next ?? head.logStartOffset) !== head.logEndOffset && head.logStartOffset < head.logEndOffset) {
      this.#faults.push(`the log ends at ${head.logEndOffset}, its last batch at ${next ?? "none"}`);
    }
    if (previousCrc !== null && next === head.logEndOffset && previousCrc !== writer.lastCrc) {
      this.#faults.push("its newest batch is not the one that its head knows");
    }
    if (this.#sizeBytes !== head.sizeBytes && this.#faults.length === 0) {
      this.#faults.push(`the head says ${head.sizeBytes} bytes, there are ${this.#sizeBytes}`);
    }
  }

  async #batch(
    baseOffset: number,
    entry: BatchIndexEntry,
    { files, isLeft }: { readonly files: LiveLogHead["writer"]["files"]; readonly isLeft: boolean },
  ): Promise<void> {
    this.#batchCount++;
    this.#sizeBytes += entry.sizeBytes;
    const { place } = entry;
    if (place.kind === "hole") return;
    if (place.kind === "extent") {
      this.#liveBytes.set(
        place.fileNumber,
        (this.#liveBytes.get(place.fileNumber) ?? 0) + entry.sizeBytes,
      );
    }
    try {
      const bytes = await this.#bytesOf(baseOffset, entry, files);
      if (bytes === null) {
        if (isLeft) this.#faults.push(`offset ${baseOffset}: its bytes are missing`);
      } else if (bytes.length !== entry.sizeBytes || !hasStoredCrc(bytes, entry.crc)) {
        this.#faults.push(`offset ${baseOffset}: its bytes are not those that were written`);
      } else {
        const fault = entryFault(baseOffset, entry, bytes);
        if (fault !== null) this.#faults.push(`offset ${baseOffset}: ${fault}`);
      }
    } catch (error) {
      this.#faults.push(`offset ${baseOffset}: ${messageOf(error)}`);
    }
  }

  async #bytesOf(
    baseOffset: number,
    { place, sizeBytes }: BatchIndexEntry,
    files: LiveLogHead["writer"]["files"],
  ): Promise<Uint8Array | null> {
    const { storage, segments } = this.#options;
    if (place.kind === "inline") return place.bytes;
    if (place.kind === "hole") return null;
    const bytes = new Uint8Array(sizeBytes);
    if (place.kind === "extent") {
      const file = files.find((each) => each.number === place.fileNumber);
      if (file === undefined || segments === null) return null;
      const partition = segments.partition(this.#topicId, this.#partition);
      const length = await partition.use(file, (open) => open.read(bytes, place.position));
      return length === sizeBytes ? bytes : null;
    }
    for (let k = 0; k < place.chunkCount; k++) {
      const piece: StoredEntry | null = await storage.get(this.#keys.chunk(baseOffset, place.attempt, k));
      if (piece === null || k * place.chunkBytes + piece.value.length > sizeBytes) return null;
      bytes.set(piece.value, k * place.chunkBytes);
    }
    return bytes;
  }

  async #pieces(): Promise<void> {
    for await (const { key } of scan(this.#options.storage, this.#keys.chunkRange(0, Infinity))) {
      const [baseOffset, attempt] = [key[4] as number, key[5] as string];
      const entry = await this.#options.storage.get(this.#keys.index(baseOffset));
      if (entry !== null && mayName(entry.value, attempt)) continue;
      this.#garbage.push(`offset ${baseOffset}: a piece that no index entry names`);
    }
  }

  async #files({ writer }: LiveLogHead): Promise<void> {
    const { segments } = this.#options;
    if (segments === null) return;
    const there = await segments.partition(this.#topicId, this.#partition).list();
    const named = new Set(writer.files.map(fileName));
    for (const name of there) {
      if (!named.has(name)) this.#garbage.push(`file ${name}: the head does not name it`);
    }
    for (const file of writer.files) {
      if (!there.includes(fileName(file))) this.#faults.push(`file ${fileName(file)} is missing`);
      const liveBytes = this.#liveBytes.get(file.number) ?? 0;
      if (liveBytes !== file.liveBytes) {
        this.#faults.push(
          `file ${fileName(file)}: the head says ${file.liveBytes} live bytes, not ${liveBytes}`,
        );
      }
    }
  }
}

/** Whether an index entry names that attempt's pieces; one that is damaged, which has a line of its own, may. */
function mayName(entry: Uint8Array, attempt: string): boolean {
  try {
    const { place } = decodeBatchIndex(entry);
    return place.kind === "chunks" && place.attempt === attempt;
  } catch (error) {
    if (error instanceof CorruptStorageError) return true;
    throw error;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
