/**
 * Incremental fetch sessions (KIP-227) as plain state: what a client asked for once is remembered, and later requests
 * name only what changed; answers hold only what changed. A boundary between the Fetch handler and what it reads.
 *
 * Source: Kafka's FetchManager, FetchSession and FetchSessionCache: the same order of checks, the same errors, the
 * same rule for eviction. Every broker keeps its own cache; it dies with the process, and clients start anew.
 */
import { ZERO_UUID } from "../../lib/bytes.ts";

/** What a client wants of one partition. */
export interface FetchWish {
  /** "" when the request names topics by id. */
  readonly topic: string;
  /** Zeros when the request names topics by name. */
  readonly topicId: string;
  readonly partition: number;
  readonly currentLeaderEpoch: number;
  readonly fetchOffset: number;
  readonly lastFetchedEpoch: number;
  readonly partitionMaxBytes: number;
}

export interface FetchPartitionKey {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

/** What an answer says of one partition, as far as it decides whether the client must hear of it again. */
export interface FetchedState {
  readonly hasError: boolean;
  readonly hasRecords: boolean;
  readonly isDiverging: boolean;
  readonly highWatermark: number;
  readonly logStartOffset: number;
}

/** One partition of a request; `entry` is what the session remembers of it. */
export interface FetchTarget {
  readonly wish: FetchWish;
  readonly entry: SessionPartition;
}

export interface SessionPartition {
  wish: FetchWish;
  /** The name of the topic when the session learned of it by id: tells a topic made anew from an unknown one. */
  topicName: string | null;
  /** As last answered; -1 when the client must hear of the partition again. */
  highWatermark: number;
  logStartOffset: number;
}

export interface FetchSession {
  readonly id: number;
  readonly usesTopicIds: boolean;
  /** In the order in which they are read; those that gave records go to the end. */
  readonly partitions: Map<string, SessionPartition>;
  readonly createdMonoMs: number;
  lastUsedMonoMs: number;
  /** The one that the next request must have. */
  epoch: number;
  /** As counted when it was last used. */
  cachedCount: number;
}

export interface FetchSessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  /** Whether the version names topics by id. */
  readonly usesTopicIds: boolean;
  readonly wishes: readonly FetchWish[];
  readonly forgotten: readonly FetchPartitionKey[];
}

export type FetchSessionErrorName =
  | "FETCH_SESSION_ID_NOT_FOUND"
  | "INVALID_FETCH_SESSION_EPOCH"
  | "FETCH_SESSION_TOPIC_ID_ERROR";

export type FetchContext =
  /** Without a session: the answer has id 0. */
  | { readonly type: "sessionless"; readonly targets: readonly FetchTarget[] }
  /** The answer holds everything and makes a session, if there is room. */
  | { readonly type: "full"; readonly targets: readonly FetchTarget[] }
  /**
   * The answer holds what changed. `epoch` is the session's after this request: when it is another at the time of the
   * answer, another request came in between, and the answer is INVALID_FETCH_SESSION_EPOCH.
   */
  | {
    readonly type: "incremental";
    readonly session: FetchSession;
    readonly epoch: number;
    readonly targets: readonly FetchTarget[];
  }
  | { readonly type: "error"; readonly error: FetchSessionErrorName };

export interface FetchSessionCacheOptions {
  /** `max.incremental.fetch.session.cache.slots`. */
  readonly slotsMax: number;
  /** A session is not evicted for another before it is this old, nor while it was used in this time. */
  readonly evictionMs: number;
  /** Partitions of all sessions together; beyond that there are no new sessions. */
  readonly partitionsMax: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

const INITIAL_EPOCH = 0;
const FINAL_EPOCH = -1;
const INT32_MAX = 0x7fff_ffff;

export class FetchSessionCache {
  readonly #options: FetchSessionCacheOptions;
  /** Least recently used first. */
  readonly #sessions = new Map<number, FetchSession>();
  #partitionCount = 0;
  #evictionCount = 0;

  constructor(options: FetchSessionCacheOptions) {
    this.#options = options;
  }

  /** For metrics, as Kafka counts them. */
  stats(): { readonly sessions: number; readonly partitions: number; readonly evictions: number } {
    return {
      sessions: this.#sessions.size,
      partitions: this.#partitionCount,
      evictions: this.#evictionCount,
    };
  }

  /** Finds out what a request asks for, and steps its session on. */
  begin(request: FetchSessionRequest, nowMonoMs: number): FetchContext {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH) {
      if (sessionId !== 0) this.#drop(sessionId);
      const targets = freshTargets(request.wishes);
      return { type: sessionEpoch === FINAL_EPOCH ? "sessionless" : "full", targets };
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return { type: "error", error: "FETCH_SESSION_ID_NOT_FOUND" };
    if (session.epoch !== sessionEpoch) return { type: "error", error: "INVALID_FETCH_SESSION_EPOCH" };
    if (session.usesTopicIds !== request.usesTopicIds) {
      return { type: "error", error: "FETCH_SESSION_TOPIC_ID_ERROR" };
    }
    update(session, request);
    this.#recount(session);
    if (session.partitions.size === 0) {
      this.#drop(sessionId);
      return { type: "sessionless", targets: [] };
    }
    if (this.#partitionCount > this.#options.partitionsMax) {
      this.#drop(sessionId);
      return { type: "error", error: "FETCH_SESSION_ID_NOT_FOUND" };
    }
    session.lastUsedMonoMs = nowMonoMs;
    this.#sessions.delete(sessionId);
    this.#sessions.set(sessionId, session);
    session.epoch = nextEpoch(sessionEpoch);
    const targets = [...session.partitions.values()].map((entry) => ({ wish: entry.wish, entry }));
    return { type: "incremental", session, epoch: session.epoch, targets };
  }

  /** A session for a full request that was answered; 0 when there is no room for it. */
  create(targets: readonly FetchTarget[], usesTopicIds: boolean, nowMonoMs: number): number {
    const { slotsMax, partitionsMax } = this.#options;
    if (targets.length === 0 || slotsMax <= 0) return 0;
    if (this.#sessions.size >= slotsMax && !this.#evict(targets.length, nowMonoMs)) return 0;
    if (this.#partitionCount + targets.length > partitionsMax) return 0;
    const session: FetchSession = {
      id: this.#newId(),
      usesTopicIds,
      partitions: new Map(targets.map(({ entry }) => [keyOf(entry.wish), entry])),
      createdMonoMs: nowMonoMs,
      lastUsedMonoMs: nowMonoMs,
      epoch: nextEpoch(INITIAL_EPOCH),
      cachedCount: 0,
    };
    this.#sessions.set(session.id, session);
    this.#recount(session);
    return session.id;
  }

  /**
   * Kafka's rule: one that nobody used for the time gives way; else one that is old enough gives way to a session with more
   * partitions.
   */
  #evict(partitionCount: number, nowMonoMs: number): boolean {
    const { evictionMs } = this.#options;
    const oldest = this.#sessions.values().next().value;
    if (oldest !== undefined && nowMonoMs - oldest.lastUsedMonoMs > evictionMs) {
      this.#drop(oldest.id);
      this.#evictionCount += 1;
      return true;
    }
    let smallest: FetchSession | null = null;
    for (const session of this.#sessions.values()) {
      // Like Kafka, by what was known when it was last used.
      if (session.lastUsedMonoMs - session.createdMonoMs <= evictionMs) continue;
      if (smallest === null || session.cachedCount < smallest.cachedCount) smallest = session;
    }
    if (smallest === null || smallest.cachedCount >= partitionCount) return false;
    this.#drop(smallest.id);
    this.#evictionCount += 1;
    return true;
  }

  #newId(): number {
    for (;;) {
      const id = 1 + Math.floor(this.#options.random() * (INT32_MAX - 1));
      if (!this.#sessions.has(id)) return id;
    }
  }

  #drop(sessionId: number): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return;
    this.#sessions.delete(sessionId);
    this.#partitionCount -= session.cachedCount;
  }

  #recount(session: FetchSession): void {
    this.#partitionCount += session.partitions.size - session.cachedCount;
    session.cachedCount = session.partitions.size;
  }
}

/** Notes what the client is being told of a partition; false when an incremental answer leaves it out. */
export function noteAnswer(entry: SessionPartition, answer: FetchedState): boolean {
  const mustRespond = answer.hasRecords || answer.hasError || answer.isDiverging ||
    entry.highWatermark !== answer.highWatermark || entry.logStartOffset !== answer.logStartOffset;
  // An error must be told again, and its end as well.
  entry.highWatermark = answer.hasError || answer.isDiverging ? -1 : answer.highWatermark;
  entry.logStartOffset = answer.logStartOffset;
  return mustRespond;
}

/** Lets the other partitions come first next time, so that each gets its share of the bytes. */
export function moveToEnd(session: FetchSession, entry: SessionPartition): void {
  const key = keyOf(entry.wish);
  if (session.partitions.get(key) !== entry) return;
  session.partitions.delete(key);
  session.partitions.set(key, entry);
}

/** Each partition once: the last wish counts. */
function freshTargets(wishes: readonly FetchWish[]): FetchTarget[] {
  const distinct = new Map(wishes.map((wish) => [keyOf(wish), wish]));
  return [...distinct.values()].map((wish) => ({ wish, entry: newEntry(wish) }));
}

function newEntry(wish: FetchWish): SessionPartition {
  return { wish, topicName: null, highWatermark: -1, logStartOffset: -1 };
}

function update(session: FetchSession, { wishes, forgotten }: FetchSessionRequest): void {
  for (const wish of wishes) {
    const key = keyOf(wish);
    const known = session.partitions.get(key);
    if (known === undefined) session.partitions.set(key, newEntry(wish));
    else known.wish = wish;
  }
  for (const each of forgotten) session.partitions.delete(keyOf(each));
}

function keyOf({ topic, topicId, partition }: FetchPartitionKey): string {
  return topicId === ZERO_UUID ? `${partition} ${topic}` : `${partition}/${topicId}`;
}

/** After the largest comes 1: 0 asks for a new session. */
export function nextEpoch(epoch: number): number {
  if (epoch < 0) return FINAL_EPOCH;
  return epoch === INT32_MAX ? 1 : epoch + 1;
}
