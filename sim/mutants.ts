/**
 * The mutants and what is asked of the simulator: each must be found by its workload within so many seeds, counted from
 * `firstSeed`, which is near one that finds it, so that the tests are quick. Adding one is a line here, a name in
 * `lib/mutants.ts`, and the one-line fault itself.
 */
import type { MutantName } from "../lib/mutants.ts";

export interface MutantCase {
  readonly name: MutantName;
  /** What it breaks, by the names of the project's rules. */
  readonly about: string;
  readonly workload: string;
  readonly firstSeed: number;
  readonly seedCountMax: number;
  /** Takes minutes: left to `deno task sim --mutant NAME`. */
  readonly isSlow: boolean;
}

export const mutantCases: readonly MutantCase[] = [
  {
    name: "no-fence-check",
    about: "commits do not check the broker fence (W1, W4)",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 20,
    isSlow: false,
  },
  {
    name: "no-head-check",
    about: "commits do not check the head they overwrite (W1)",
    workload: "produce-consume",
    firstSeed: 8,
    seedCountMax: 60,
    isSlow: false,
  },
  {
    name: "fence-after-read",
    about: "opening a shard fences what it read before (W4)",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 60,
    isSlow: false,
  },
  {
    name: "refused-is-success",
    about: "a refused commit counts as done",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 10,
    isSlow: false,
  },
  {
    name: "unknown-is-success",
    about: "a commit without an answer counts as done (W2)",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 10,
    isSlow: false,
  },
  {
    name: "producer-state-apart",
    about: "producer state is committed apart from the batch",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 20,
    isSlow: false,
  },
  {
    name: "index-before-chunks",
    about: "a large batch is indexed before its pieces are written",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 20,
    isSlow: false,
  },
  {
    name: "no-sweep",
    about: "opening a log leaves unfinished large batches behind",
    workload: "produce-consume",
    firstSeed: 13,
    seedCountMax: 80,
    isSlow: false,
  },
  {
    name: "reply-before-commit",
    about: "the output gate is open: answers leave before the commit",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 10,
    isSlow: false,
  },
  {
    name: "any-sequence",
    about: "no batch is ever a duplicate",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 15,
    isSlow: false,
  },
  {
    name: "commit-any-generation",
    about: "offset commits of old generations are taken",
    workload: "group-churn",
    firstSeed: 1,
    seedCountMax: 20,
    isSlow: false,
  },
  {
    name: "no-topic-check",
    about: "late commits of a deleted topic leave rows behind",
    workload: "topic-churn",
    firstSeed: 1,
    seedCountMax: 100,
    isSlow: false,
  },
  {
    name: "commit-before-sync",
    about: "a commit names bytes before fdatasync",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 20,
    isSlow: false,
  },
  {
    name: "position-again",
    about: "a position of a segment file is used again",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 20,
    isSlow: false,
  },
  {
    name: "short-write-is-whole",
    about: "a short write counts as a whole one",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 60,
    isSlow: false,
  },
  {
    name: "no-directory-sync",
    about: "a commit names a file whose name is not on the disk",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 20,
    isSlow: false,
  },
  {
    name: "no-file-sweep",
    about: "opening a log leaves the files of older writers behind",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 60,
    isSlow: false,
  },
  {
    name: "unlink-first",
    about: "a segment file goes before the index entries that name it",
    workload: "retention",
    firstSeed: 1,
    seedCountMax: 60,
    isSlow: false,
  },
  {
    name: "trim-too-far",
    about: "deletion below the log start takes the batch that contains it",
    workload: "retention",
    firstSeed: 1,
    seedCountMax: 60,
    isSlow: false,
  },
  {
    name: "markers-forgotten",
    about: "a coordinator that comes back leaves the markers of its decision unwritten",
    workload: "copy-job",
    firstSeed: 1,
    seedCountMax: 60,
    isSlow: false,
  },
  {
    name: "markers-first",
    about: "markers are written before the decision is stored",
    workload: "copy-job",
    firstSeed: 100,
    seedCountMax: 60,
    isSlow: false,
  },
  {
    name: "offsets-left-out",
    about: "a transaction's end does not reach its groups",
    workload: "copy-job",
    firstSeed: 1,
    seedCountMax: 60,
    isSlow: false,
  },
  {
    name: "aborted-unlisted",
    about: "an aborted transaction is not in the index",
    workload: "copy-job",
    firstSeed: 1,
    seedCountMax: 60,
    isSlow: false,
  },
  {
    name: "no-tombstone",
    about: "a partition's rows are deleted while its head is live",
    workload: "topic-churn",
    firstSeed: 1,
    seedCountMax: 20,
    isSlow: false,
  },
  {
    name: "acknowledge-in-memory",
    about: "acknowledgements of a share group are answered and not stored",
    workload: "queue-work",
    firstSeed: 1,
    seedCountMax: 40,
    isSlow: false,
  },
  {
    name: "seals-unchecked",
    about: "heads, entries and records are taken for whole without a look at their seals",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 60,
    isSlow: false,
  },
  {
    name: "damage-served",
    about: "a batch whose bytes are not those that were written is served",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 60,
    isSlow: false,
  },
  {
    name: "damage-skipped",
    about: "a fetch leaves out a damaged batch and goes on behind it",
    workload: "produce-consume",
    firstSeed: 1,
    seedCountMax: 60,
    isSlow: false,
  },
];
