/**
 * What became of a commit whose answer is missing or not to be trusted, judged from a strong read of the shard's head and
 * the broker fence. Pure; the loop around it is in `shard.ts`.
 */
import { type CommitToken, decodeShardHead, isSameWriter } from "./keys/shard_head.ts";
import type { StoredEntry } from "./storage.ts";

export type Verdict =
  | { readonly kind: "committed"; readonly versionstamp: string; readonly isFenced: boolean }
  /** Not there, but it still could be: send the same bytes again. */
  | { readonly kind: "open" }
  /** Another writer owns the shard. `outcome` of the commit: in doubt when that writer has been replaced, too. */
  | { readonly kind: "fenced"; readonly outcome: "committed" | "notCommitted" | "inDoubt" }
  | { readonly kind: "impossible" };

export interface CommitInDoubt {
  readonly token: CommitToken;
  /** Of the head that the commit checks. */
  readonly headVersionstamp: string | null;
  readonly fenceVersionstamp: string;
  /** The commit deletes the head. */
  readonly isRemoval: boolean;
}

export function judge(commit: CommitInDoubt, head: StoredEntry | null, fence: StoredEntry | null): Verdict {
  const isFenced = fence?.versionstamp !== commit.fenceVersionstamp;
  if ((head?.versionstamp ?? null) === commit.headVersionstamp) {
    return isFenced ? { kind: "fenced", outcome: "notCommitted" } : { kind: "open" };
  }
  if (head === null) {
    // Only a removal makes a head disappear, and only after fencing if it was another's.
    if (commit.isRemoval) return { kind: "committed", versionstamp: "", isFenced };
    return { kind: "fenced", outcome: "inDoubt" };
  }
  const { token, fencedToken } = decodeShardHead(head.value);
  if (isSameWriter(token, commit.token)) {
    if (token.n === commit.token.n) return { kind: "committed", versionstamp: head.versionstamp, isFenced };
    return { kind: "impossible" };
  }
  if (!isSameWriter(fencedToken, commit.token)) return { kind: "fenced", outcome: "inDoubt" };
  const isCommitted = fencedToken.n >= commit.token.n && !commit.isRemoval;
  return { kind: "fenced", outcome: isCommitted ? "committed" : "notCommitted" };
}
