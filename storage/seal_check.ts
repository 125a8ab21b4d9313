/**
 * Checks the seals of stored values, whatever they say: what is beside a log's batches, and everything that is no log, such as
 * groups, transactions and settings. What is stored in pieces is put together before. It only reads; nobody may write meanwhile.
 */
import { concat } from "../lib/bytes.ts";
import { crc32c } from "../lib/crc32c.ts";
import { CorruptStorageError } from "./errors.ts";
import { writeProbeKey } from "./keys/broker_fence.ts";
import { groupKey } from "./keys/group.ts";
import { decodeGroupValue } from "./keys/group_record.ts";
import { below, FAMILY } from "./keys/keyspace.ts";
import type { PartitionKeys } from "./keys/partition.ts";
import { decodeShardHead } from "./keys/shard_head.ts";
import { storeMetaKey } from "./keys/store_meta.ts";
import { decodeSnapshotHead } from "./keys/stream.ts";
import { checkSeal, isSealed, SEAL_BYTES } from "./keys/value_codec.ts";
import { compareKeys } from "./key_order.ts";
import { scan } from "./scan.ts";
import type { KvKey, Storage, StoredEntry } from "./storage.ts";

export interface SealReport {
  readonly valueCount: number;
  readonly sizeBytes: number;
  /** One line each; none when all is well. */
  readonly faults: readonly string[];
  readonly garbage: readonly string[];
}

/** What is wrong with the values beside a log's batches, head and pieces, one line each. */
export async function* sealFaults(storage: Storage, keys: PartitionKeys): AsyncGenerator<string, void, void> {
  const ranges = [
    keys.attempts(),
    keys.producers(),
    keys.openTransactions(),
    keys.abortedRange(0, Infinity),
    keys.timeRange(-Infinity, Infinity),
  ];
  for (const range of ranges) {
    for await (const { key, value } of scan(storage, range)) {
      if (!hasRightSeal(value)) yield faultOf(key);
    }
  }
  for (const key of [keys.cleanerCheckpoint, keys.trimmedTimestamp]) {
    const stored = await storage.get(key);
    if (stored !== null && !hasRightSeal(stored.value)) yield faultOf(key);
  }
}

/** Looks at everything but the partitions' logs. Throws `StorageUnavailableError`. */
export async function checkSeals(storage: Storage): Promise<SealReport> {
  const check = new SealCheck(storage);
  const meta = await storage.get(storeMetaKey);
  if (meta !== null) await check.look(meta);
  for (const family of Object.values(FAMILY)) {
    if (family === FAMILY.partition) continue;
    for await (const entry of scan(storage, below([family]))) await check.look(entry);
  }
  return await check.end();
}

class SealCheck {
  readonly #storage: Storage;
  readonly #faults: string[] = [];
  readonly #garbage: string[] = [];
  #valueCount = 0;
  #sizeBytes = 0;
  /** Pieces of one value, in order. */
  #pieces: StoredEntry[] = [];

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  async look(entry: StoredEntry): Promise<void> {
    const { key, value } = entry;
    this.#valueCount++;
    this.#sizeBytes += value.length;
    const [first] = this.#pieces;
    if (first !== undefined && compareKeys(first.key.slice(0, -1), key.slice(0, -1)) !== 0) {
      await this.#join();
    }
    if (isPiece(key)) this.#pieces.push(entry);
    else if (!isProbe(key) && !hasRightSeal(value)) this.#faults.push(faultOf(key));
  }

  async end(): Promise<SealReport> {
    await this.#join();
    const [valueCount, sizeBytes] = [this.#valueCount, this.#sizeBytes];
    return { valueCount, sizeBytes, faults: this.#faults, garbage: this.#garbage };
  }

  async #join(): Promise<void> {
    const pieces = this.#pieces;
    const [first] = pieces;
    this.#pieces = [];
    if (first === undefined) return;
    try {
      if (!await this.#isWhole(first.key, pieces.map(({ value }) => value))) {
        this.#faults.push(faultOf(first.key));
      }
    } catch (error) {
      // The value that names them is damaged, and has its own line.
      if (!(error instanceof CorruptStorageError)) throw error;
    }
  }

  /** Whether the pieces are what the value that names them says. */
  async #isWhole(key: KvKey, pieces: readonly Uint8Array[]): Promise<boolean> {
    if (key[0] === FAMILY.stream) {
      const head = await this.#storage.get([...key.slice(0, -1), "h"]);
      const payload = head === null ? null : decodeShardHead(head.value).payload;
      if (payload === null) return true;
      const { pieceCount } = decodeSnapshotHead(payload);
      return pieces.length >= pieceCount && hasRightSeal(concat(pieces.slice(0, pieceCount)));
    }
    const [, shardIndex, , groupId, writing] = key;
    const group = await this.#storage.get(groupKey(Number(shardIndex), String(groupId)));
    const body = group === null ? null : decodeGroupValue(group.value).body;
    if (body === null || body instanceof Uint8Array || body.writing !== writing) {
      this.#garbage.push(`${nameOf(key)}: pieces that its group does not name`);
      return true;
    }
    const bytes = concat(pieces);
    return bytes.length === body.byteLength && crc32c(bytes) === body.crc;
  }
}

/** Values from before there were seals have none. */
function hasRightSeal(value: Uint8Array): boolean {
  if (!isSealed(value)) return true;
  try {
    checkSeal("value", value, value.length - SEAL_BYTES);
    return true;
  } catch (error) {
    if (error instanceof CorruptStorageError) return false;
    throw error;
  }
}

/** Of a group, or of a snapshot of a stream's writers. */
function isPiece(key: KvKey): boolean {
  return key[0] === FAMILY.group ? key[2] === "c" : key[0] === FAMILY.stream && typeof key[3] === "number";
}

function isProbe(key: KvKey): boolean {
  return key[0] === FAMILY.brokerFence && compareKeys(key, writeProbeKey(Number(key[1]))) === 0;
}

function faultOf(key: KvKey): string {
  return `${nameOf(key)}: its bytes are not those that were written`;
}

/** The key for people; bytes in hexadecimal. */
function nameOf(key: KvKey): string {
  return `value ${JSON.stringify(key.map((part) => part instanceof Uint8Array ? part.toHex() : part))}`;
}
