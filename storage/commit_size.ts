/**
 * What a commit weighs against a store's limits, counted as Deno KV counts (measured on Deno 2.9.6 by search for the
 * exact edges): a `set` weighs its value and twice its key, a `delete` and a check their key once, and all keys
 * together have a limit of their own. Callers size their commits with this before they stage them. Pure.
 */
import { keyBytes } from "./key_order.ts";
import type { Check, Commit, Mutation, StorageLimits } from "./storage.ts";

export interface CommitSize {
  readonly bytes: number;
  readonly keyBytes: number;
  readonly mutations: number;
  readonly checks: number;
}

export const emptyCommitSize: CommitSize = { bytes: 0, keyBytes: 0, mutations: 0, checks: 0 };

export function addSizes(a: CommitSize, b: CommitSize): CommitSize {
  return {
    bytes: a.bytes + b.bytes,
    keyBytes: a.keyBytes + b.keyBytes,
    mutations: a.mutations + b.mutations,
    checks: a.checks + b.checks,
  };
}

export function sizeOfMutations(mutations: readonly Mutation[]): CommitSize {
  let bytes = 0;
  let keys = 0;
  for (const mutation of mutations) {
    const size = keyBytes(mutation.key);
    keys += size;
    bytes += mutation.type === "set" ? 2 * size + mutation.value.length : size;
  }
  return { bytes, keyBytes: keys, mutations: mutations.length, checks: 0 };
}

export function sizeOfChecks(checks: readonly Check[]): CommitSize {
  let keys = 0;
  for (const check of checks) keys += keyBytes(check.key);
  return { bytes: keys, keyBytes: keys, mutations: 0, checks: checks.length };
}

export function fits(size: CommitSize, limits: StorageLimits): boolean {
  return size.bytes <= limits.commitBytesMax && size.keyBytes <= limits.commitKeyBytesMax &&
    size.mutations <= limits.mutationsMax && size.checks <= limits.checksMax;
}

/** Throws `RangeError` when a single key or value is too large for the store. */
export function checkMutations(mutations: readonly Mutation[], limits: StorageLimits): void {
  for (const mutation of mutations) {
    const size = keyBytes(mutation.key);
    if (size > limits.keyBytesMax) {
      throw new RangeError(`Cannot commit key of ${size} bytes: the store takes ${limits.keyBytesMax}`);
    }
    if (mutation.type === "set" && mutation.value.length > limits.valueBytesMax) {
      throw new RangeError(
        `Cannot commit value of ${mutation.value.length} bytes: the store takes ${limits.valueBytesMax}`,
      );
    }
  }
}

/** Throws `RangeError` when the store would refuse the commit; nothing was sent then. */
export function checkLimits(commit: Commit, limits: StorageLimits): void {
  checkMutations(commit.mutations, limits);
  const size = addSizes(sizeOfMutations(commit.mutations), sizeOfChecks(commit.checks));
  if (!fits(size, limits)) {
    throw new RangeError(
      `Cannot commit ${size.mutations} mutations, ${size.checks} checks, ${size.bytes} bytes, ` +
        `${size.keyBytes} of them keys: the store takes ${limits.mutationsMax}, ${limits.checksMax}, ` +
        `${limits.commitBytesMax}, ${limits.commitKeyBytesMax}`,
    );
  }
}
