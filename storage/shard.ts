/**
 * Shards: one head key plus everything that commits under that head change. Fencing, merging, unknown outcomes and the
 * rules W1 to W4 are here, once, for partition logs, groups and metadata alike. The boundary between "a store that may
 * answer anything" and "a commit that happened, or did not, or a writer that must stop".
 *
 * Every commit checks the head that it overwrites and the broker fence; its token makes it recognizable. An answer that
 * is missing, or a refusal, is resolved by reading the head back: as long as the head is unchanged, the same bytes go
 * again, and nothing else does.
 */
import type { Env } from "../lib/env.ts";
import { invariant } from "../lib/invariant.ts";
import type { Logger } from "../lib/log.ts";
import { mutant } from "../lib/mutants.ts";
import {
  addSizes,
  checkMutations,
  type CommitSize,
  fits,
  sizeOfChecks,
  sizeOfMutations,
} from "./commit_size.ts";
import { CorruptStorageError, FencedError, ShardGoneError, StorageUnavailableError } from "./errors.ts";
import { type CommitOutcome, type CommitRequest, GroupCommitter } from "./group_commit.ts";
import {
  brokerFenceKey,
  decodeBrokerFence,
  encodeBrokerFence,
  encodeWriteProbe,
  writeProbeKey,
} from "./keys/broker_fence.ts";
import {
  type CommitToken,
  decodeShardHead,
  encodeShardHead,
  isSameWriter,
  noToken,
  SHARD_HEAD_OVERHEAD_BYTES,
  type ShardHead,
} from "./keys/shard_head.ts";
import { keyBytes } from "./key_order.ts";
import { Retry } from "./retry.ts";
import type { SegmentStore } from "./segments.ts";
import { judge } from "./shard_outcome.ts";
import type { KvKey, Mutation, Storage, StoredEntry } from "./storage.ts";
import { WriteHealth, type WritePath } from "./write_health.ts";

export interface ShardStoreOptions {
  readonly storage: Storage;
  readonly env: Env;
  readonly log: Logger;
  readonly brokerId: number;
  /** A UUID that no process before had. */
  readonly incarnation: string;
  /** How long an unknown outcome may stay unknown before the shard gives up. */
  readonly resolveMs?: number;
  /** Where larger batches go; absent: everything goes into the store. */
  readonly segments?: SegmentStore;
}

const RESOLVE_MS = 30_000;

/**
 * A row elsewhere that says whether a shard may have keys. The commits that check no head of the shard check this row
 * instead, those that make a head and those that write pieces: so none of them can come late, after all was deleted.
 */
export interface ShardGuard {
  readonly key: KvKey;
  readonly isOpen: (row: StoredEntry | null) => boolean;
}

/** One store, fenced for one incarnation of one broker. */
export class ShardStore {
  readonly storage: Storage;
  readonly env: Env;
  readonly log: Logger;
  readonly incarnation: string;
  readonly segments: SegmentStore | null;
  readonly health: WriteHealth;
  /** How many processes have taken the fence, this one included. */
  readonly startCount: number;
  readonly #probeKey: KvKey;
  readonly #fenceKey: KvKey;
  readonly #fenceVersionstamp: string;
  readonly #committer: GroupCommitter;
  readonly #resolveMs: number;
  #openingCount = 0;
  /** Told when a read has shown that the fence is another's; perhaps again and again. */
  onFenceLost: () => void = () => {};

  private constructor(options: ShardStoreOptions, fenceVersionstamp: string, startCount: number) {
    this.startCount = startCount;
    this.storage = options.storage;
    this.env = options.env;
    this.log = options.log;
    this.incarnation = options.incarnation;
    this.segments = options.segments ?? null;
    this.#resolveMs = options.resolveMs ?? RESOLVE_MS;
    this.#fenceKey = brokerFenceKey(options.brokerId);
    this.#fenceVersionstamp = fenceVersionstamp;
    this.#probeKey = writeProbeKey(options.brokerId);
    this.health = new WriteHealth({
      env: options.env,
      log: options.log,
      probe: (path) => this.#probe(path),
    });
    const fence = { key: this.#fenceKey, versionstamp: fenceVersionstamp };
    this.#committer = new GroupCommitter(options.storage, fence, this.health);
  }

  /**
   * Takes the broker fence: from here on no older incarnation of this broker can commit. Throws
   * `StorageUnavailableError` when the store does not answer in time.
   */
  static async open(options: ShardStoreOptions): Promise<ShardStore> {
    const { storage, env, incarnation } = options;
    const key = brokerFenceKey(options.brokerId);
    const retry = new Retry(env, options.resolveMs ?? RESOLVE_MS);
    while (true) {
      try {
        const found = await storage.get(key);
        const fence = found === null ? null : decodeBrokerFence(found.value);
        // Ours already when the answer to an earlier attempt was lost.
        if (found !== null && fence?.incarnation === incarnation) {
          return new ShardStore(options, found.versionstamp, fence.startCount);
        }
        const startCount = (fence?.startCount ?? 0) + 1;
        const result = await storage.commit({
          checks: [{ key, versionstamp: found?.versionstamp ?? null }],
          mutations: [{ type: "set", key, value: encodeBrokerFence({ incarnation, startCount }) }],
        });
        if (result.ok) return new ShardStore(options, result.versionstamp, startCount);
        await retry.pause("take the broker fence", null);
      } catch (cause) {
        if (cause instanceof CorruptStorageError) throw cause;
        await retry.pause("take the broker fence", cause);
      }
    }
  }

  /**
   * Fences every older writer of the shard, this process's own included, then reads it (W4). Creates the head when
   * absent, unless the guard forbids it. A head that cannot be read gets the content `damagedAs`, for whoever deletes the shard; when
   * that is null it is a `CorruptStorageError`. Throws `FencedError` when a newer incarnation of this broker runs, `ShardGoneError`,
   * `StorageUnavailableError`.
   */
  async openShard(
    headKey: KvKey,
    guard: ShardGuard | null = null,
    damagedAs: Uint8Array | null = null,
  ): Promise<Shard> {
    const token: CommitToken = { incarnation: this.incarnation, opening: ++this.#openingCount, n: 0 };
    const retry = this.retry();
    // Many shards are opened at once when a broker starts: the first attempt goes with the others.
    for (let isAlone = false;; isAlone = true) {
      const read = await this.readBack(headKey, retry);
      const head = read.head === null ? null : decodeHead(read.head, damagedAs);
      if (head !== null && read.head !== null && isSameToken(head.token, token)) {
        return new Shard(
          this,
          { headKey, guard },
          token,
          head.fencedToken,
          head.payload,
          read.head.versionstamp,
        );
      }
      this.#throwIfFenced(read.fence);
      const fencedToken = head?.token ?? noToken;
      const payload = head?.payload ?? null;
      const guardChecks = read.head === null ? await this.#guardChecks(guard, retry) : [];
      const headCheck = { key: headKey, versionstamp: read.head?.versionstamp ?? null };
      const outcome = await this.#submit(
        mutant("fence-after-read") ? guardChecks : [headCheck, ...guardChecks],
        [{ type: "set", key: headKey, value: encodeShardHead({ token, fencedToken, payload }) }],
        isAlone,
      );
      if (outcome.kind === "committed") {
        return new Shard(this, { headKey, guard }, token, fencedToken, payload, outcome.versionstamp);
      }
      await retry.pause("open shard", outcome.kind === "unknown" ? outcome.cause : null);
    }
  }

  /**
   * Writes keys that no head names yet, under the fence and the guard alone: pieces of a large batch, whose keys are used
   * once and which a later opening sweeps. Repeats itself, so the mutations must bear being applied twice. Throws
   * `ShardGoneError` when the guard forbids it, and what `openShard` throws.
   */
  async commitLoose(mutations: readonly Mutation[], guard: ShardGuard | null = null): Promise<void> {
    checkMutations(mutations, this.storage.limits);
    const retry = this.retry();
    while (true) {
      const outcome = await this.#submit(await this.#guardChecks(guard, retry), mutations, true);
      if (outcome.kind === "committed") return;
      if (outcome.kind === "unknown" && outcome.cause instanceof RangeError) throw outcome.cause;
      const read = await this.readBack(this.#fenceKey, retry);
      this.#throwIfFenced(read.fence);
      await retry.pause("write batch", outcome.kind === "unknown" ? outcome.cause : null);
    }
  }

  /** One read; whether the fence is still this incarnation's is told to `onFenceLost`. Throws what the store throws. */
  async checkFence(): Promise<void> {
    if (!mutant("fence-unwatched")) this.#noteFence(await this.storage.get(this.#fenceKey));
  }

  #noteFence(fence: StoredEntry | null): void {
    if (fence?.versionstamp !== this.#fenceVersionstamp) this.onFenceLost();
  }

  /** One try, as large as a batch's piece; under the fence, so that a fenced process stops trying to write. */
  async #probe(path: WritePath): Promise<void> {
    if (path === "segments") return await this.segments?.probe();
    const value = encodeWriteProbe(this.storage.limits.valueBytesMax);
    for (
      const mutation of [
        { type: "set", key: this.#probeKey, value },
        { type: "delete", key: this.#probeKey },
      ] as const
    ) {
      const outcome = await this.#submit([], [mutation], true);
      if (outcome.kind === "unknown") throw outcome.cause;
      if (outcome.kind === "refused") throw new StorageUnavailableError("The store refuses to commit");
    }
  }

  /** Largest size of loose mutations in one commit. */
  fitsLoose(size: CommitSize): boolean {
    return fits(addSizes(size, this.#committer.overhead), this.storage.limits);
  }

  /** For `Shard` alone. */
  get fenceVersionstamp(): string {
    return this.#fenceVersionstamp;
  }

  /** For `Shard` alone. */
  get committer(): GroupCommitter {
    return this.#committer;
  }

  /** For `Shard` alone: the clock of one resolution. */
  retry(): Retry {
    return new Retry(this.env, this.#resolveMs);
  }

  /** For `Shard` alone: a strong read of head and fence, repeated until it works or time is up. */
  async readBack(
    headKey: KvKey,
    retry: Retry,
  ): Promise<{ readonly head: StoredEntry | null; readonly fence: StoredEntry | null }> {
    while (true) {
      try {
        const [head, fence] = await this.storage.getMany([headKey, this.#fenceKey]);
        this.#noteFence(fence ?? null);
        return { head: head ?? null, fence: fence ?? null };
      } catch (cause) {
        if (cause instanceof CorruptStorageError) throw cause;
        await retry.pause("read back", cause);
      }
    }
  }

  /** Throws `ShardGoneError`. */
  async #guardChecks(guard: ShardGuard | null, retry: Retry): Promise<CommitRequest["checks"]> {
    if (guard === null || mutant("no-topic-check")) return [];
    const { key, isOpen } = guard;
    // `readBack` reads any key beside the fence.
    const { head: row } = await this.readBack(key, retry);
    if (!isOpen(row)) throw new ShardGoneError("Cannot write: the shard may have no keys any more");
    return [{ key, versionstamp: row?.versionstamp ?? null }];
  }

  #throwIfFenced(fence: StoredEntry | null): void {
    if (fence?.versionstamp !== this.#fenceVersionstamp) {
      throw new FencedError("Cannot write: a newer incarnation of this broker runs");
    }
  }

  #submit(
    checks: CommitRequest["checks"],
    mutations: readonly Mutation[],
    isAlone: boolean,
  ): Promise<CommitOutcome> {
    return new Promise((onOutcome) => {
      const size = addSizes(sizeOfChecks(checks), sizeOfMutations(mutations));
      this.#committer.submit({ checks, mutations, size, isAlone, onOutcome });
    });
  }
}

function decodeHead({ value }: StoredEntry, damagedAs: Uint8Array | null): ShardHead {
  try {
    return decodeShardHead(value);
  } catch (error) {
    if (damagedAs === null || !(error instanceof CorruptStorageError)) throw error;
    return { token: noToken, fencedToken: noToken, payload: damagedAs };
  }
}

function isSameToken(a: CommitToken, b: CommitToken): boolean {
  return a.incarnation === b.incarnation && a.opening === b.opening && a.n === b.n;
}

export interface ShardCommit {
  readonly mutations: readonly Mutation[];
  /** The head's new content; absent: as it is. */
  readonly payload?: Uint8Array;
}

interface Call {
  readonly mutations: readonly Mutation[];
  readonly payload: Uint8Array | undefined;
  readonly size: CommitSize;
  readonly n: number;
  readonly isRemoval: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** The single writer's handle on one shard. */
export class Shard {
  readonly #store: ShardStore;
  readonly #headKey: KvKey;
  readonly #guard: ShardGuard | null;
  readonly #writer: CommitToken;
  readonly #fencedToken: CommitToken;
  #payload: Uint8Array | null;
  #versionstamp: string;
  #lastN = 0;
  #calls: Call[] = [];
  #isInFlight = false;
  #fault: Error | null = null;
  /** Checks and head of every commit, less the payload. */
  readonly #overhead: CommitSize;

  /** For `ShardStore.openShard` alone. */
  constructor(
    store: ShardStore,
    { headKey, guard }: { readonly headKey: KvKey; readonly guard: ShardGuard | null },
    writer: CommitToken,
    fencedToken: CommitToken,
    payload: Uint8Array | null,
    versionstamp: string,
  ) {
    this.#store = store;
    this.#headKey = headKey;
    this.#guard = guard;
    this.#writer = writer;
    this.#fencedToken = fencedToken;
    this.#payload = payload;
    this.#versionstamp = versionstamp;
    const headSize = keyBytes(headKey);
    this.#overhead = {
      bytes: 3 * headSize + SHARD_HEAD_OVERHEAD_BYTES,
      keyBytes: 2 * headSize,
      mutations: 1,
      checks: 1,
    };
  }

  /**
   * Makes sure, by a strong read, that nobody else had taken the shard when this was called: for answers that come from memory
   * and must not be those of a writer that was replaced. Throws `FencedError`, `StorageUnavailableError`.
   */
  async confirmOwnership(): Promise<void> {
    if (this.#fault !== null) throw this.#fault;
    const { head, fence } = await this.#store.readBack(this.#headKey, this.#store.retry());
    // It failed meanwhile, and this process may have opened it anew: whoever asks has to do so, too, and is not replaced.
    if (this.#fault !== null) throw this.#fault;
    const isOurs = head !== null && isSameWriter(decodeShardHead(head.value).token, this.#writer);
    if (isOurs && fence?.versionstamp === this.#store.fenceVersionstamp) return;
    const error = new FencedError("Cannot answer: another writer owns the shard");
    this.#fail(error);
    throw error;
  }

  /** The head's content as found at open, then as last committed; null for a new shard. */
  get payload(): Uint8Array | null {
    return this.#payload;
  }

  /** The token that the next call of `commit` will get; a commit's head has the token of its last call. */
  get nextToken(): CommitToken {
    return { ...this.#writer, n: this.#lastN + 1 };
  }

  /** Why this handle is of no use any more, or null. */
  get fault(): Error | null {
    return this.#fault;
  }

  /** Whether one commit takes mutations of this size and a payload of this length. */
  fits(size: CommitSize, payloadLength: number): boolean {
    return payloadLength + SHARD_HEAD_OVERHEAD_BYTES <= this.#store.storage.limits.valueBytesMax &&
      fits(this.#total(size, payloadLength), this.#store.storage.limits);
  }

  /**
   * One atomic commit under the head's check. Calls made while one is in flight are merged into the next, in order; the
   * last payload wins. Rejects with `RangeError` (larger than the store takes: split it; the shard lives on),
   * `FencedError` (stop), or `StorageUnavailableError` (in doubt: open the shard anew).
   */
  commit(commit: ShardCommit): Promise<void> {
    return this.#call(commit.mutations, commit.payload, false);
  }

  /** Writes keys that no head names yet; see `ShardStore.commitLoose`. */
  commitLoose(mutations: readonly Mutation[]): Promise<void> {
    return this.#store.commitLoose(mutations, this.#guard);
  }

  /** Deletes the head, and with it the shard; the handle is closed then. */
  remove(): Promise<void> {
    return this.#call([], undefined, true);
  }

  /** Takes no more calls; what is in flight goes on. */
  close(): void {
    this.#fail(new StorageUnavailableError("Cannot commit: the shard is closed"));
  }

  #call(mutations: readonly Mutation[], payload: Uint8Array | undefined, isRemoval: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#fault !== null) return reject(this.#fault);
      const size = sizeOfMutations(mutations);
      try {
        checkMutations(mutations, this.#store.storage.limits);
        if (!this.fits(size, (payload ?? this.#payload)?.length ?? 0)) {
          throw new RangeError(`Cannot commit ${size.mutations} mutations of ${size.bytes} bytes: too large`);
        }
      } catch (error) {
        return reject(error);
      }
      this.#calls.push({ mutations, payload, size, n: ++this.#lastN, isRemoval, resolve, reject });
      this.#pump();
    });
  }

  #total(size: CommitSize, payloadLength: number): CommitSize {
    const withHead = addSizes(addSizes(size, this.#overhead), this.#store.committer.overhead);
    return { ...withHead, bytes: withHead.bytes + payloadLength };
  }

  /** Sends the waiting calls, as many as one commit takes, unless one is in flight. */
  #pump(): void {
    if (this.#isInFlight || this.#fault !== null) return;
    const [first] = this.#calls;
    if (first === undefined) return;
    let size = first.size;
    let payload = first.payload;
    let count = 1;
    for (; count < this.#calls.length; count++) {
      const call = this.#calls[count] as Call;
      const sum = addSizes(size, call.size);
      const length = (call.payload ?? payload ?? this.#payload)?.length ?? 0;
      if (first.isRemoval || call.isRemoval || !this.fits(sum, length)) break;
      size = sum;
      payload = call.payload ?? payload;
    }
    const calls = this.#calls.splice(0, count);
    this.#isInFlight = true;
    this.#send(calls, payload ?? this.#payload, size);
  }

  #send(calls: readonly Call[], payload: Uint8Array | null, size: CommitSize): void {
    const last = calls[calls.length - 1] as Call;
    const token = { ...this.#writer, n: last.n };
    const key = this.#headKey;
    const head: Mutation = last.isRemoval
      ? { type: "delete", key }
      : { type: "set", key, value: encodeShardHead({ token, fencedToken: this.#fencedToken, payload }) };
    const total = this.#total(size, payload?.length ?? 0);
    const overhead = this.#store.committer.overhead;
    const request: CommitRequest = {
      checks: mutant("no-head-check") ? [] : [{ key, versionstamp: this.#versionstamp }],
      mutations: [head, ...calls.flatMap((call) => call.mutations)],
      // The group counts the fence itself, once.
      size: {
        bytes: total.bytes - overhead.bytes,
        keyBytes: total.keyBytes - overhead.keyBytes,
        mutations: total.mutations,
        checks: total.checks - overhead.checks,
      },
      isAlone: false,
      onOutcome: (outcome) => {
        if (outcome.kind === "committed") return this.#settle(calls, payload, outcome.versionstamp);
        this.#resolve(request, token, outcome, last.isRemoval).then(
          (versionstamp) => this.#settle(calls, payload, versionstamp),
          (error) => this.#reject(calls, error as Error),
        );
      },
    };
    this.#store.committer.submit(request);
  }

  /** Finds out what became of a commit, sending the same bytes again as long as that is safe. */
  async #resolve(
    request: CommitRequest,
    token: CommitToken,
    first: CommitOutcome,
    isRemoval: boolean,
  ): Promise<string> {
    const doubt = {
      token,
      headVersionstamp: this.#versionstamp,
      fenceVersionstamp: this.#store.fenceVersionstamp,
      isRemoval,
    };
    const retry = this.#store.retry();
    let outcome = first;
    for (let attempt = 0;; attempt++) {
      if (outcome.kind === "committed") return outcome.versionstamp;
      const read = await this.#store.readBack(this.#headKey, retry);
      const verdict = judge(doubt, read.head, read.fence);
      switch (verdict.kind) {
        case "committed":
          if (verdict.isFenced) {
            this.#fail(new FencedError("Cannot write: a newer incarnation of this broker runs"));
          }
          return verdict.versionstamp;
        case "fenced": {
          const error = new FencedError(
            `Cannot write: another writer owns the shard; last commit: ${verdict.outcome}`,
          );
          this.#fail(error);
          if (verdict.outcome === "committed") return "";
          throw error;
        }
        case "impossible":
          invariant(false, "A shard's head moved under its only writer");
          break;
        case "open":
          // The first repetition goes at once: a group's refusal says nothing about this shard.
          if (attempt > 0) await retry.pause("commit", outcome.kind === "unknown" ? outcome.cause : null);
          outcome = await new Promise<CommitOutcome>((onOutcome) => {
            this.#store.committer.submit({ ...request, isAlone: true, onOutcome });
          });
      }
    }
  }

  #settle(calls: readonly Call[], payload: Uint8Array | null, versionstamp: string): void {
    this.#payload = payload;
    this.#versionstamp = versionstamp;
    this.#isInFlight = false;
    const isRemoved = calls[0]?.isRemoval === true;
    if (isRemoved) this.#fail(new StorageUnavailableError("Cannot commit: the shard was removed"));
    for (const call of calls) call.resolve();
    this.#pump();
  }

  /** The state is in doubt, or another's: no later call may go. */
  #reject(calls: readonly Call[], error: Error): void {
    this.#isInFlight = false;
    this.#fail(error);
    for (const call of calls) call.reject(error);
  }

  #fail(error: Error): void {
    this.#fault ??= error;
    const waiting = this.#calls;
    this.#calls = [];
    for (const call of waiting) call.reject(this.#fault);
  }
}
