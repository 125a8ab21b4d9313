/**
 * Storage on Deno KV: the one door through which everything durable goes. Embedded stores (a file, `:memory:`); remote
 * stores get their own file.
 *
 * What Deno KV really does is in the project's notes on reliability; what follows from it here: a commit that threw may
 * have been applied, a call cannot be cancelled, and so a call that missed its deadline still counts as in flight.
 * The types offer no `sum`, `min`, `max`, `expireIn` or `enqueue`, because an atomic operation that holds one of
 * them can be applied in part.
 */
import type { Cancel, Env, RawKv, RawKvEntry } from "../lib/env.ts";
import { checkLimits } from "./commit_size.ts";
import {
  CorruptStorageError,
  StorageUnavailableError,
  StoreClosedError,
  UnknownOutcomeError,
} from "./errors.ts";
import { embeddedLimits } from "./limits.ts";
import type { Commit, CommitResult, KvKey, Storage, StorageLimits, StoredEntry } from "./storage.ts";

/** Commits on their way at once, those that missed their deadline included; then callers wait. */
const COMMITS_IN_FLIGHT_MAX = 64;
const DEADLINE_MS = 10_000;

export interface DenoKvOptions {
  readonly env: Env;
  /** A file path or `:memory:`. */
  readonly path: string;
  readonly limits?: StorageLimits;
  /** For a read, and for a commit. */
  readonly deadlineMs?: number;
}

export class DenoKvStorage implements Storage {
  readonly limits: StorageLimits;
  readonly #kv: RawKv;
  readonly #env: Env;
  readonly #deadlineMs: number;
  #commitsInFlight = 0;
  readonly #waiting: (() => void)[] = [];
  /** Of calls that wait for the store: each is told when it closes. */
  readonly #ends = new Set<() => void>();
  readonly #watches = new Set<ReadableStreamDefaultReader<unknown>>();
  #isOpen = true;

  private constructor(kv: RawKv, options: DenoKvOptions) {
    this.#kv = kv;
    this.#env = options.env;
    this.limits = options.limits ?? embeddedLimits;
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  }

  /** Throws `StorageUnavailableError` when the store cannot be opened. */
  static async open(options: DenoKvOptions): Promise<DenoKvStorage> {
    try {
      return new DenoKvStorage(await options.env.kv(options.path), options);
    } catch (cause) {
      throw new StorageUnavailableError(`Cannot open store "${options.path}": ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  get(key: KvKey): Promise<StoredEntry | null> {
    return this.#read(async () => entryOf(await this.#kv.get(key)));
  }

  getMany(keys: readonly KvKey[]): Promise<(StoredEntry | null)[]> {
    if (keys.length > this.limits.getManyMax) {
      throw new RangeError(`Cannot get ${keys.length} keys: the store takes ${this.limits.getManyMax}`);
    }
    return this.#read(async () => (await this.#kv.getMany(keys)).map(entryOf));
  }

  list(
    range: { readonly start: KvKey; readonly end: KvKey },
    options: { readonly limit: number; readonly reverse?: boolean },
  ): Promise<StoredEntry[]> {
    const limit = Math.min(options.limit, this.limits.listPageMax);
    const reverse = options.reverse ?? false;
    return this.#read(async () => {
      const entries: StoredEntry[] = [];
      // One page: batchSize equals limit, so that nothing is read that is not asked for.
      for await (const raw of this.#kv.list(range, { limit, batchSize: limit, reverse })) {
        const entry = entryOf(raw);
        if (entry !== null) entries.push(entry);
      }
      return entries;
    });
  }

  async commit(commit: Commit): Promise<CommitResult> {
    checkLimits(commit, this.limits);
    await this.#enter();
    const atomic = this.#kv.atomic();
    for (const check of commit.checks) atomic.check(check);
    for (const mutation of commit.mutations) {
      if (mutation.type === "set") atomic.set(mutation.key, mutation.value);
      else atomic.delete(mutation.key);
    }
    return await new Promise<CommitResult>((resolve, reject) => {
      const cancel = this.#waitFor((why, cause) => {
        reject(
          new UnknownOutcomeError(`Cannot tell whether the commit was applied: ${why}`, { cause }),
        );
      });
      atomic.commit().then(resolve, (cause: unknown) => {
        reject(
          new UnknownOutcomeError(`Cannot tell whether the commit was applied: ${messageOf(cause)}`, {
            cause,
          }),
        );
      }).finally(() => {
        cancel();
        this.#leave();
      });
    });
  }

  watch(keys: readonly KvKey[], onChange: () => void): () => void {
    const reader = this.#kv.watch(keys).getReader();
    this.#watches.add(reader);
    void this.#pump(reader, onChange);
    return () => this.#stop(reader);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const end of [...this.#ends]) end();
    for (const reader of this.#watches) this.#stop(reader);
    await Promise.resolve();
    this.#kv.close();
  }

  async #pump(reader: ReadableStreamDefaultReader<unknown>, onChange: () => void): Promise<void> {
    try {
      // The first item tells the present state, which is no change.
      let isFirst = true;
      while (true) {
        const { done } = await reader.read();
        if (done) return;
        if (!isFirst) onChange();
        isFirst = false;
      }
    } catch {
      // A watch that broke is a hint that will not come; whoever needs certainty polls as well.
    } finally {
      this.#watches.delete(reader);
    }
  }

  #stop(reader: ReadableStreamDefaultReader<unknown>): void {
    this.#watches.delete(reader);
    // A watch that is already broken needs no cancelling.
    reader.cancel().catch(() => undefined);
  }

  async #enter(): Promise<void> {
    if (!this.#isOpen) throw new StoreClosedError();
    if (this.#commitsInFlight < COMMITS_IN_FLIGHT_MAX) {
      this.#commitsInFlight++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        cancel();
        resolve();
      };
      const cancel = this.#waitFor((_why, closed) => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        const message = `Cannot commit: ${this.#commitsInFlight} commits without an answer`;
        reject(closed ?? new StorageUnavailableError(message));
      });
      this.#waiting.push(enter);
    });
  }

  /** Hands the place to whoever waits longest. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#commitsInFlight--;
    else next();
  }

  /**
   * Calls back once when the deadline passes or the store closes, which is the end of a call that Deno never answers then; unless it
   * is cancelled before.
   */
  #waitFor(onEnd: (why: string, closed?: StoreClosedError) => void): Cancel {
    const cancel = () => {
      cancelTimer();
      this.#ends.delete(end);
    };
    const end = () => {
      cancel();
      onEnd("the store was closed", new StoreClosedError());
    };
    const cancelTimer = this.#env.timer(this.#deadlineMs, () => {
      cancel();
      onEnd(`no answer in ${this.#deadlineMs} ms`);
    });
    this.#ends.add(end);
    return cancel;
  }

  #read<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#isOpen) return Promise.reject(new StoreClosedError());
    return new Promise<T>((resolve, reject) => {
      const cancel = this.#waitFor((why, closed) => {
        reject(closed ?? new StorageUnavailableError(`Cannot read store: ${why}`));
      });
      work().then(resolve, (cause: unknown) => {
        if (cause instanceof CorruptStorageError) reject(cause);
        else reject(new StorageUnavailableError(`Cannot read store: ${messageOf(cause)}`, { cause }));
      }).finally(cancel);
    });
  }
}

function entryOf(raw: RawKvEntry): StoredEntry | null {
  if (raw.versionstamp === null) return null;
  if (!(raw.value instanceof Uint8Array)) {
    throw new CorruptStorageError(`Cannot read key ${JSON.stringify(raw.key)}: its value is not bytes`);
  }
  return { key: raw.key, value: raw.value, versionstamp: raw.versionstamp };
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
