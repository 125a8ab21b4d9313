/**
 * A share session with one leader (KIP-932): ShareFetch requests that acquire records, and the acknowledgements that
 * travel with them. Source: Kafka's ShareSessionHandler.
 */
import { errorName } from "../protocol/errors.ts";
import { shareFetch, type ShareFetchResponse } from "../protocol/messages/78_share_fetch.ts";
import { shareAcknowledge } from "../protocol/messages/79_share_acknowledge.ts";
import type { Cluster } from "./cluster.ts";
import { BrokerError, CommitFailedError } from "./errors.ts";

/** What becomes of a record; `gap` where the log holds none at an acquired offset. */
export const ACKNOWLEDGE_TYPES = { gap: 0, accept: 1, release: 2, reject: 3 } as const;
export type AcknowledgeType = keyof typeof ACKNOWLEDGE_TYPES;

export interface Acknowledgement {
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
  readonly type: AcknowledgeType;
}

interface Partition {
  readonly topicId: string;
  readonly partition: number;
}

export interface ShareFetchLimits {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly recordsMax: number;
}

const CLOSE_EPOCH = -1;
const CLOSE_TIMEOUT_MS = 3_000;
const EPOCH_MAX = 0x7fffffff;

export class ShareSession {
  readonly #cluster: Cluster;
  readonly #nodeId: number;
  readonly #identity: { readonly groupId: string; readonly memberId: string };
  /** Keys of the partitions that the broker knows to be in the session. */
  #known = new Map<string, Partition>();
  #epoch = 0;
  #pending: Acknowledgement[] = [];
  /** Acknowledgements that ended with a session before the broker had them: `commit` must not say that it does. */
  #lostCount = 0;
  /** The first acknowledgement since the last `commit` that the answer to a fetch refused. */
  #refusal: BrokerError | null = null;

  constructor(cluster: Cluster, nodeId: number, identity: { groupId: string; memberId: string }) {
    this.#cluster = cluster;
    this.#nodeId = nodeId;
    this.#identity = identity;
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /** To be sent with the next request. */
  acknowledge(acknowledgement: Acknowledgement): void {
    this.#pending.push(acknowledgement);
  }

  /** Acquires records of these partitions. Throws a `ClientError`; the session is begun anew by the next call. */
  async fetch(wanted: readonly Partition[], limits: ShareFetchLimits): Promise<ShareFetchResponse> {
    // A session begins without acknowledgements: what was acquired in the one before is free already.
    const sent = this.#epoch === 0 ? [] : [...this.#pending];
    this.#lostCount += this.#pending.length - sent.length;
    this.#pending = [...sent];
    const wantedKeys = new Map(wanted.map((each) => [keyOf(each), each]));
    const added = wanted.filter((each) => !this.#known.has(keyOf(each)));
    const forgotten = [...this.#known.values()].filter((each) => !wantedKeys.has(keyOf(each)));
    const response = await this.#guarded(async () => {
      const connection = await this.#cluster.connection(this.#nodeId, "fetch");
      const response = await connection.request(shareFetch, {
        ...this.#identity,
        shareSessionEpoch: this.#epoch,
        maxWaitMs: limits.maxWaitMs,
        minBytes: limits.minBytes,
        maxBytes: limits.maxBytes,
        maxRecords: limits.recordsMax,
        batchSize: limits.recordsMax,
        topics: topicsOf(added, sent),
        forgottenTopicsData: [...Map.groupBy(forgotten, ({ topicId }) => topicId)].map((
          [topicId, group],
        ) => ({
          topicId,
          partitions: group.map(({ partition }) => partition),
        })),
      }, { timeoutMs: this.#cluster.requestTimeoutMs + limits.maxWaitMs });
      if (response.errorCode !== 0) throw new BrokerError(response.errorCode, response.errorMessage);
      return response;
    });
    this.#known = wantedKeys;
    this.#pending = this.#pending.slice(sent.length);
    for (const { partitions } of response.responses) {
      for (const { acknowledgeErrorCode, acknowledgeErrorMessage } of partitions) {
        if (acknowledgeErrorCode === 0) continue;
        this.#refusal ??= new BrokerError(acknowledgeErrorCode, acknowledgeErrorMessage);
      }
    }
    return response;
  }

  /**
   * Sends what waits to be acknowledged. Throws a `BrokerError` for the first partition that refused since the last call, and
   * a `CommitFailedError` when a session ended since then with acknowledgements that were not sent.
   */
  async commit(): Promise<void> {
    const earlier = this.#earlierFailure();
    try {
      if (this.#epoch !== 0 && this.#pending.length > 0) await this.#acknowledge(this.#epoch);
    } catch (error) {
      throw earlier ?? error;
    }
    if (earlier !== null) throw earlier;
  }

  /** What went wrong with acknowledgements since it was asked for. */
  #earlierFailure(): BrokerError | CommitFailedError | null {
    const lostCount = this.#lostCount;
    const refusal = this.#refusal;
    this.#lostCount = 0;
    this.#refusal = null;
    return lostCount === 0 ? refusal : new CommitFailedError(
      `${lostCount} acknowledgements were lost with the share session: their records come again`,
    );
  }

  /** Sends what waits, and ends the session: what else was acquired is free again. Never rejects. */
  async close(): Promise<void> {
    if (this.#epoch === 0) return;
    try {
      await this.#acknowledge(CLOSE_EPOCH);
    } catch {
      // The locks run out.
    }
    this.#reset();
  }

  async #acknowledge(epoch: number): Promise<void> {
    const sent = this.#pending;
    // The error tells that they may be lost.
    this.#pending = [];
    const response = await this.#guarded(async () => {
      const connection = await this.#cluster.connection(this.#nodeId);
      const timeoutMs = epoch === CLOSE_EPOCH ? CLOSE_TIMEOUT_MS : this.#cluster.requestTimeoutMs;
      const response = await connection.request(shareAcknowledge, {
        ...this.#identity,
        shareSessionEpoch: epoch,
        topics: topicsOf([], sent),
      }, { timeoutMs });
      if (response.errorCode !== 0) throw new BrokerError(response.errorCode, response.errorMessage);
      return response;
    });
    for (const { partitions } of response.responses) {
      for (const { errorCode, errorMessage } of partitions) {
        if (errorCode !== 0) throw new BrokerError(errorCode, errorMessage);
      }
    }
  }

  /** A request of the session: the next one has the next epoch; after a failure the session begins anew. */
  async #guarded<T>(request: () => Promise<T>): Promise<T> {
    try {
      const response = await request();
      this.#epoch = this.#epoch === EPOCH_MAX ? 1 : this.#epoch + 1;
      return response;
    } catch (error) {
      this.#reset();
      throw error;
    }
  }

  #reset(): void {
    this.#epoch = 0;
    this.#known = new Map();
    this.#lostCount += this.#pending.length;
    this.#pending = [];
  }
}

/** Whether another try, with a new session or newer metadata, may go better. */
export function isSessionError(error: unknown): boolean {
  return error instanceof BrokerError && [
    "SHARE_SESSION_NOT_FOUND",
    "INVALID_SHARE_SESSION_EPOCH",
    "SHARE_SESSION_LIMIT_REACHED",
    "UNKNOWN_TOPIC_ID",
    "NOT_LEADER_OR_FOLLOWER",
  ].includes(errorName(error.code));
}

function keyOf({ topicId, partition }: Partition): string {
  return `${topicId}/${partition}`;
}

function topicsOf(added: readonly Partition[], acknowledgements: readonly Acknowledgement[]) {
  const acknowledged = Map.groupBy(acknowledgements, keyOf);
  const partitions = new Map([...added, ...acknowledgements].map((each) => [keyOf(each), each]));
  return [...Map.groupBy(partitions.values(), ({ topicId }) => topicId)].map(([topicId, group]) => ({
    topicId,
    partitions: group.map((each) => ({
      partitionIndex: each.partition,
      acknowledgementBatches: batchesOf(acknowledged.get(keyOf(each)) ?? []),
    })),
  }));
}

/** Offsets without gaps between them, each with its own type. */
function batchesOf(acknowledgements: readonly Acknowledgement[]) {
  const batches: { firstOffset: number; lastOffset: number; acknowledgeTypes: number[] }[] = [];
  for (const { offset, type } of acknowledgements.toSorted((a, b) => a.offset - b.offset)) {
    const last = batches.at(-1);
    if (last !== undefined && last.lastOffset === offset - 1) {
      last.lastOffset = offset;
      last.acknowledgeTypes.push(ACKNOWLEDGE_TYPES[type]);
    } else {
      batches.push({ firstOffset: offset, lastOffset: offset, acknowledgeTypes: [ACKNOWLEDGE_TYPES[type]] });
    }
  }
  return batches;
}
