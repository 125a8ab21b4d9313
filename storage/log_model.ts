/**
 * A log against a simple model in memory, for tests: random appends, transactions, reads, retention, compaction, deletion and
 * crashes at any await. The model keeps every record that was ever written and says of each whether it must be there, may be
 * there or must be gone.
 */
import assert from "node:assert/strict";
import { decideRetention } from "../core/partition/retention.ts";
import { decideMarker, OpenTransactions } from "../core/partition/transactions.ts";
import { silentLogger } from "../lib/log.ts";
import { buildControlBatch } from "../protocol/records/control_record.ts";
import {
  assignOffsets,
  buildBatch,
  iterateRecords,
  readBatchHeader,
} from "../protocol/records/record_batch.ts";
import { StorageUnavailableError } from "./errors.ts";
import { FakeDisk } from "./fake_disk.ts";
import { LogCompaction } from "./log_compaction.ts";
import { deletePartition, removeTombstone } from "./log_deletion.ts";
import { MemoryStorage } from "./memory.ts";
import { type LogAppend, type LogEffect, OffsetTrimmedError, PartitionLog } from "./partition_log.ts";
import { SegmentStore } from "./segments.ts";
import { ShardStore } from "./shard.ts";
import { checkStorage } from "./storage_check.ts";
import { nextIncarnation, settle, testEnv, TOPIC_ID } from "./storage_testkit.ts";

/** What happens to the commits of a step that is to crash; the disk loses power with it. */
export type Crash = "crash" | "crashAfter" | "throwAfter" | "throwBefore" | "refuse" | "refuseAfter" | "late";

export interface RecordSpec {
  readonly key: number | null;
  /** Bytes of the value; null for a tombstone. */
  readonly valueBytes: number | null;
}

export type Operation =
  | {
    readonly type: "append";
    readonly batches: readonly (readonly RecordSpec[])[];
    readonly compression: "none" | "gzip" | "lz4";
    /** 0: without a producer id; else the producer whose transaction it continues or opens. */
    readonly producer: number;
  }
  | { readonly type: "end"; readonly producer: number; readonly committed: boolean }
  | { readonly type: "read"; readonly at: number; readonly maxBytes: number }
  | { readonly type: "search"; readonly at: number }
  | { readonly type: "deleteRecords"; readonly at: number }
  | { readonly type: "retention"; readonly bytes: number; readonly ms: number }
  /** `steps` of a round; many finish it. */
  | { readonly type: "compact"; readonly steps: number; readonly reads: boolean }
  | { readonly type: "pass"; readonly ms: number }
  | { readonly type: "deleteTopic" };

export interface Step {
  readonly operation: Operation;
  /** Null: nothing goes wrong; else after so many commits. */
  readonly crash: { readonly fate: Crash; readonly after: number; readonly losesPower: boolean } | null;
}

interface ModelRecord {
  readonly offset: number;
  readonly key: string | null;
  readonly isTombstone: boolean;
  /** What a reader must see of it. */
  readonly text: string;
  readonly timestamp: number;
  readonly producer: number;
  readonly batchEnd: number;
  state: "plain" | "open" | "committed" | "aborted" | "marker";
}

const DELETE_RETENTION_MS = 1_000;
const KEPT = { maxBytes: Number.MAX_SAFE_INTEGER, minOneBatch: true, upTo: Number.MAX_SAFE_INTEGER };
/** Small, so that every kind of place is used and steps are many. */
const EXTENT_BYTES_MIN = 700;

export class LogUnderTest {
  readonly #storage = new MemoryStorage({
    limits: { valueBytesMax: 1_200, commitBytesMax: 12_000, mutationsMax: 40 },
  });
  /** The living process's handle on it. */
  #handle = this.#storage;
  readonly #disk: FakeDisk;
  readonly #usesDisk: boolean;
  readonly #env = testEnv();
  #log: PartitionLog | null = null;
  #records: ModelRecord[] = [];
  #open = new OpenTransactions();
  #logStart = 0;
  #now = 1_000_000;
  /** Below it the last whole round left one record for each key. */
  #compactedTo = 0;
  #hasCompacted = false;

  constructor(random: () => number, usesDisk: boolean) {
    this.#disk = new FakeDisk(random);
    this.#usesDisk = usesDisk;
  }

  get #opened(): PartitionLog {
    assert.ok(this.#log !== null);
    return this.#log;
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.#reopen();
    for (const { operation, crash } of steps) {
      this.#now += 10;
      if (crash === null) await this.#do(operation);
      else await this.#doAndCrash(operation, crash);
      await this.#checkReads();
    }
    await this.#checkStore();
  }

  async #reopen(): Promise<void> {
    this.#log?.close();
    // Whoever used the old one is dead.
    this.#handle.fateOf = () => "crash";
    this.#handle = this.#storage.twin();
    const segments = this.#usesDisk
      ? new SegmentStore({
        files: this.#disk.files,
        log: silentLogger,
        path: "data/segments",
        extentBytesMin: EXTENT_BYTES_MIN,
      })
      : undefined;
    const shards = await ShardStore.open({
      storage: this.#handle,
      env: this.#env,
      log: silentLogger,
      brokerId: 1,
      incarnation: nextIncarnation(),
      ...(segments && { segments }),
    });
    this.#log = await PartitionLog.open(shards, TOPIC_ID, 0);
  }

  /** The process dies somewhere in the operation; what it was doing came about in part. */
  async #doAndCrash(operation: Operation, crash: NonNullable<Step["crash"]>): Promise<void> {
    let left = crash.after;
    const dying = this.#handle;
    dying.fateOf = () => left-- > 0 ? "apply" : crash.fate;
    const acknowledged = { end: this.#opened.head.logEndOffset };
    const before = this.#records.length;
    const work = this.#do(operation, acknowledged).catch((error) => {
      if (!(error instanceof StorageUnavailableError)) throw error;
    });
    await Promise.race([work, settle().then(settle).then(settle).then(settle)]);
    dying.fateOf = () => "crash";
    if (crash.losesPower) this.#disk.crash();
    if (operation.type === "deleteTopic") {
      this.#handle = this.#storage.twin();
      return await this.#deleteTopic();
    }
    await this.#reopen();
    dying.releaseLate();
    await this.#reopen();
    const { logEndOffset, logStartOffset } = this.#opened.head;
    assert.ok(
      logEndOffset >= acknowledged.end,
      `${acknowledged.end} was acknowledged, ${logEndOffset} is there`,
    );
    assert.ok(logStartOffset >= this.#logStart, "the log start fell");
    this.#logStart = logStartOffset;
    this.#takeBack(logEndOffset, before);
  }

  /** What was not written before the crash never was. */
  #takeBack(logEndOffset: number, before: number): void {
    const lost = this.#records.slice(before).filter(({ offset }) => offset >= logEndOffset);
    this.#records = this.#records.filter(({ offset }) => offset < logEndOffset);
    for (const marker of lost.filter(({ state }) => state === "marker")) {
      for (const record of this.#records) {
        if (record.producer === marker.producer && record.batchEnd > this.#lastMarker(marker.producer)) {
          record.state = "open";
        }
      }
    }
    this.#open = this.#openNow();
  }

  #lastMarker(producer: number): number {
    return this.#records.findLast((each) => each.producer === producer && each.state === "marker")?.offset ??
      -1;
  }

  #openNow(): OpenTransactions {
    const first = new Map<number, number>();
    for (const { producer, state, offset } of this.#records) {
      if (state === "open" && !first.has(producer)) first.set(producer, offset);
    }
    return new OpenTransactions(first);
  }

  async #do(operation: Operation, acknowledged = { end: 0 }): Promise<void> {
    switch (operation.type) {
      case "append":
        return await this.#append(operation, acknowledged);
      case "end":
        return await this.#end(operation.producer, operation.committed, acknowledged);
      case "read":
        return await this.#read(operation.at, operation.maxBytes);
      case "search":
        await this.#searchNewest();
        return await this.#search(operation.at);
      case "deleteRecords": {
        const { head } = this.#opened;
        const start = Math.max(head.logStartOffset, Math.floor(operation.at * head.logEndOffset));
        await this.#opened.append([{ headAfter: { ...head, logStartOffset: start }, trim: null }]);
        this.#logStart = this.#opened.head.logStartOffset;
        while (await this.#opened.trim());
        return;
      }
      case "retention":
        return await this.#retention(operation.bytes, operation.ms);
      case "compact":
        return await this.#compact(operation.steps, operation.reads);
      case "pass":
        this.#now += operation.ms;
        return;
      case "deleteTopic":
        return await this.#deleteTopic();
    }
  }

  async #append(
    { batches, compression, producer }: Extract<Operation, { type: "append" }>,
    acknowledged: { end: number },
  ): Promise<void> {
    const appends: LogAppend[] = [];
    let { head } = this.#opened;
    for (const specs of batches) {
      this.#now += 1;
      const baseOffset = head.logEndOffset;
      const records = specs.map(({ key, valueBytes }, i) => ({
        key: key === null ? null : new TextEncoder().encode(`k${key}`),
        value: valueBytes === null ? null : valueOf(baseOffset + i, valueBytes),
        headers: [],
        timestamp: this.#now - (baseOffset + i) % 7,
      }));
      const isTransactional = producer > 0;
      const bytes = buildBatch({
        records,
        compression,
        ...(isTransactional && { producerId: producer, producerEpoch: 0, baseSequence: 0, isTransactional }),
      });
      const opens = isTransactional && this.#open.firstOffsetOf(producer) === null;
      const change = { type: "opened", producerId: producer, firstOffset: baseOffset } as const;
      if (opens) this.#open.apply(change);
      const lastOffset = baseOffset + specs.length - 1;
      const append = this.#appendOf(head, {
        bytes,
        lastOffset,
        transaction: opens ? change : null,
        producer,
      });
      appends.push(append);
      head = append.headAfter;
      for (const [i, { key, value, timestamp }] of records.entries()) {
        this.#records.push({
          offset: baseOffset + i,
          key: key === null ? null : new TextDecoder().decode(key),
          isTombstone: value === null,
          text: textOf({ key, value, timestamp }),
          timestamp,
          producer,
          batchEnd: lastOffset,
          state: isTransactional ? "open" : "plain",
        });
      }
    }
    await this.#commit(appends, acknowledged);
  }

  async #end(producer: number, committed: boolean, acknowledged: { end: number }): Promise<void> {
    const { head } = this.#opened;
    const offset = head.logEndOffset;
    const marker = { producerId: producer, producerEpoch: 0, coordinatorEpoch: 0, committed };
    const decision = decideMarker(this.#open, null, marker, offset, this.#now);
    if (decision.type !== "append") return;
    const bytes = buildControlBatch({
      ...marker,
      type: committed ? "COMMIT" : "ABORT",
      timestamp: this.#now,
    });
    this.#open.apply(decision.change);
    for (const record of this.#records) {
      if (record.producer === producer && record.state === "open") {
        record.state = committed ? "committed" : "aborted";
      }
    }
    this.#records.push({
      offset,
      key: null,
      isTombstone: false,
      text: "marker",
      timestamp: this.#now,
      producer,
      batchEnd: offset,
      state: "marker",
    });
    const append = this.#appendOf(head, {
      bytes,
      lastOffset: offset,
      transaction: decision.change,
      producer,
    });
    await this.#commit([append], acknowledged);
  }

  #appendOf(
    head: LogAppend["headAfter"],
    { bytes, lastOffset, transaction, producer }: {
      readonly bytes: Uint8Array;
      readonly lastOffset: number;
      readonly transaction: LogAppend["transaction"] | null;
      readonly producer: number;
    },
  ): LogAppend {
    const baseOffset = head.logEndOffset;
    assignOffsets(bytes, baseOffset, 0);
    const { maxTimestamp, isControl } = readBatchHeader(bytes);
    const isRise = maxTimestamp > head.maxTimestamp;
    const batch = { baseSequence: 0, lastSequence: 0, baseOffset, timestampMs: maxTimestamp };
    return {
      baseOffset,
      lastOffset,
      leaderEpoch: 0,
      bytes,
      maxTimestamp,
      producer: producer > 0
        ? {
          producerId: producer,
          producerEpoch: 0,
          lastAppendMs: this.#now,
          batches: isControl ? [] : [batch],
        }
        : null,
      ...(transaction != null && { transaction }),
      headAfter: {
        ...head,
        logEndOffset: lastOffset + 1,
        maxTimestamp: isRise ? maxTimestamp : head.maxTimestamp,
        maxTimestampOffset: isRise ? lastOffset : head.maxTimestampOffset,
        sizeBytes: head.sizeBytes + bytes.length,
      },
    };
  }

  async #commit(effects: readonly LogEffect[], acknowledged: { end: number }): Promise<void> {
    for (let done = 0; done < effects.length;) {
      done += await this.#opened.append(effects.slice(done));
      acknowledged.end = this.#opened.head.logEndOffset;
    }
  }

  async #retention(bytes: number, ms: number): Promise<void> {
    const { head } = this.#opened;
    const upTo = this.#open.lastStableOffset(head.logEndOffset);
    const batches = await this.#opened.oldestBatches(upTo);
    const start = decideRetention(head, batches, { retentionBytes: bytes, retentionMs: ms }, this.#now);
    if (start <= head.logStartOffset) return;
    await this.#opened.append([{ headAfter: { ...head, logStartOffset: start }, trim: null }]);
    this.#logStart = start;
    await this.#opened.trim();
  }

  async #compact(steps: number, reads: boolean): Promise<void> {
    const { head } = this.#opened;
    const round = await LogCompaction.begin(
      this.#opened.rewriter(),
      this.#open.lastStableOffset(head.logEndOffset),
      {
        settings: {
          minCleanableDirtyRatio: 0,
          minCompactionLagMs: 0,
          maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
          deleteRetentionMs: DELETE_RETENTION_MS,
        },
        reason: steps % 2 === 0 ? "ratio" : "horizon",
        nowMs: this.#now,
        mapBytesMax: 0,
        seed: 1,
        producerExpirationMs: 100_000,
      },
    );
    this.#hasCompacted = true;
    for (let i = 0; i < steps; i++) {
      const step = await round.step();
      if (step.plan !== null) {
        const before = this.#opened.head;
        const headAfter = { ...before, sizeBytes: before.sizeBytes - step.plan.sizeBytes };
        const commit = this.#opened.append([{ headAfter, trim: step.plan }]);
        if (reads) {
          await Promise.all([this.#read(0.1, 1_000), this.#read(0.5, 50_000), this.#read(0, 10_000), commit]);
        }
        await commit;
      }
      if (reads && i === 2 && steps > 1_001) await this.#do({ type: "deleteRecords", at: 0.3 });
      if (step.type !== "done") continue;
      if (step.endOffset >= 0) {
        this.#compactedTo = step.endOffset;
      }
      return;
    }
  }

  async #deleteTopic(): Promise<void> {
    const shards = await ShardStore.open({
      storage: this.#handle,
      env: this.#env,
      log: silentLogger,
      brokerId: 1,
      incarnation: nextIncarnation(),
      ...(this.#usesDisk && {
        segments: new SegmentStore({ files: this.#disk.files, log: silentLogger, path: "data/segments" }),
      }),
    });
    for await (const _step of deletePartition(shards, TOPIC_ID, 0));
    await removeTombstone(shards, TOPIC_ID, 0);
    assert.ok(this.#storage.keys().every((key) => key[0] !== "p"), "something of the partition is left");
    this.#records = [];
    this.#open = new OpenTransactions();
    this.#logStart = this.#compactedTo = 0;
    this.#hasCompacted = false;
    await this.#reopen();
  }

  /** Whether nobody may take the record away. */
  #mustBe(record: ModelRecord): boolean {
    if (record.offset < this.#logStart) return false;
    if (!this.#hasCompacted) return true;
    if (record.state === "open") return true;
    if (record.state === "marker" || record.state === "aborted" || record.key === null) return false;
    if (record.isTombstone && this.#now - record.timestamp >= DELETE_RETENTION_MS) return false;
    return this.#newest(record.key)?.offset === record.offset;
  }

  /** The newest record of a key that compaction may hold against older ones. */
  #newest(key: string, below = Infinity): ModelRecord | undefined {
    const upTo = Math.min(below, this.#open.lastStableOffset(this.#opened.head.logEndOffset));
    return this.#records.findLast((each) =>
      each.key === key && each.offset < upTo && each.state !== "aborted" && each.state !== "open"
    );
  }

  async #read(at: number, maxBytes: number): Promise<void> {
    const { head } = this.#opened;
    const from = head.logStartOffset + Math.floor(at * (head.logEndOffset - head.logStartOffset));
    const batches = await this.#opened.read(from, { maxBytes, minOneBatch: true, upTo: Infinity });
    if (from >= head.logEndOffset) return assert.equal(batches.length, 0);
    const last = batches.at(-1);
    assert.ok(last !== undefined, `nothing was read from ${from}`);
    const header = readBatchHeader(last);
    const end = header.baseOffset + header.lastOffsetDelta + 1;
    assert.ok(end > from, "a reader would not come on");
    this.#checkRecords(batches, from, end);
  }

  #checkRecords(batches: readonly Uint8Array[], from: number, end: number): void {
    const found = batches.flatMap((batch) => {
      const { isControl } = readBatchHeader(batch);
      return [...iterateRecords(batch)].map((each) => ({
        offset: each.offset,
        text: isControl ? "marker" : textOf(each),
      }));
    }).filter(({ offset }) => offset >= from && offset < end);
    const known = new Map(this.#records.map((record) => [record.offset, record]));
    let before = -1;
    for (const { offset, text } of found) {
      assert.ok(offset > before, "offsets are out of order");
      before = offset;
      assert.equal(text, known.get(offset)?.text, `offset ${offset}`);
    }
    const offsets = new Set(found.map(({ offset }) => offset));
    for (const record of this.#records) {
      if (record.offset < from || record.offset >= end || !this.#mustBe(record)) continue;
      assert.ok(offsets.has(record.offset), `offset ${record.offset} is gone`);
    }
  }

  async #search(at: number): Promise<void> {
    const newest = this.#opened.head.maxTimestamp;
    const timestamp = newest - Math.floor(at * 300);
    const { logStartOffset, logEndOffset } = this.#opened.head;
    const all = await this.#opened.read(logStartOffset, KEPT);
    const expected = all.flatMap((batch) => [...iterateRecords(batch)])
      .find((record) => record.offset >= logStartOffset && record.timestamp >= timestamp);
    const found = await this.#opened.offsetForTimestamp(timestamp, logEndOffset);
    assert.deepEqual(
      found,
      expected === undefined ? null : { offset: expected.offset, timestamp: expected.timestamp },
    );
  }

  /** The largest timestamp of what is left, whatever retention and compaction took. */
  async #searchNewest(): Promise<void> {
    const { logStartOffset } = this.#opened.head;
    const all = (await this.#opened.read(logStartOffset, KEPT)).flatMap((batch) => [...iterateRecords(batch)])
      .filter(({ offset, timestamp }) => offset >= logStartOffset && timestamp >= 0);
    const largest = Math.max(-1, ...all.map(({ timestamp }) => timestamp));
    const found = await this.#opened.maxTimestampRecord();
    assert.deepEqual([found?.timestamp ?? -1, found?.offset ?? -1], [
      largest,
      all.find(({ timestamp }) => timestamp === largest)?.offset ?? -1,
    ]);
  }

  /** Everything, and that a whole round left nothing that it should have taken. */
  async #checkReads(): Promise<void> {
    const { head } = this.#opened;
    this.#logStart = head.logStartOffset;
    const batches = await this.#opened.read(head.logStartOffset, KEPT);
    this.#checkRecords(batches, head.logStartOffset, head.logEndOffset);
    for (const batch of batches) {
      if (readBatchHeader(batch).isControl) continue;
      for (const { offset } of iterateRecords(batch)) {
        if (offset < head.logStartOffset || offset >= this.#compactedTo) continue;
        const record = this.#records.find((each) => each.offset === offset);
        assert.ok(
          record !== undefined && record.key !== null && record.state !== "aborted",
          `offset ${offset} stayed`,
        );
        const newest = this.#newest(record.key, this.#compactedTo);
        assert.equal(newest?.offset, offset, `offset ${offset} of ${record.key} stayed`);
      }
    }
    if (head.logStartOffset === head.logEndOffset) return;
    await assert.rejects(this.#opened.read(head.logStartOffset - 1, KEPT), OffsetTrimmedError);
  }

  /** The store holds what the head says and, after an opening, nothing else. */
  async #checkStore(): Promise<void> {
    await this.#reopen();
    await settle();
    const segments = this.#usesDisk
      ? new SegmentStore({ files: this.#disk.files, log: silentLogger, path: "data/segments" })
      : null;
    for await (const report of checkStorage({ storage: this.#storage, segments })) {
      assert.deepEqual(report.faults, []);
      assert.deepEqual(report.garbage.filter((line) => !line.includes("below the log start")), []);
    }
  }
}

/** Bytes that tell the offset. */
function valueOf(offset: number, length: number): Uint8Array {
  const value = new Uint8Array(length);
  let state = offset + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    value[i] = state >>> 24;
  }
  return value;
}

function textOf(
  { key, value, timestamp }: {
    readonly key: Uint8Array | null;
    readonly value: Uint8Array | null;
    readonly timestamp: number;
  },
): string {
  const text = (bytes: Uint8Array | null) => bytes === null ? "null" : bytes.toHex();
  return `${text(key)} ${text(value)} ${timestamp}`;
}
