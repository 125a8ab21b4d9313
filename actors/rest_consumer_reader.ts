/**
 * How a consumer that lives on the server finds its places and reads: what is there at them, and waiting for more. Places move on when
 * the answer leaves, which is the consumer's doing (`rest_consumer.ts`); only over what is for nobody they move at once.
 */
import { limits } from "../core/config/limits.ts";
import { collectRecords } from "../core/fetch/collect_records.ts";
import {
  type Move,
  moveOn,
  placeAtCommitted,
  type Reading,
  setPosition,
} from "../core/rest_consumer/reading.ts";
import type { RestConsumerConfig, TopicPartition } from "../core/rest_consumer/rest_consumer.ts";
import type { Env } from "../lib/env.ts";
import type { ErrorName } from "../protocol/errors.ts";
import type { ConsumerGroupMessage } from "./messages/consumer_group.ts";
import type { PartitionMessage } from "./messages/partition.ts";
import type { PolledRecord } from "./messages/rest_consumer.ts";
import type { ActorRef } from "./runtime/types.ts";

/** Partitions whose data one request waits for; the rest is looked at when it comes again. */
const AWAITED_PARTITIONS_MAX = 1_000;
/** Without a partition nobody says that one has come. */
const LOOK_AGAIN_MS = 1_000;

/** By `readingKey`, in the order in which they are read. */
export type Readings = Map<string, Reading>;

export function readingKey({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

/** What a request for records may be answered with. */
export type Collected =
  | { readonly error: ErrorName }
  | { readonly error: null; readonly records: readonly PolledRecord[]; readonly moves: readonly Move[] };

type OffsetReset = RestConsumerConfig["autoOffsetReset"];

export interface RestConsumerReaderOptions {
  readonly env: Env;
  readonly group: ActorRef<ConsumerGroupMessage>;
  readonly partition: (reading: Reading) => ActorRef<PartitionMessage>;
}

export class RestConsumerReader {
  readonly #env: Env;
  readonly #group: ActorRef<ConsumerGroupMessage>;
  readonly #partition: (reading: Reading) => ActorRef<PartitionMessage>;

  constructor({ env, group, partition }: RestConsumerReaderOptions) {
    this.#env = env;
    this.#group = group;
    this.#partition = partition;
  }

  /** Reads what is there. Positions stay: they move on when the answer leaves. */
  async collect(
    readings: Readings,
    { autoOffsetReset }: Pick<RestConsumerConfig, "autoOffsetReset">,
    maxBytes: number,
  ): Promise<Collected> {
    const records: PolledRecord[] = [];
    const moves: Move[] = [];
    let bytes = 0;
    for (const reading of [...readings.values()]) {
      if (bytes >= maxBytes && records.length > 0) break;
      const error = await this.#locate(reading, autoOffsetReset);
      if (error !== null) return { error };
      const room = { maxRecords: limits.httpReadRecordsMax - records.length, maxBytes: maxBytes - bytes };
      const fetched = await this.#fetch(reading, room, autoOffsetReset, { records, moves });
      if (typeof fetched === "string") return { error: fetched };
      bytes += fetched;
      // Who waits longest comes first next time.
      readings.delete(readingKey(reading));
      readings.set(readingKey(reading), reading);
    }
    return { error: null, records, moves };
  }

  async moveTo(reading: Reading, place: "beginning" | "end"): Promise<ErrorName | null> {
    const { error, offset } = await this.#partition(reading).ask({
      type: "listOffset",
      timestamp: place === "beginning" ? -2 : -1,
      isolationLevel: "read_uncommitted",
      currentLeaderEpoch: -1,
    });
    if (error !== "NONE") return error;
    setPosition(reading, offset);
    return null;
  }

  /** Returns when any partition has more, or the signal or the time ends it. */
  async awaitData(readings: Readings, deadlineMs: number, signal: AbortSignal): Promise<void> {
    const enough = new AbortController();
    const ended = AbortSignal.any([signal, enough.signal]);
    const waitMsMax = readings.size === 0 ? LOOK_AGAIN_MS : Infinity;
    const restMs = Math.max(1, Math.min(deadlineMs - this.#env.mono(), waitMsMax));
    const waits = [...readings.values()].slice(0, AWAITED_PARTITIONS_MAX).map((reading) =>
      this.#partition(reading).ask({
        type: "awaitData",
        offset: reading.place?.position ?? 0,
        minBytes: 1,
        isolationLevel: "read_committed",
      }, { deadlineMs: restMs, signal: ended }).catch(() => false)
    );
    waits.push(this.#env.sleep(restMs, ended).then(() => false, () => false));
    await Promise.race(waits);
    enough.abort();
  }

  /** Finds where to read: where it was, what is committed, else what the configuration says. */
  async #locate(reading: Reading, reset: OffsetReset): Promise<ErrorName | null> {
    if (reading.place !== null) return null;
    const { topic, topicId, partition } = reading;
    const fetched = await this.#group.ask({
      type: "offsetFetch",
      partitions: [{ topic, topicId, partition }],
      memberId: null,
      memberEpoch: -1,
      requireStable: false,
    });
    // A position that was set meanwhile stays.
    if (reading.place !== null || placeAtCommitted(reading, fetched.offsets[0]?.offset ?? -1)) return null;
    if (reset === "none") return "OFFSET_NOT_AVAILABLE";
    return await this.moveTo(reading, reset === "earliest" ? "beginning" : "end");
  }

  /** Appends what is there; returns the bytes, or why not. At least one record is taken however large it is. */
  async #fetch(
    reading: Reading,
    room: { readonly maxRecords: number; readonly maxBytes: number },
    reset: OffsetReset,
    { records, moves }: { readonly records: PolledRecord[]; readonly moves: Move[] },
  ): Promise<number | ErrorName> {
    const { topic, partition, place } = reading;
    if (place === null) return 0;
    const from = place.position;
    const result = await this.#partition(reading).ask({
      type: "fetch",
      offset: from,
      maxBytes: Math.max(1, room.maxBytes),
      minOneBatch: true,
      isolationLevel: "read_committed",
      currentLeaderEpoch: -1,
    });
    if (result.error === "OFFSET_OUT_OF_RANGE") {
      if (reset === "none") return result.error;
      await this.moveTo(reading, reset === "latest" ? "end" : "beginning");
      return 0;
    }
    const found = collectRecords(result, from, room);
    if (found.damage !== null && found.records.length === 0) {
      throw new Error(`Cannot read the batch at offset ${found.damage.baseOffset}: ${found.damage.error}`);
    }
    // The first record of a fetch is there however large it is; here it must be the first of the answer for that.
    if (room.maxRecords <= 0 || (records.length > 0 && found.bytes > room.maxBytes)) return 0;
    for (const record of found.records) records.push({ topic, partition, record });
    const move = { place, from, to: found.nextOffset };
    // Over what is for nobody (markers, aborted transactions) it moves at once.
    if (found.records.length === 0) moveOn([move]);
    else moves.push(move);
    return found.bytes;
  }
}
