/**
 * What storage tests share: an `Env` whose time passes only in `sleep`, deterministic batches, and openings of shards on
 * a `MemoryStorage`. No permission is needed.
 */
import { emptyLogHead, type LogHead } from "../core/partition/log_head.ts";
import type { ProducerState } from "../core/partition/producer_state.ts";
import type { Env } from "../lib/env.ts";
import { silentLogger } from "../lib/log.ts";
import { buildBatch } from "../protocol/records/record_batch.ts";
import type { FakeDisk } from "./fake_disk.ts";
import type { LogAppend } from "./partition_log.ts";
import { SegmentStore } from "./segments.ts";
import { ShardStore } from "./shard.ts";
import type { Storage } from "./storage.ts";

export const TOPIC_ID = "00112233-4455-6677-8899-aabbccddeeff";

/** Sleeping takes no real time but moves the clocks; timers never fire. */
export function testEnv(): Env {
  let elapsedMs = 0;
  let uuidCount = 0;
  const unavailable = () => Promise.reject(new Error("not in this test"));
  return {
    now: () => 1_700_000_000_000 + elapsedMs,
    mono: () => elapsedMs,
    sleep: async (ms) => {
      elapsedMs += ms;
      for (let i = 0; i < 8; i++) await null;
    },
    timer: () => () => {},
    random: () => 0.5,
    uuid: () => `00000000-0000-4000-8000-${(++uuidCount).toString(16).padStart(12, "0")}`,
    kv: unavailable,
    files: {
      makeDirectory: unavailable,
      readText: unavailable,
      writeText: unavailable,
      remove: unavailable,
      exists: unavailable,
      create: unavailable,
      open: unavailable,
      list: unavailable,
      syncDirectory: unavailable,
      removeDirectory: unavailable,
      removeInSteps: unavailable,
      rename: unavailable,
      lock: unavailable,
    },
    listen: unavailable,
    connect: unavailable,
    resolve: unavailable,
    fetch: unavailable,
    zlib: unavailable,
  };
}

let incarnationCount = 0;

export function nextIncarnation(): string {
  return `10000000-0000-4000-8000-${(++incarnationCount).toString(16).padStart(12, "0")}`;
}

export function openShards(
  storage: Storage,
  options: { env?: Env; brokerId?: number; disk?: FakeDisk; extentBytesMin?: number } = {},
): Promise<ShardStore> {
  const { disk, extentBytesMin } = options;
  const segments = disk && new SegmentStore({
    files: disk.files,
    log: silentLogger,
    path: "data/segments",
    ...(extentBytesMin !== undefined && { extentBytesMin }),
  });
  return ShardStore.open({
    storage,
    env: options.env ?? testEnv(),
    log: silentLogger,
    brokerId: options.brokerId ?? 1,
    incarnation: nextIncarnation(),
    ...(segments && { segments }),
  });
}

/** Lets everything that only waits for microtasks happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 200; i++) await null;
}

export interface BatchOptions {
  /** Milliseconds, one for each record. */
  readonly timestamps: readonly number[];
  /** Size of the first record's value. */
  readonly valueBytes?: number;
  readonly producer?: ProducerState;
}

/** Builds the append of one batch behind `head`, as a partition would decide it. */
export function appendAfter(head: LogHead, options: BatchOptions): LogAppend {
  const { timestamps } = options;
  const value = new Uint8Array(options.valueBytes ?? 10);
  for (let i = 0; i < value.length; i += 97) value[i] = (i + head.logEndOffset) & 0xff;
  const bytes = buildBatch({
    baseOffset: head.logEndOffset,
    records: timestamps.map((timestamp, i) => ({
      timestamp,
      key: null,
      headers: [],
      value: i === 0 ? value : new Uint8Array(3),
    })),
  });
  const baseOffset = head.logEndOffset;
  const lastOffset = baseOffset + timestamps.length - 1;
  const maxTimestamp = Math.max(...timestamps);
  const isRise = maxTimestamp > head.maxTimestamp;
  return {
    baseOffset,
    lastOffset,
    leaderEpoch: 0,
    bytes,
    maxTimestamp,
    producer: options.producer ?? null,
    headAfter: {
      ...head,
      logEndOffset: lastOffset + 1,
      epochs: head.epochs.length === 0 ? [{ epoch: 0, startOffset: baseOffset }] : head.epochs,
      maxTimestamp: isRise ? maxTimestamp : head.maxTimestamp,
      maxTimestampOffset: isRise ? lastOffset : head.maxTimestampOffset,
      sizeBytes: head.sizeBytes + bytes.length,
    },
  };
}

/** Appends one behind the other. */
export function appendsAfter(head: LogHead, batches: readonly BatchOptions[]): LogAppend[] {
  const appends: LogAppend[] = [];
  for (const batch of batches) {
    appends.push(appendAfter(appends[appends.length - 1]?.headAfter ?? head, batch));
  }
  return appends;
}

export { emptyLogHead };
