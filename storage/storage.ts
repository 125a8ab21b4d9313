/**
 * The storage port: an ordered key-value store with atomic commits, lower than anything Kafka. Fewer than ten
 * methods; every Kafka meaning lives above it, once. Implementations: `deno_kv.ts` (production) and `memory.ts`
 * (tests without permissions); both pass `storage_suite.ts`.
 *
 * A commit that throws `UnknownOutcomeError` may or may not have been applied, now or later, and on a remote
 * store even `ok: false` may hide an applied commit. Only `shard.ts` deals with that.
 */
import type { KvKey } from "../lib/env.ts";

export type { KvKey, KvKeyPart } from "../lib/env.ts";

export interface StoredEntry {
  readonly key: KvKey;
  readonly value: Uint8Array;
  readonly versionstamp: string;
}

/** `versionstamp: null` demands that the key is absent. */
export interface Check {
  readonly key: KvKey;
  readonly versionstamp: string | null;
}

export type Mutation =
  | { readonly type: "set"; readonly key: KvKey; readonly value: Uint8Array }
  | { readonly type: "delete"; readonly key: KvKey };

export interface Commit {
  readonly checks: readonly Check[];
  readonly mutations: readonly Mutation[];
}

export type CommitResult = { readonly ok: true; readonly versionstamp: string } | { readonly ok: false };

/** What a store takes; callers never assume constants. */
export interface StorageLimits {
  readonly valueBytesMax: number;
  readonly keyBytesMax: number;
  readonly checksMax: number;
  readonly mutationsMax: number;
  /** Keys and values of one commit together. */
  readonly commitBytesMax: number;
  readonly commitKeyBytesMax: number;
  readonly getManyMax: number;
  readonly listPageMax: number;
}

export interface Storage {
  readonly limits: StorageLimits;
  /** Strongly consistent. */
  get(key: KvKey): Promise<StoredEntry | null>;
  /** One snapshot of at most `limits.getManyMax` keys. */
  getMany(keys: readonly KvKey[]): Promise<(StoredEntry | null)[]>;
  /** Up to `limit` entries with start <= key < end, in key order or reversed. Pages are not one snapshot. */
  list(
    range: { readonly start: KvKey; readonly end: KvKey },
    options: { readonly limit: number; readonly reverse?: boolean },
  ): Promise<StoredEntry[]>;
  /** Throws `RangeError` before sending when a limit is exceeded, `UnknownOutcomeError` when in doubt. */
  commit(commit: Commit): Promise<CommitResult>;
  /** Hints that one of the keys may have changed; may come late or never. Returns a stop function. */
  watch(keys: readonly KvKey[], onChange: () => void): () => void;
  close(): Promise<void>;
}
