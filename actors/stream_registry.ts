/**
 * The stream registry (`stream_registry/streams`): every durable stream by its path. It creates, forks, deletes and expires
 * streams, and is the single writer of their records; a fork and the count at its source change in one commit.
 *
 * Creation: the record is stored as CREATING, then the topic is made and the first content appended beside the mailbox, then
 * the record becomes ACTIVE. Deletion: the record goes and its id becomes garbage in one commit, then topic and snapshot are
 * deleted. What a crash interrupts is finished, or rolled back, at the next activation. Whoever asks for a path that is being
 * created or deleted waits.
 */
import { topicNameFault } from "../core/config/topic_name.ts";
import { limits } from "../core/config/limits.ts";
import {
  accessGrainMs,
  expiryMs,
  forkLifetime,
  inheritedSegments,
  isSameMediaType,
  type StreamRecord,
} from "../core/stream/stream_record.ts";
import { matchesPattern } from "../core/stream/subscription.ts";
import type { StreamChange, StreamStore } from "../storage/stream_store.ts";
import { SUPERVISOR_KEY, SUPERVISOR_KIND } from "./kinds.ts";
import type {
  CreatedStream,
  CreateStream,
  RemoveStream,
  StreamMessage,
  StreamRegistryMessage,
} from "./messages/stream.ts";
import type { SupervisorMessage } from "./messages/supervisor.ts";
import { ActorFailedError, OverloadedError } from "./runtime/errors.ts";
import type { ActorContext, ActorHost, ActorKind, ActorRef, Reply } from "./runtime/types.ts";
import { STREAM_KIND } from "./stream.ts";

export const STREAM_REGISTRY_KIND = "stream_registry";
export const STREAM_REGISTRY_KEY = "streams";

const EXPIRY_SWEEP_MS = 5_000;
const GARBAGE_RETRY_MS = 1_000;
/** Streams expired in one turn; the rest follow in the next. */
const EXPIRIES_PER_SWEEP = 100;
const CREATE_DEADLINE_MS = 20_000;

export interface StreamRegistryOptions {
  readonly open: () => Promise<StreamStore>;
  /** Deletes the writer's snapshot of a stream that is gone; may be repeated. */
  readonly removeSnapshot: (streamId: string) => Promise<void>;
}

interface Effect {
  readonly changes: readonly StreamChange[];
  readonly then: () => void;
}
type Context = ActorContext<StreamRegistryMessage, Effect>;
type OnPath = Extract<
  StreamRegistryMessage,
  { readonly path: string; readonly type: "lookUp" | "create" | "remove" }
>;

interface Waiting {
  readonly message: OnPath;
  readonly reply: Reply<unknown>;
}

export function streamRegistryKind(options: StreamRegistryOptions): ActorKind<StreamRegistryMessage, Effect> {
  return {
    kind: STREAM_REGISTRY_KIND,
    options: { idleAfterMs: 0 },
    async activate(context) {
      const host = new StreamRegistryHost(context, await options.open(), options);
      host.start();
      return host;
    },
  };
}

class StreamRegistryHost implements ActorHost<StreamRegistryMessage, Effect> {
  readonly #context: Context;
  readonly #store: StreamStore;
  readonly #options: StreamRegistryOptions;
  readonly #supervisor: ActorRef<SupervisorMessage>;
  readonly #records = new Map<string, StreamRecord>();
  /** Paths of streams with a lifetime. */
  readonly #mortal = new Set<string>();
  /** The wall clock of the stored last access, by path. */
  readonly #storedAccessMs = new Map<string, number>();
  readonly #garbage: Set<string>;
  /** Paths with work under way, and who waits for its end. */
  readonly #busy = new Map<string, Waiting[]>();

  constructor(context: Context, store: StreamStore, options: StreamRegistryOptions) {
    this.#context = context;
    this.#store = store;
    this.#options = options;
    this.#supervisor = context.ref<SupervisorMessage>(SUPERVISOR_KIND, SUPERVISOR_KEY);
    this.#garbage = new Set(store.garbage);
    for (const record of store.records) {
      // An access within the grain may not have been stored: rather late than early.
      const graceMs = record.lifetime.ttlSeconds === null ? 0 : accessGrainMs(record.lifetime);
      this.#put({ ...record, lastAccessMs: record.lastAccessMs + graceMs });
    }
  }

  /** Rolls back creations that did not end, and goes on with deletions. */
  start(): void {
    for (const record of this.#store.records) {
      if (record.state === "CREATING") {
        this.#context.stage({ changes: this.#discard(record).changes, then: () => {} });
      }
    }
    this.#context.setTimer("expiry", EXPIRY_SWEEP_MS, { type: "tick", task: "expiry" });
    this.#collectGarbage();
  }

  receive(message: StreamRegistryMessage, reply: Reply<unknown>): void {
    switch (message.type) {
      case "workDone":
        return message.apply();
      case "list": {
        const { pattern } = message;
        const active = [...this.#records.values()].filter(({ state }) => state === "ACTIVE");
        return reply.send(active.map(({ path }) => path).filter((path) => matchesPattern(pattern, path)));
      }
      case "tick":
        return message.task === "expiry" ? this.#sweep() : this.#collectGarbage();
      default:
        return this.#onPath(message, reply);
    }
  }

  async commit(effects: readonly Effect[]): Promise<void> {
    const changes = effects.flatMap((effect) => effect.changes);
    if (changes.length > 0) await this.#store.commit(changes);
    for (const { then } of effects) then();
  }

  stop(): void {
    this.#store.close();
  }

  inspect(): Record<string, unknown> {
    return { streams: this.#records.size, garbage: this.#garbage.size, busyPaths: this.#busy.size };
  }

  #onPath(message: OnPath, reply: Reply<unknown>): void {
    const waiting = this.#busy.get(message.path);
    if (waiting !== undefined) {
      if (waiting.length >= limits.mailboxLengthMax) {
        return reply.fail(new OverloadedError(`Too many requests wait for stream "${message.path}"`));
      }
      waiting.push({ message, reply });
      return;
    }
    const record = this.#records.get(message.path);
    if (record?.state === "ACTIVE" && expiryMs(record) <= this.#context.env.now()) {
      this.#delete(record, () => this.#onPath(message, reply));
      return;
    }
    switch (message.type) {
      case "lookUp":
        if (record === undefined) return reply.send({ type: "absent" });
        if (record.state !== "ACTIVE") return reply.send({ type: "gone" });
        if (message.touch) this.#touch(record);
        // Waits for no commit: the record was durable when it became ACTIVE.
        return reply.sendNow({ type: "found", stream: record });
      case "create":
        return this.#create(message, record, reply);
      case "remove":
        return this.#remove(message, record, reply);
    }
  }

  #touch(record: StreamRecord): void {
    const { path, lifetime } = record;
    if (lifetime.ttlSeconds === null) return;
    const lastAccessMs = Math.floor(this.#context.env.now());
    const touched = { ...record, lastAccessMs };
    this.#records.set(path, touched);
    if (lastAccessMs - (this.#storedAccessMs.get(path) ?? 0) < accessGrainMs(lifetime)) return;
    this.#storedAccessMs.set(path, lastAccessMs);
    this.#context.stage({ changes: [{ type: "put", record: touched }], then: () => {} });
  }

  #create(
    message: CreateStream,
    existing: StreamRecord | undefined,
    reply: Reply<unknown>,
  ): void {
    const answer = (outcome: CreatedStream) => reply.sendNow(outcome);
    if (existing !== undefined) {
      return answer(existing.state === "ACTIVE" ? { type: "exists", stream: existing } : { type: "gone" });
    }
    const { path, fork, lifetime: wishedLifetime } = message;
    const nowMs = Math.floor(this.#context.env.now());
    const changes: StreamChange[] = [];
    let source: StreamRecord | null = null;
    if (fork !== null) {
      const found = this.#records.get(fork.from);
      if (found === undefined || found.state === "CREATING") return answer({ type: "sourceAbsent" });
      if (found.state !== "ACTIVE") return answer({ type: "sourceGone" });
      if (found.streamId !== fork.sourceId) return answer({ type: "sourceAbsent" });
      if (message.contentType !== null && !isSameMediaType(message.contentType, found.contentType)) {
        return answer({ type: "contentTypeMismatch" });
      }
      source = { ...found, forkCount: found.forkCount + 1 };
      changes.push(this.#change(source));
    }
    const streamId = this.#context.env.uuid();
    const record: StreamRecord = {
      path,
      streamId,
      state: "CREATING",
      topic: topicNameOf(path, streamId),
      contentType: message.contentType ?? source?.contentType ?? "application/octet-stream",
      createdAtMs: nowMs,
      lastAccessMs: nowMs,
      lifetime: source === null ? wishedLifetime : forkLifetime(wishedLifetime, source.lifetime),
      wishedLifetime,
      base: fork?.base ?? 0,
      segments: source === null || fork === null ? [] : inheritedSegments(source, fork.base),
      // A part of a record that a fork begins with is a copy in its own log, so its base is the offset itself.
      fork: fork === null ? null : {
        from: fork.from,
        sourceId: fork.sourceId,
        offset: fork.offset,
        offsetGiven: fork.offsetGiven,
        subOffset: fork.subOffset,
      },
      forkCount: 0,
    };
    changes.push(this.#change(record));
    this.#busy.set(path, []);
    const finish = (outcome: CreatedStream | Error) =>
      this.#tellSelf(path, () => this.#endCreation(record, outcome, reply));
    this.#context.stage({
      changes,
      then: () =>
        this.#context.run(async () => {
          try {
            finish(await this.#build(record, message));
          } catch (error) {
            finish(error instanceof Error ? error : new Error(String(error)));
          }
        }),
    });
  }

  /** Makes the topic and appends the first content; beside the mailbox. */
  async #build(record: StreamRecord, { values, close }: CreateStream): Promise<CreatedStream> {
    const made = await this.#makeTopic(record, record.topic);
    if (made === "exists" && record.topic === record.path) return { type: "topicExists" };
    if (made !== "made") {
      // Another topic's name differs only in `.` and `_`: its metrics would be mixed up with this one's.
      const topic = topicNameOf(`${record.path}!`, record.streamId);
      if (await this.#makeTopic(record, topic) !== "made") return { type: "topicExists" };
      record = { ...record, topic };
    }
    let logEndOffset = 0;
    if (values.length > 0 || close) {
      const appended = await this.#context.ref<StreamMessage>(STREAM_KIND, record.streamId).ask({
        type: "append",
        values,
        close,
        contentTypeMatches: true,
        producer: null,
        streamSeq: null,
      }, { deadlineMs: CREATE_DEADLINE_MS });
      if (appended.type !== "appended") throw new Error(`Cannot write the first content: ${appended.type}`);
      logEndOffset = appended.tail;
    }
    return { type: "created", stream: { ...record, state: "ACTIVE" }, logEndOffset };
  }

  async #makeTopic({ streamId }: StreamRecord, name: string): Promise<"made" | "exists" | "collides"> {
    const outcome = await this.#supervisor.ask({
      type: "createTopic",
      name,
      topicId: streamId,
      partitionCount: 1,
      replicationFactor: -1,
      configs: { "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1" },
      validateOnly: false,
    }, { deadlineMs: CREATE_DEADLINE_MS });
    if ("topic" in outcome) return "made";
    if (outcome.error === "TOPIC_ALREADY_EXISTS") return "exists";
    if (outcome.error === "INVALID_TOPIC_EXCEPTION") return "collides";
    throw new Error(`Cannot create the stream's topic: ${outcome.error} ${outcome.message}`);
  }

  #endCreation(
    record: StreamRecord,
    outcome: CreatedStream | Error,
    reply: Reply<unknown>,
  ): void {
    if (!(outcome instanceof Error) && outcome.type === "created") {
      this.#context.stage({
        changes: [this.#change(outcome.stream)],
        then: () => {
          reply.sendNow(outcome);
          this.#tellSelf(record.path, () => this.#free(record.path));
        },
      });
      return;
    }
    this.#context.stage({
      changes: this.#discard(record).changes,
      then: () => {
        this.#tellSelf(record.path, () => {
          this.#collectGarbage();
          this.#free(record.path);
        });
        if (!(outcome instanceof Error)) return reply.sendNow(outcome);
        this.#context.log.warn("Could not create a stream", { error: outcome.message });
        reply.fail(new ActorFailedError("The stream could not be created", { cause: outcome }));
      },
    });
  }

  #remove({ streamId }: RemoveStream, record: StreamRecord | undefined, reply: Reply<unknown>): void {
    if (record === undefined || (streamId !== undefined && record.streamId !== streamId)) {
      return reply.send({ type: "absent" });
    }
    if (record.state !== "ACTIVE") return reply.send({ type: "gone" });
    this.#delete(record, () => reply.sendNow({ type: "removed" }));
  }

  /** `then` runs in a turn of its own, when the name is free again or the stream is kept for its forks. */
  #delete(record: StreamRecord, then: () => void): void {
    const { path } = record;
    this.#busy.set(path, []);
    const finish = () =>
      this.#tellSelf(path, () => {
        // First whoever caused it, then those who came later.
        const waiting = this.#busy.get(path) ?? [];
        this.#busy.delete(path);
        then();
        for (const { message, reply } of waiting) this.#onPath(message, reply);
      });
    if (record.forkCount > 0) {
      this.#context.stage({ changes: [this.#change({ ...record, state: "SOFT_DELETED" })], then: finish });
      return;
    }
    const { changes, streamIds } = this.#discard(record);
    this.#context.stage({
      changes,
      then: () => this.#context.run((signal) => this.#collect(streamIds, signal).then(finish)),
    });
  }

  /** Takes a record away, and with it each soft-deleted ancestor that it was the last fork of. */
  #discard(record: StreamRecord): { changes: StreamChange[]; streamIds: string[] } {
    const changes: StreamChange[] = [];
    const streamIds: string[] = [];
    for (let doomed: StreamRecord | null = record; doomed !== null;) {
      const { path, streamId, fork }: StreamRecord = doomed;
      this.#records.delete(path);
      this.#mortal.delete(path);
      this.#storedAccessMs.delete(path);
      this.#garbage.add(streamId);
      streamIds.push(streamId);
      changes.push({ type: "remove", path }, { type: "addGarbage", streamId });
      const source: StreamRecord | undefined = fork === null ? undefined : this.#records.get(fork.from);
      doomed = null;
      if (source === undefined || source.streamId !== fork?.sourceId) continue;
      const rest: StreamRecord = { ...source, forkCount: source.forkCount - 1 };
      if (rest.state === "SOFT_DELETED" && rest.forkCount === 0) doomed = rest;
      else changes.push(this.#change(rest));
    }
    return { changes, streamIds };
  }

  #collectGarbage(): void {
    if (this.#garbage.size === 0) return;
    this.#context.run((signal) => this.#collect([...this.#garbage], signal));
  }

  /** Deletes topics and snapshots that nobody owns; what fails is tried again later. */
  async #collect(streamIds: readonly string[], signal: AbortSignal): Promise<void> {
    const done: string[] = [];
    for (const streamId of streamIds) {
      try {
        const outcome = await this.#supervisor.ask({ type: "deleteTopic", topicId: streamId });
        if (!("topic" in outcome) && outcome.error !== "UNKNOWN_TOPIC_ID") throw new Error(outcome.message);
        await this.#options.removeSnapshot(streamId);
        done.push(streamId);
      } catch (error) {
        signal.throwIfAborted();
        this.#context.log.warn("Cannot delete a stream's data yet", { streamId, error: String(error) });
        this.#context.setTimer("garbage", GARBAGE_RETRY_MS, { type: "tick", task: "garbage" });
      }
    }
    this.#tellSelf("", () => {
      for (const streamId of done) this.#garbage.delete(streamId);
      const changes = done.map((streamId): StreamChange => ({ type: "removeGarbage", streamId }));
      if (changes.length > 0) this.#context.stage({ changes, then: () => {} });
    });
  }

  #sweep(): void {
    this.#context.setTimer("expiry", EXPIRY_SWEEP_MS, { type: "tick", task: "expiry" });
    const nowMs = this.#context.env.now();
    let count = 0;
    for (const path of this.#mortal) {
      const record = this.#records.get(path);
      if (record?.state !== "ACTIVE" || expiryMs(record) > nowMs || this.#busy.has(path)) continue;
      this.#delete(record, () => {});
      if (++count === EXPIRIES_PER_SWEEP) return;
    }
  }

  #free(path: string): void {
    const waiting = this.#busy.get(path) ?? [];
    this.#busy.delete(path);
    for (const { message, reply } of waiting) this.#onPath(message, reply);
  }

  #tellSelf(path: string, apply: () => void): void {
    this.#context.tellSelf({ type: "workDone", path, apply });
  }

  /** Puts the record in memory; the change makes it durable. */
  #change(record: StreamRecord): StreamChange {
    this.#put(record);
    return { type: "put", record };
  }

  #put(record: StreamRecord): void {
    this.#records.set(record.path, record);
    this.#storedAccessMs.set(record.path, record.lastAccessMs);
    if (Number.isFinite(expiryMs(record))) this.#mortal.add(record.path);
  }
}

/** The path where it is a legal name of a topic, else something like it that no other stream has. */
function topicNameOf(path: string, streamId: string): string {
  if (topicNameFault(path) === null) return path;
  const readable = path.replaceAll(/[^a-zA-Z0-9._-]+/g, "-").slice(0, 200);
  return `${readable}-${streamId.slice(0, 8)}`;
}
