/**
 * The producer's memory of one partition: batches that wait, batches under way, and the sequence numbers that make
 * sending again harmless (KIP-98). Pure apart from the callbacks of the records.
 *
 * Rules: batches leave in the order in which they were filled. An idempotent producer has up to five under way, the
 * number of batches a broker remembers; without idempotence one, since a second could overtake a first that is sent
 * again. After any failure the partition drains before something is sent again, and what is sent again goes alone:
 * nothing new may push a batch that perhaps is stored out of the broker's memory before its answer comes.
 * Source: Kafka's RecordAccumulator and TransactionManager (which let new batches follow one that is sent again).
 */
import { buildBatch, type Compression, type RecordInput } from "../protocol/records/record_batch.ts";
import { invariant } from "../lib/invariant.ts";

/** Where a record went. */
export interface RecordMetadata {
  readonly topic: string;
  readonly partition: number;
  /** −1 when the broker does not tell (acks=0, or a duplicate that it no longer remembers). */
  readonly offset: number;
  /** Milliseconds. */
  readonly timestamp: number;
}

export interface PendingRecord {
  readonly input: RecordInput;
  readonly sizeInBytes: number;
  resolve(metadata: RecordMetadata): void;
  reject(error: Error): void;
}

export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** Records that travel together. */
export interface Batch {
  /** Rises with each batch of the partition. */
  readonly order: number;
  readonly records: PendingRecord[];
  readonly createdMs: number;
  sizeInBytes: number;
  /** Takes no more records. */
  sealed: boolean;
  /** −1 until it is first sent under the current identity. */
  baseSequence: number;
  encoded: Uint8Array | null;
  attemptCount: number;
  /** Why it may be in the log although no broker said so; null when it surely is not. */
  doubt: Error | null;
}

/** When to send a batch again. */
export interface Retry {
  /** By the monotonic clock, milliseconds. */
  readonly atMs: number;
  /** See `Batch.doubt`; null when this attempt left none. */
  readonly doubt: Error | null;
}

/** Most bytes that a record takes beside its key, value and headers. */
const RECORD_OVERHEAD_BYTES = 21;
const HEADER_OVERHEAD_BYTES = 10;
const SEQUENCE_COUNT = 2 ** 31;
/** A broker remembers this many batches of a producer. */
export const IN_FLIGHT_BATCHES_MAX = 5;

/** Upper bound of what the record takes in an uncompressed batch, bytes. */
export function recordSizeInBytes(record: RecordInput): number {
  let size = RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const header of record.headers) {
    // UTF-8 takes at most three bytes for a UTF-16 unit.
    size += HEADER_OVERHEAD_BYTES + header.key.length * 3 + (header.value?.length ?? 0);
  }
  return size;
}

export class PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  /** To be sent, in order; the last one may be open for more records. */
  readonly waiting: Batch[] = [];
  readonly inFlight: Batch[] = [];
  identity: ProducerIdentity | null = null;
  /** Before this time (mono) nothing is sent: back-off after a failure. */
  retryAtMs = 0;
  readonly #idempotent: boolean;
  readonly #isTransactional: boolean;
  readonly #batchBytesMax: number;
  #nextOrder = 0;
  #nextSequence = 0;
  #draining = false;
  #identityBroken = false;
  /** Whether the broker has taken a batch under this identity. */
  #isKnown = false;

  constructor(
    topic: string,
    partition: number,
    options: { idempotent: boolean; batchBytesMax: number; isTransactional?: boolean },
  ) {
    this.topic = topic;
    this.partition = partition;
    this.#idempotent = options.idempotent;
    this.#isTransactional = options.isTransactional ?? false;
    this.#batchBytesMax = options.batchBytesMax;
  }

  /** Whether the open batch takes a record of this size. */
  hasRoom(sizeInBytes: number): boolean {
    const last = this.waiting.at(-1);
    return last !== undefined && !last.sealed && last.sizeInBytes + sizeInBytes <= this.#batchBytesMax;
  }

  /** Adds a record. True when that made a batch ready to be sent. */
  append(record: PendingRecord, nowMs: number): boolean {
    if (this.hasRoom(record.sizeInBytes)) {
      const last = this.waiting.at(-1);
      invariant(last !== undefined, "A queue with room has an open batch");
      last.records.push(record);
      last.sizeInBytes += record.sizeInBytes;
      return false;
    }
    const last = this.waiting.at(-1);
    if (last !== undefined) last.sealed = true;
    this.waiting.push({
      order: this.#nextOrder++,
      records: [record],
      createdMs: nowMs,
      sizeInBytes: record.sizeInBytes,
      sealed: record.sizeInBytes >= this.#batchBytesMax,
      baseSequence: -1,
      encoded: null,
      attemptCount: 0,
      doubt: null,
    });
    return this.waiting.length > 1;
  }

  /** The batch that may be sent now, or null. It stays where it is until `take`. May fail batches: see `#endDrain`. */
  sendable(nowMs: number): Batch | null {
    if (this.#draining && this.inFlight.length === 0) this.#endDrain();
    const next = this.waiting[0];
    if (next === undefined || this.#draining || nowMs < this.retryAtMs) return null;
    return this.inFlight.length < this.#inFlightMax() ? next : null;
  }

  #inFlightMax(): number {
    // A broker takes any sequence from a producer it does not know, so the second batch could pass as the first.
    if (!this.#idempotent || !this.#isKnown) return 1;
    const isRepeating = this.inFlight.some((batch) => batch.attemptCount > 1);
    return isRepeating ? 1 : IN_FLIGHT_BATCHES_MAX;
  }

  /** All answers are there. After a gap the sequence begins again, for those batches that can't become duplicates so. */
  #endDrain(): void {
    this.#draining = false;
    if (!this.#identityBroken) return;
    this.#identityBroken = false;
    this.#isKnown = false;
    this.identity = null;
    this.#nextSequence = 0;
    for (const batch of this.waiting.slice()) {
      batch.baseSequence = -1;
      batch.encoded = null;
      if (batch.doubt !== null) this.fail(batch, batch.doubt);
    }
  }

  /** Moves the first waiting batch under way and returns its bytes. */
  take(compression: Compression): { batch: Batch; bytes: Uint8Array } {
    const batch = this.waiting.shift();
    invariant(batch !== undefined, "Only a waiting batch can be taken");
    batch.sealed = true;
    batch.attemptCount++;
    this.inFlight.push(batch);
    batch.encoded ??= this.#encode(batch, compression);
    return { batch, bytes: batch.encoded };
  }

  #encode(batch: Batch, compression: Compression): Uint8Array {
    const records = batch.records.map((record) => record.input);
    if (!this.#idempotent) return buildBatch({ records, compression });
    invariant(this.identity !== null, "An idempotent producer needs its identity before it sends");
    if (batch.baseSequence < 0) {
      batch.baseSequence = this.#nextSequence;
      this.#nextSequence = (this.#nextSequence + records.length) % SEQUENCE_COUNT;
    }
    return buildBatch({
      records,
      compression,
      ...this.identity,
      baseSequence: batch.baseSequence,
      isTransactional: this.#isTransactional,
    });
  }

  /** Another transaction begins: its sequence starts at 0, and nothing of the one before is left. */
  adopt(identity: ProducerIdentity): void {
    invariant(this.inFlight.length === 0, "A transaction begins when the one before has no batch under way");
    this.identity = identity;
    this.#nextSequence = 0;
    this.#isKnown = false;
    this.#draining = false;
    this.#identityBroken = false;
  }

  /** The broker has the batch, from `baseOffset` on (−1: it does not say). */
  succeed(batch: Batch, baseOffset: number, logAppendTimeMs: number): void {
    if (!this.#remove(batch)) return;
    this.#isKnown = true;
    batch.records.forEach((record, i) => {
      record.resolve({
        topic: this.topic,
        partition: this.partition,
        offset: baseOffset < 0 ? -1 : baseOffset + i,
        timestamp: logAppendTimeMs >= 0 ? logAppendTimeMs : record.input.timestamp,
      });
    });
  }

  /** Whether an earlier batch failed or is still under way, so that a gap before this one is no surprise. */
  followsTrouble(batch: Batch): boolean {
    return this.#draining || this.inFlight[0] !== batch;
  }

  /** The batch is to be sent again, in its old place. */
  retry(batch: Batch, { atMs, doubt }: Retry): void {
    if (!this.#remove(batch)) return;
    batch.doubt ??= doubt;
    this.#insert(batch);
    this.#draining = true;
    this.retryAtMs = Math.max(this.retryAtMs, atMs);
  }

  /** Sends again under a new identity, as the broker does not take the old one any more. */
  retryWithNewIdentity(batch: Batch, retry: Retry): void {
    this.#identityBroken = true;
    this.retry(batch, retry);
  }

  /** A batch that the broker finds too large becomes two. False when it has only one record. */
  split(batch: Batch): boolean {
    const half = Math.ceil(batch.records.length / 2);
    if (half === batch.records.length) return false;
    if (!this.#remove(batch)) return true;
    const parts = [batch.records.slice(0, half), batch.records.slice(half)];
    parts.forEach((records, i) => {
      this.#insert({
        // Between this batch and the next; halves of halves stay between, too.
        order: batch.order + (i * batch.records.length) / (2 * SEQUENCE_COUNT),
        records,
        createdMs: batch.createdMs,
        sizeInBytes: records.reduce((sum, record) => sum + record.sizeInBytes, 0),
        sealed: true,
        // Together the halves have the sequence numbers that the whole had.
        baseSequence: batch.baseSequence < 0 ? -1 : (batch.baseSequence + i * half) % SEQUENCE_COUNT,
        encoded: null,
        attemptCount: batch.attemptCount,
        doubt: batch.doubt,
      });
    });
    this.#draining = true;
    return true;
  }

  /** The batch is lost; its records learn why. */
  fail(batch: Batch, error: Error): void {
    if (!this.#remove(batch)) return;
    for (const record of batch.records) record.reject(error);
    if (!this.#idempotent || batch.baseSequence < 0) return;
    // The sequence has a gap now, so it begins again.
    this.#identityBroken = true;
    this.#draining = true;
  }

  /** Takes back batches that have waited too long, and fails them. */
  expire(isExpired: (batch: Batch) => boolean, error: () => Error): void {
    for (const batch of this.waiting.filter(isExpired)) this.fail(batch, error());
  }

  /** Fails every batch, those under way too: their answers will be ignored. */
  failAll(error: Error): void {
    for (const batch of [...this.inFlight, ...this.waiting]) this.fail(batch, error);
  }

  #insert(batch: Batch): void {
    const at = this.waiting.findIndex((other) => other.order > batch.order);
    if (at < 0) this.waiting.push(batch);
    else this.waiting.splice(at, 0, batch);
  }

  /** False when the batch has been settled before. */
  #remove(batch: Batch): boolean {
    for (const list of [this.inFlight, this.waiting]) {
      const at = list.indexOf(batch);
      if (at >= 0) {
        list.splice(at, 1);
        return true;
      }
    }
    return false;
  }
}
