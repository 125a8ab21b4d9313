/**
 * A transactional producer made of single requests, so that a workload can stop, repeat and abandon at any of them. With
 * transactions v2: each end of a transaction gives the identity of the next one.
 */
import type { Cluster } from "../../client/cluster.ts";
import { errorCode, errorName } from "../../protocol/errors.ts";
import { produce } from "../../protocol/messages/00_produce.ts";
import { initProducerId } from "../../protocol/messages/22_init_producer_id.ts";
import { endTxn } from "../../protocol/messages/26_end_txn.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";

export interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface TransactionalRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array }[];
}

/** The last version that names topics. */
const PRODUCE_VERSION = 12;

/** Throws an error of that name, unless it is none. */
export function check(code: number | undefined): void {
  const name = errorName(code ?? errorCode("UNKNOWN_SERVER_ERROR"));
  if (name !== "NONE") throw new Error(name);
}

/** Ends whatever transaction the id has open. */
export async function initialize(
  cluster: Cluster,
  { transactionalId, timeoutMs }: { readonly transactionalId: string; readonly timeoutMs: number },
): Promise<Identity> {
  for (let tries = 0;; tries++) {
    const { errorCode: code, producerId, producerEpoch } = await cluster.call(initProducerId, {
      transactionalId,
      transactionTimeoutMs: timeoutMs,
      producerId: -1,
      producerEpoch: -1,
    });
    if (code !== errorCode("CONCURRENT_TRANSACTIONS") || tries >= 20) {
      check(code);
      return { producerId, producerEpoch };
    }
    await cluster.sleep(100);
  }
}

const APPENDED_AGAIN: ReadonlySet<number> = new Set([
  errorCode("CONCURRENT_TRANSACTIONS"),
  errorCode("KAFKA_STORAGE_ERROR"),
]);

/**
 * Returns the offset of the first record. With transactions v2 each epoch's sequences begin at 0, so one batch for each
 * partition is all of a transaction. Asked again where all clients do: by its sequence the batch is known.
 */
export async function append(
  cluster: Cluster,
  transactionalId: string,
  identity: Identity,
  { topic, partition, records }: {
    readonly topic: string;
    readonly partition: number;
    readonly records: readonly TransactionalRecord[];
  },
): Promise<number> {
  const stamped = records.map((record) => ({
    key: record.key,
    value: record.value,
    headers: record.headers ?? [],
    timestamp: cluster.env.now(),
  }));
  for (let tries = 0;; tries++) {
    const batch = buildBatch({ records: stamped, ...identity, baseSequence: 0, isTransactional: true });
    const { responses } = await cluster.call(produce, {
      transactionalId,
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: topic, partitionData: [{ index: partition, records: batch }] }],
    }, { versionMax: PRODUCE_VERSION });
    const answer = responses[0]?.partitionResponses[0];
    if (!APPENDED_AGAIN.has(answer?.errorCode ?? 0) || tries >= 20) {
      check(answer?.errorCode);
      return answer?.baseOffset ?? -1;
    }
    await cluster.sleep(50);
  }
}

/** The identity of the next transaction. Asked again after a lost answer, as all clients do. */
export async function end(
  cluster: Cluster,
  transactionalId: string,
  identity: Identity,
  committed: boolean,
): Promise<Identity> {
  for (let tries = 0;; tries++) {
    const answer = await cluster.call(endTxn, { transactionalId, ...identity, committed });
    if (answer.errorCode !== errorCode("CONCURRENT_TRANSACTIONS") || tries >= 50) {
      check(answer.errorCode);
      return { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
    }
    await cluster.sleep(50);
  }
}
