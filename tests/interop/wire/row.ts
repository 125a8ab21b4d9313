/**
 * A row of the table of bad input: its body sends what is wrong, on a connection of its own, while a client that does nothing wrong
 * goes on; afterwards that client is well, nothing was written where nothing may be, and memory is back.
 */

import assert from "node:assert/strict";
import { produce } from "../../../protocol/messages/00_produce.ts";
import { listOffsets } from "../../../protocol/messages/02_list_offsets.ts";
import { createTopics } from "../../../protocol/messages/19_create_topics.ts";
import { check, unique } from "../clients/suite.ts";
import { Bystander } from "./bystander.ts";
import { Peer } from "./peer.ts";
import { forgetPeak, LEFT_MB_MAX, memoryIsBack, peakMb, residentMb } from "./server_memory.ts";

export const PRODUCE_VERSION = 9;
export const SUFFIX = unique();
/** Nothing may ever be written to it. */
export const VICTIM = `victim-${SUFFIX}`;
export const HEALTHY = `healthy-${SUFFIX}`;

/** Kafka's codes, as the rows have them. */
export const ERROR = {
  UNKNOWN_SERVER_ERROR: -1,
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  CORRUPT_MESSAGE: 2,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  MESSAGE_TOO_LARGE: 10,
  INVALID_TOPIC_EXCEPTION: 17,
  INVALID_GROUP_ID: 24,
  TOPIC_AUTHORIZATION_FAILED: 29,
  CLUSTER_AUTHORIZATION_FAILED: 31,
  INVALID_TIMESTAMP: 32,
  UNSUPPORTED_VERSION: 35,
  INVALID_PARTITIONS: 37,
  INVALID_REQUEST: 42,
  UNSUPPORTED_FOR_MESSAGE_FORMAT: 43,
  OUT_OF_ORDER_SEQUENCE_NUMBER: 45,
  INVALID_PRODUCER_EPOCH: 47,
  INVALID_TXN_STATE: 48,
  INVALID_PRODUCER_ID_MAPPING: 49,
  UNKNOWN_PRODUCER_ID: 59,
  TRANSACTION_COORDINATOR_FENCED: 52,
  PRODUCER_FENCED: 90,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 53,
  FETCH_SESSION_ID_NOT_FOUND: 70,
  INVALID_FETCH_SESSION_EPOCH: 71,
  UNSUPPORTED_COMPRESSION_TYPE: 76,
  MEMBER_ID_REQUIRED: 79,
  GROUP_MAX_SIZE_REACHED: 81,
  INVALID_RECORD: 87,
} as const;

/** While a row runs, resident memory may rise by so much: the bound of inflated batches twice, a frame, V8's own. */
const PEAK_MB_MAX = 400;

let bystander: Bystander | null = null;
let setting: Peer | null = null;

/** Before the first row. */
export async function begin(): Promise<void> {
  setting = await Peer.connect();
  await check("the topics", async () => {
    assert.ok(setting);
    for (const name of [VICTIM, HEALTHY]) assert.equal(await createTopic(setting, name), ERROR.NONE);
  });
  bystander = await Bystander.start(HEALTHY);
  await check("a client that does nothing wrong", async () => await othersAreWell());
}

/** After the last row: what that client has done. */
export async function end(): Promise<string> {
  const rounds = bystander?.rounds ?? 0;
  await bystander?.stop();
  setting?.[Symbol.dispose]();
  return `${rounds} rounds`;
}

/** The client that does nothing wrong has gone on without a fault, and the victim's log is still empty. */
export async function othersAreWell(): Promise<void> {
  assert.ok(bystander && setting, "The suite has not begun");
  await bystander.isWell();
  assert.equal(await endOffset(setting, VICTIM), 0, "end offset of the victim");
}

export interface RowOptions {
  readonly peakMbMax?: number;
}

export async function row(
  name: string,
  body: (peer: Peer) => Promise<string | void>,
  { peakMbMax = PEAK_MB_MAX }: RowOptions = {},
): Promise<void> {
  await check(name, async () => {
    await othersAreWell();
    const beforeMb = residentMb();
    const seesPeak = forgetPeak();
    let detail: string | void;
    {
      using peer = await Peer.connect();
      detail = await body(peer);
    }
    await othersAreWell();
    const rise = seesPeak ? peakMb() - beforeMb : NaN;
    assert.ok(!(rise > peakMbMax), `memory rose by ${rise.toFixed(0)} MB, ${peakMbMax} may be`);
    const afterMb = await memoryIsBack(beforeMb, LEFT_MB_MAX);
    const memory = `${beforeMb.toFixed(0)} + ${rise.toFixed(0)} -> ${afterMb.toFixed(0)} MB`;
    return detail === undefined ? memory : `${detail}; ${memory}`;
  });
}

export async function createTopic(
  peer: Peer,
  name: string,
  configs: Record<string, string> = {},
): Promise<number> {
  const answer = await peer.ask(createTopics, 5, {
    topics: [{
      name,
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      // Our batches are of 2023, which the default of seven days would let go.
      configs: Object.entries({ "retention.ms": "-1", ...configs }).map(([key, value]) => ({
        name: key,
        value,
      })),
    }],
    timeoutMs: 10_000,
  });
  return answer?.topics[0]?.errorCode ?? -1;
}

/** Error and base offset of a Produce request; null when the connection was closed. */
export async function produceTo(
  peer: Peer,
  name: string,
  records: Uint8Array,
  index = 0,
  transactionalId: string | null = null,
) {
  const answer = await peer.ask(produce, PRODUCE_VERSION, {
    transactionalId,
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ name, partitionData: [{ index, records }] }],
  });
  return answer?.responses[0]?.partitionResponses[0] ?? null;
}

export async function endOffset(peer: Peer, name: string, partitionIndex = 0): Promise<number> {
  const answer = await peer.ask(listOffsets, 6, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name, partitions: [{ partitionIndex, currentLeaderEpoch: -1, timestamp: -1 }] }],
  });
  return answer?.topics[0]?.partitions[0]?.offset ?? -1;
}

/** Fails unless `actual` is one of those. */
export function one(actual: number | undefined | null, expected: readonly number[], what: string): void {
  assert.ok(
    actual !== undefined && actual !== null && expected.includes(actual),
    `${what}: ${actual}, expected ${expected}`,
  );
}

export function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value);
  return bytes;
}
