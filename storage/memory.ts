/**
 * Storage in memory: the same semantics as Deno KV in plain TypeScript, for tests that need no permission, with
 * hooks for everything that a real store may do to a commit. Held to the real one by `storage_suite.ts`.
 *
 * Values are copied in and out, as a real store does: a caller that changes bytes later is found out.
 */
import { StoreClosedError, UnknownOutcomeError } from "./errors.ts";
import { checkLimits } from "./commit_size.ts";
import { compareKeys } from "./key_order.ts";
import { embeddedLimits } from "./limits.ts";
import type { Commit, CommitResult, KvKey, Storage, StorageLimits, StoredEntry } from "./storage.ts";

/**
 * What becomes of a commit:
 * `apply` as usual; `throwBefore` not applied, outcome unknown; `throwAfter` applied, outcome unknown (the reply was
 * lost); `refuseAfter` applied although it answers `ok: false` (the reply was lost and the commit re-sent);
 * `refuse` not applied, `ok: false`; `late` outcome unknown and applied only by `releaseLate()`; `hold` waits for
 * `releaseHeld()`, then as usual; `crash` neither applied nor answered.
 */
export type CommitFate =
  | "apply"
  | "throwBefore"
  | "throwAfter"
  | "refuseAfter"
  | "refuse"
  | "late"
  | "hold"
  | "crash"
  | "crashAfter";

interface Row {
  readonly key: KvKey;
  value: Uint8Array;
  versionstamp: string;
}

export interface MemoryStorageOptions {
  readonly limits?: Partial<StorageLimits>;
  /** Microtask turns before each call takes effect. */
  readonly turns?: number;
}

export class MemoryStorage implements Storage {
  readonly limits: StorageLimits;
  readonly #turns: number;
  #rows: Row[] = [];
  #version = 0;
  #isOpen = true;
  readonly #watchers = new Set<{ readonly keys: readonly KvKey[]; readonly onChange: () => void }>();
  #held: (() => void)[] = [];
  #late: Commit[] = [];

  /** Decides each commit's fate; replaced by tests. */
  fateOf: (commit: Commit) => CommitFate = () => "apply";
  /** Thrown by reads while set. */
  readFault: Error | null = null;
  /** Every commit that was sent, in order. */
  readonly commits: Commit[] = [];

  constructor(options: MemoryStorageOptions = {}) {
    this.limits = { ...embeddedLimits, ...options.limits };
    this.#turns = options.turns ?? 1;
  }

  /** The next commits get these fates, those after them `apply`. */
  next(...fates: CommitFate[]): void {
    this.fateOf = () => fates.shift() ?? "apply";
  }

  releaseHeld(): void {
    const held = this.#held;
    this.#held = [];
    for (const release of held) release();
  }

  /** Applies the commits of fate `late`, as a store does that was away; returns how many passed their checks. */
  releaseLate(): number {
    const late = this.#late;
    this.#late = [];
    return late.filter((commit) => this.#apply(commit).ok).length;
  }

  /** A second handle on the same rows, as another process would have; the fates are its own. */
  twin(): MemoryStorage {
    const twin = new MemoryStorage({ limits: this.limits, turns: this.#turns });
    twin.#rows = this.#rows;
    twin.#nextVersion = () => this.#nextVersion();
    return twin;
  }

  /** All keys in order, for tests. */
  keys(): KvKey[] {
    return this.#rows.map((row) => row.key);
  }

  /** Changes stored bytes behind everybody's back, as a bad disk would. */
  tamper(key: KvKey, change: (value: Uint8Array) => Uint8Array | null): void {
    const { index, isFound } = this.#find(key);
    if (!isFound) throw new RangeError("Cannot tamper with an absent key");
    const row = this.#rows[index] as Row;
    const value = change(row.value.slice());
    if (value === null) this.#rows.splice(index, 1);
    else row.value = value;
  }

  #nextVersion = (): number => ++this.#version;

  async get(key: KvKey): Promise<StoredEntry | null> {
    await this.#turnToRead();
    return this.#read(key);
  }

  async getMany(keys: readonly KvKey[]): Promise<(StoredEntry | null)[]> {
    if (keys.length > this.limits.getManyMax) {
      throw new RangeError(`Cannot get ${keys.length} keys: the store takes ${this.limits.getManyMax}`);
    }
    await this.#turnToRead();
    return keys.map((key) => this.#read(key));
  }

  async list(
    range: { readonly start: KvKey; readonly end: KvKey },
    options: { readonly limit: number; readonly reverse?: boolean },
  ): Promise<StoredEntry[]> {
    await this.#turnToRead();
    const from = this.#find(range.start).index;
    const to = Math.max(from, this.#find(range.end).index);
    const limit = Math.min(options.limit, this.limits.listPageMax);
    const rows = options.reverse === true
      ? this.#rows.slice(Math.max(from, to - limit), to).reverse()
      : this.#rows.slice(from, Math.min(to, from + limit));
    return rows.map(entryOf);
  }

  async commit(commit: Commit): Promise<CommitResult> {
    checkLimits(commit, this.limits);
    const copy: Commit = {
      checks: commit.checks,
      mutations: commit.mutations.map((m) => m.type === "set" ? { ...m, value: m.value.slice() } : m),
    };
    this.commits.push(copy);
    const fate = this.fateOf(copy);
    await this.#turn();
    switch (fate) {
      case "apply":
        return this.#apply(copy);
      case "refuse":
        return { ok: false };
      case "refuseAfter":
        this.#apply(copy);
        return { ok: false };
      case "throwAfter":
        this.#apply(copy);
        throw new UnknownOutcomeError("Cannot tell whether the commit was applied: reply lost");
      case "late":
        this.#late.push(copy);
        throw new UnknownOutcomeError("Cannot tell whether the commit was applied: no reply");
      case "throwBefore":
        throw new UnknownOutcomeError("Cannot tell whether the commit was applied: request lost");
      case "hold":
        await new Promise<void>((resolve) => this.#held.push(resolve));
        return this.#apply(copy);
      case "crashAfter":
        this.#apply(copy);
        return new Promise(() => {});
      case "crash":
        return new Promise(() => {});
    }
  }

  watch(keys: readonly KvKey[], onChange: () => void): () => void {
    const watcher = { keys, onChange };
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  close(): Promise<void> {
    this.#isOpen = false;
    this.#watchers.clear();
    return Promise.resolve();
  }

  async #turn(): Promise<void> {
    for (let i = 0; i < this.#turns; i++) await null;
    if (!this.#isOpen) throw new StoreClosedError();
  }

  async #turnToRead(): Promise<void> {
    await this.#turn();
    if (this.readFault !== null) throw this.readFault;
  }

  #apply(commit: Commit): CommitResult {
    for (const check of commit.checks) {
      if ((this.#read(check.key)?.versionstamp ?? null) !== check.versionstamp) return { ok: false };
    }
    const versionstamp = this.#nextVersion().toString(16).padStart(20, "0");
    for (const mutation of commit.mutations) {
      const { index, isFound } = this.#find(mutation.key);
      if (mutation.type === "delete") {
        if (isFound) this.#rows.splice(index, 1);
      } else {
        const row = { key: mutation.key, value: mutation.value, versionstamp };
        this.#rows.splice(index, isFound ? 1 : 0, row);
      }
    }
    this.#notify(commit);
    return { ok: true, versionstamp };
  }

  #notify(commit: Commit): void {
    for (const watcher of this.#watchers) {
      const isHit = watcher.keys.some((key) => commit.mutations.some((m) => compareKeys(m.key, key) === 0));
      if (isHit) void Promise.resolve().then(watcher.onChange);
    }
  }

  #read(key: KvKey): StoredEntry | null {
    const { index, isFound } = this.#find(key);
    return isFound ? entryOf(this.#rows[index] as Row) : null;
  }

  /** Where `key` is, or where it would go. */
  #find(key: KvKey): { index: number; isFound: boolean } {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const difference = compareKeys((this.#rows[middle] as Row).key, key);
      if (difference === 0) return { index: middle, isFound: true };
      if (difference < 0) low = middle + 1;
      else high = middle;
    }
    return { index: low, isFound: false };
  }
}

function entryOf(row: Row): StoredEntry {
  return { key: row.key, value: row.value.slice(), versionstamp: row.versionstamp };
}
