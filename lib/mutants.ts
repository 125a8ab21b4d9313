/**
 * Mutants: one-line faults that tests switch on to see whether they would be found. In production none is ever on, and
 * `mutant()` is one comparison. What each breaks, and in how many seeds the simulator must find it, says
 * `sim/mutants.ts`.
 */

export type MutantName =
  | "no-fence-check"
  | "no-head-check"
  | "fence-after-read"
  | "refused-is-success"
  | "unknown-is-success"
  | "producer-state-apart"
  | "index-before-chunks"
  | "no-sweep"
  | "no-topic-check"
  | "reply-before-commit"
  | "any-sequence"
  | "commit-any-generation"
  | "commit-before-sync"
  | "position-again"
  | "short-write-is-whole"
  | "no-directory-sync"
  | "no-file-sweep"
  | "unlink-first"
  | "trim-too-far"
  | "markers-forgotten"
  | "markers-first"
  | "offsets-left-out"
  | "aborted-unlisted"
  | "no-tombstone"
  | "acknowledge-in-memory"
  | "seals-unchecked"
  | "damage-served"
  | "damage-skipped"
  | "aborted-supersedes"
  | "tombstones-at-once"
  | "emptied-marker-told"
  | "handed-over-early"
  | "revocation-unawaited"
  | "epoch-unstored"
  | "fence-unwatched"
  | "any-store";

let active: MutantName | null = null;

/** Whether the fault is on. */
export function mutant(name: MutantName): boolean {
  return active === name;
}

/** For tests alone. */
export function setMutant(name: MutantName | null): void {
  active = name;
}
