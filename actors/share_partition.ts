/**
 * The share-partition actor: the thin host of `core/share/partition`. It reads the log through the partition's actor, hands
 * out what the machine gives it, and stores what became of records before it says so. One reading is under way at a
 * time; whoever else wants records waits for it. Why it is an actor of its own: ADR 15.
 *
 * Locks live in memory, as in Kafka: after a restart what was held is available again, and late acknowledgements are refused.
 */
import type { GroupTopics } from "../core/group/group_turn.ts";
import { acknowledgementFault, decideAcknowledge } from "../core/share/partition/acknowledge.ts";
import { decideAcquire } from "../core/share/partition/acquire.ts";
import { logBatches } from "../core/share/partition/log_batches.ts";
import { expireLocks, releaseMember } from "../core/share/partition/release.ts";
import {
  newSharePartition,
  nextFetchOffset,
  nextLockMs,
  raiseStart,
  resetShare,
  shareLag,
  type SharePartitionState,
} from "../core/share/partition/share_partition_state.ts";
import { pictureOf, restoreSharePartition } from "../core/share/partition/stored_picture.ts";
import type { SharePartitionId } from "../core/share/sessions.ts";
import type { ShareGroupConfig, ShareOffsetReset } from "../core/share/share_config.ts";
import { mutant } from "../lib/mutants.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { FencedError } from "../storage/errors.ts";
import type { GroupShards } from "../storage/group_store.ts";
import { StoredSharePartition } from "../storage/share_store.ts";
import { PARTITION_KIND, SHARE_PARTITION_KIND } from "./kinds.ts";
import type { FetchResult, PartitionMessage } from "./messages/partition.ts";
import type {
  AcknowledgeRecords,
  AcquireRecords,
  AcquireRecordsResult,
  AwaitRecords,
  SharePartitionDescription,
  SharePartitionMessage,
} from "./messages/share_partition.ts";
import type { ActorContext, ActorHost, ActorKind, ActorRef, Reply } from "./runtime/types.ts";

/** Most that is read of one partition for one answer. */
const READ_BYTES_MAX = 1_048_576;
/** Readings for one answer that found nothing for consumers (markers, aborted transactions); then the client asks again. */
const READINGS_MAX = 20;
/** Requests for records that may wait for the one being served; more are answered with nothing. */
const QUEUE_LENGTH_MAX = 1_024;
/** Longer than any long poll. */
const WATCH_DEADLINE_MS = 600_000;
/** Kafka's ListOffsets timestamps. */
const LATEST = -1;
const EARLIEST = -2;

export interface SharePartitionOptions {
  readonly groupShards: GroupShards;
  /** The broker's newest image. */
  readonly topics: () => GroupTopics;
  readonly configOf: (groupId: string) => ShareGroupConfig;
}

export function sharePartitionKey(groupId: string, { topicId, partition }: SharePartitionId): string {
  return `${topicId}/${partition}/${groupId}`;
}

function partsOfKey(key: string): SharePartitionId & { readonly groupId: string } {
  const [topicId = "", partition = ""] = key.split("/", 2);
  return { topicId, partition: Number(partition), groupId: key.slice(topicId.length + partition.length + 2) };
}

/** The effect says that there is something to store; what, is known when it is stored. */
type Changed = true;
type Context = ActorContext<SharePartitionMessage, Changed>;

export function sharePartitionKind(
  options: SharePartitionOptions,
): ActorKind<SharePartitionMessage, Changed> {
  return {
    kind: SHARE_PARTITION_KIND,
    async activate(context) {
      const { groupId, ...id } = partsOfKey(context.address.key);
      const stored = await StoredSharePartition.open(options.groupShards, groupId, id);
      return new SharePartitionHost({ context, options, stored, id, groupId });
    },
  };
}

interface HostOptions {
  readonly context: Context;
  readonly options: SharePartitionOptions;
  readonly stored: StoredSharePartition;
  readonly id: SharePartitionId;
  readonly groupId: string;
}

interface Request {
  readonly message: AcquireRecords;
  readonly reply: Reply<unknown>;
}

interface Waiter {
  readonly message: AwaitRecords;
  readonly reply: Reply<unknown>;
}

class SharePartitionHost implements ActorHost<SharePartitionMessage, Changed> {
  readonly #context: Context;
  readonly #options: SharePartitionOptions;
  readonly #stored: StoredSharePartition;
  readonly #id: SharePartitionId;
  readonly #groupId: string;
  readonly #log: ActorRef<PartitionMessage>;
  /** null: never read, or forgotten. */
  #state: SharePartitionState | null;
  /** Rises when the state begins anew: what was read before is of no use. */
  #life = 0;
  /** False while the very first start offset is being stored: nothing is handed out before. */
  #isStartDurable: boolean;
  #queue: Request[] = [];
  #isServing = false;
  readonly #waiters = new Set<Waiter>();
  #watch: { readonly offset: number; readonly minBytes: number; readonly stop: AbortController } | null =
    null;
  /** When the lock timer rings (monotonic). */
  #armedAtMs = Infinity;

  constructor({ context, options, stored, id, groupId }: HostOptions) {
    this.#context = context;
    this.#options = options;
    this.#stored = stored;
    this.#id = id;
    this.#groupId = groupId;
    this.#log = context.ref(PARTITION_KIND, `${id.topicId}/${id.partition}`);
    this.#state = stored.picture === null ? null : restoreSharePartition(stored.picture);
    this.#isStartDurable = stored.picture !== null;
  }

  receive(message: SharePartitionMessage, reply: Reply<unknown>): void {
    // Another commit failed on the same shard: what this one knows may be out of date.
    if (this.#stored.fault !== null) throw this.#stored.fault;
    switch (message.type) {
      case "acquire":
        return this.#acquire({ message, reply });
      case "awaitRecords":
        return this.#awaitRecords({ message, reply });
      case "acknowledge":
        return this.#acknowledge(message, reply);
      case "releaseMember": {
        const state = this.#state;
        if (state !== null && releaseMember(state, this.#config, message.memberId) > 0) this.#changed();
        return reply.send(true);
      }
      case "describe":
        return this.#describe(reply);
      case "reset":
        this.#begin(message.startOffset);
        return reply.send(true);
      case "remove":
        this.#life++;
        this.#state = null;
        this.#isStartDurable = false;
        this.#context.stage(true);
        this.#wake();
        return reply.send(true);
      case "timer":
        return this.#onTimer();
    }
  }

  async commit(): Promise<void> {
    // Decided before this moment, or it would not have been staged: storing more than was asked for harms nobody.
    const picture = this.#state === null ? null : pictureOf(this.#state);
    await this.#stored.commit(picture);
    if (picture !== null && this.#state !== null) this.#isStartDurable = true;
  }

  idle(): boolean {
    return this.#waiters.size === 0 && this.#queue.length === 0 && !this.#isServing &&
      (this.#state === null || nextLockMs(this.#state) === Infinity);
  }

  stop(): void {
    this.#watch?.stop.abort();
    for (const { reply } of this.#queue.splice(0)) reply.sendNow(nothing("NOT_LEADER_OR_FOLLOWER"));
    this.#wakeAll();
  }

  inspect(): Record<string, unknown> {
    return {
      groupId: this.#groupId,
      startOffset: this.#state?.startOffset ?? -1,
      endOffset: this.#state?.endOffset ?? -1,
      runs: this.#state?.runs.count ?? 0,
      waiting: this.#waiters.size,
      queued: this.#queue.length,
    };
  }

  get #config(): ShareGroupConfig {
    return this.#options.configOf(this.#groupId);
  }

  #acquire(request: Request): void {
    if (this.#queue.length >= QUEUE_LENGTH_MAX) return request.reply.sendNow(nothing("NONE"));
    this.#queue.push(request);
    if (this.#isServing) return;
    this.#isServing = true;
    this.#context.run(async () => {
      try {
        for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
          await this.#serve(next);
        }
      } finally {
        this.#isServing = false;
      }
    });
  }

  async #serve({ message, reply }: Request): Promise<void> {
    let result = nothing("NONE");
    try {
      const error = await this.#ensureBegun(message.offsetReset);
      for (let reading = 0; reading < READINGS_MAX && error === "NONE"; reading++) {
        // Whoever gave up gets nothing, so that nothing is locked for nobody.
        if (reply.settled) return;
        const step = await this.#readAndLock(message, reply);
        if (step === "again") continue;
        result = step;
        break;
      }
      if (error !== "NONE") result = nothing(error);
    } catch (cause) {
      if (cause instanceof FencedError) throw cause;
      // The log's actor or the store did not answer: only this request is told.
      this.#context.log.warn("Cannot read for a share group", {
        groupId: this.#groupId,
        error: String(cause),
      });
      result = nothing("KAFKA_STORAGE_ERROR");
    }
    if (this.#isStartDurable) reply.sendNow(result);
    else reply.send(result);
  }

  /** One reading; "again" when it only found what is not for consumers, or the log's start has moved. */
  async #readAndLock(
    message: AcquireRecords,
    reply: Reply<unknown>,
  ): Promise<AcquireRecordsResult | "again"> {
    const life = this.#life;
    const config = this.#config;
    const readFrom = this.#state === null ? null : nextFetchOffset(this.#state, config);
    if (readFrom === null) return nothing("NONE");
    // A broker that was replaced without knowing must not hand out from memory what is done by now.
    const isOwner = this.#stored.confirmOwnership();
    const reading = this.#log.ask({
      type: "fetch",
      offset: readFrom,
      maxBytes: Math.min(Math.max(message.maxBytes, 0), READ_BYTES_MAX),
      minOneBatch: true,
      isolationLevel: config.isolationLevel,
      currentLeaderEpoch: -1,
    });
    const [read] = await Promise.all([reading, isOwner]);
    const state = this.#state;
    if (state === null || life !== this.#life) return "again";
    if (read.error === "OFFSET_OUT_OF_RANGE" || read.error === "NONE") {
      if (raiseStart(state, read.logStartOffset)) this.#changed();
      if (readFrom < read.logStartOffset) return "again";
    }
    if (read.error !== "NONE") return nothing(read.error === "OFFSET_OUT_OF_RANGE" ? "NONE" : read.error);
    if (reply.settled || read.records.length === 0) return nothing("NONE");
    return this.#lock(state, message, readFrom, read) ?? "again";
  }

  #lock(
    state: SharePartitionState,
    message: AcquireRecords,
    readFrom: number,
    read: FetchResult,
  ): AcquireRecordsResult | null {
    const config = this.#config;
    const { memberId, maxRecords, wholeBatches } = message;
    const lockDurationMs = message.lockDurationMs ?? config.recordLockDurationMs;
    const { ranges, recordCount, batches } = decideAcquire(state, config, {
      memberId,
      lockUntilMs: this.#context.env.mono() + lockDurationMs,
      maxRecords,
      wholeBatches,
      readFrom,
      batches: logBatches(read.records, read.abortedTransactions),
    });
    if (recordCount === 0) return null;
    this.#arm();
    const records = batches.map(({ bytes }) => bytes);
    return { error: "NONE", records, ranges, recordCount, lockDurationMs };
  }

  /** Where the group begins is decided once, and stored before anything is handed out. */
  async #ensureBegun(wish: ShareOffsetReset | null): Promise<ErrorName> {
    const topic = this.#options.topics().topicsById.get(this.#id.topicId);
    if (topic === undefined) return "UNKNOWN_TOPIC_ID";
    if (this.#id.partition >= topic.partitions.length) return "UNKNOWN_TOPIC_OR_PARTITION";
    if (this.#state !== null) return "NONE";
    const { isolationLevel, ...config } = this.#config;
    const offsetReset = wish ?? config.offsetReset;
    const life = this.#life;
    const listed = (timestamp: number) =>
      this.#log.ask({ type: "listOffset", timestamp, isolationLevel, currentLeaderEpoch: -1 });
    let found = offsetReset.type === "by_duration"
      ? await listed(Math.max(0, Math.floor(this.#context.env.now()) - offsetReset.ms))
      : await listed(offsetReset.type === "earliest" ? EARLIEST : LATEST);
    // Everything is older than that.
    if (found.error === "NONE" && found.offset < 0) found = await listed(LATEST);
    if (found.error !== "NONE") return found.error;
    if (life === this.#life && this.#state === null) this.#begin(found.offset);
    return "NONE";
  }

  #begin(startOffset: number): void {
    this.#life++;
    if (this.#state === null) this.#state = newSharePartition(startOffset);
    else resetShare(this.#state, startOffset);
    this.#changed();
  }

  #acknowledge(message: AcknowledgeRecords, reply: Reply<unknown>): void {
    const config = this.#config;
    const lockDurationMs = message.lockDurationMs ?? config.recordLockDurationMs;
    const answer = (error: ErrorName, errorMessage: string | null) =>
      reply.send({ error, errorMessage, lockDurationMs });
    const mayRenew = message.isRenewal && config.mayRenew;
    const fault = acknowledgementFault(message.batches, { mayRenew });
    if (fault !== null) return answer(fault.error, fault.errorMessage);
    if (this.#state === null) return answer("INVALID_RECORD_STATE", "Nothing was handed out");
    const { error, errorMessage, isChanged } = decideAcknowledge(
      this.#state,
      config,
      message.memberId,
      message.batches,
      this.#context.env.mono() + lockDurationMs,
    );
    if (isChanged && !mutant("acknowledge-in-memory")) this.#changed();
    this.#arm();
    answer(error, errorMessage);
  }

  #describe(reply: Reply<unknown>): void {
    const state = this.#state;
    const topic = this.#options.topics().topicsById.get(this.#id.topicId);
    const leaderEpoch = topic?.partitions[this.#id.partition]?.leaderEpoch ?? -1;
    const unknown: SharePartitionDescription = { startOffset: -1, leaderEpoch, lag: -1 };
    if (state === null || topic === undefined) return reply.sendNow(unknown);
    this.#context.run(async () => {
      try {
        const { logStartOffset, highWatermark } = await this.#log.ask({ type: "describe" });
        if (raiseStart(state, logStartOffset) && state === this.#state) this.#changed();
        const lag = shareLag(state, highWatermark);
        reply.sendNow({ startOffset: state.startOffset, leaderEpoch, lag });
      } catch {
        // The lag is a service: what is known is told without it.
        reply.sendNow({ ...unknown, startOffset: state.startOffset });
      }
    });
  }

  #onTimer(): void {
    this.#armedAtMs = Infinity;
    const state = this.#state;
    if (state === null) return;
    const count = expireLocks(state, this.#config, this.#context.env.mono());
    if (count > 0) this.#changed();
    this.#arm();
  }

  #arm(): void {
    const atMs = this.#state === null ? Infinity : nextLockMs(this.#state);
    // A timer that rings early finds nothing due and is set anew.
    if (atMs >= this.#armedAtMs) return;
    this.#armedAtMs = atMs;
    this.#context.setTimer("locks", Math.max(0, atMs - this.#context.env.mono()), { type: "timer" });
  }

  /** Something is to be stored, and may be there for others. */
  #changed(): void {
    this.#context.stage(true);
    this.#wake();
  }

  #awaitRecords(waiter: Waiter): void {
    if (this.#hasGivenBack()) return waiter.reply.sendNow(true);
    this.#waiters.add(waiter);
    waiter.reply.onAbandon(() => this.#waiters.delete(waiter));
    this.#watchLog();
  }

  #hasGivenBack(): boolean {
    return this.#state?.runs.all.some((run) => run.state === "available") ?? true;
  }

  /** Lets waiters look again when records were given back; when there is room again, the log is watched. */
  #wake(): void {
    if (this.#waiters.size === 0) return;
    if (this.#hasGivenBack()) this.#wakeAll();
    else this.#watchLog();
  }

  #wakeAll(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const { reply } of waiters) reply.sendNow(true);
  }

  /** Asks the partition to say when there is something at the end of what was handed out. */
  #watchLog(): void {
    const state = this.#state;
    if (state === null) return this.#wakeAll();
    const config = this.#config;
    if (nextFetchOffset(state, config) === null) return;
    const offset = state.endOffset;
    let minBytes = Infinity;
    for (const { message } of this.#waiters) minBytes = Math.min(minBytes, Math.max(1, message.minBytes));
    if (this.#watch?.offset === offset && this.#watch.minBytes <= minBytes) return;
    this.#watch?.stop.abort();
    const watch = { offset, minBytes, stop: new AbortController() };
    this.#watch = watch;
    const { isolationLevel } = config;
    this.#context.run(async (signal) => {
      try {
        await this.#log.ask(
          { type: "awaitData", offset, minBytes, isolationLevel },
          { deadlineMs: WATCH_DEADLINE_MS, signal: AbortSignal.any([signal, watch.stop.signal]) },
        );
      } catch {
        // Another watch has begun, or the log's actor stopped: who waits looks again and is told.
      }
      if (this.#watch !== watch) return;
      this.#watch = null;
      this.#wakeAll();
    });
  }
}

function nothing(error: ErrorName): AcquireRecordsResult {
  return { error, records: [], ranges: [], recordCount: 0, lockDurationMs: 0 };
}
