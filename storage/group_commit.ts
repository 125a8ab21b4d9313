/**
 * Group commit: commits of different shards that wait while others are in flight go to the store as one.
 *
 * A store makes one fsync per commit, whatever is in it, so this is where throughput over many partitions comes
 * from. Each request brings the check of its own head; the broker fence is checked once for all. Nothing is timed:
 * a group is what came meanwhile. After a refusal or an unknown outcome every member is told so, finds out for
 * itself what became of its commit, and comes back `alone`, so that one fenced shard cannot hold up the others.
 */
import { addSizes, type CommitSize, emptyCommitSize, fits, sizeOfChecks } from "./commit_size.ts";
import { mutant } from "../lib/mutants.ts";
import type { Check, Mutation, Storage } from "./storage.ts";
import type { WriteHealth } from "./write_health.ts";

export type CommitOutcome =
  | { readonly kind: "committed"; readonly versionstamp: string }
  /** Answered `ok: false`: on a remote store not even that is certain. */
  | { readonly kind: "refused" }
  | { readonly kind: "unknown"; readonly cause: unknown };

export interface CommitRequest {
  readonly checks: readonly Check[];
  readonly mutations: readonly Mutation[];
  /** Of the checks and the mutations. */
  readonly size: CommitSize;
  /** True: not to be put in a group. */
  readonly isAlone: boolean;
  /** Called once, synchronously when the answer is there; must not throw. */
  readonly onOutcome: (outcome: CommitOutcome) => void;
}

/** Two overlap the next group's encoding with the fsync of the last; measured on an embedded store: 16 % more small commits, the same MB/s. */
const GROUPS_IN_FLIGHT_MAX = 2;
/** Waiting bytes that go at once beside a commit in flight: little enough that a commit of its own costs no throughput. */
const LITTLE_BYTES = 64 * 1_024;

export class GroupCommitter {
  readonly #storage: Storage;
  readonly #fence: Check;
  readonly #fenceSize: CommitSize;
  readonly #health: WriteHealth;
  #queue: CommitRequest[] = [];
  #inFlight = 0;
  #isScheduled = false;

  /** `fence` is checked by every commit. */
  constructor(storage: Storage, fence: Check, health: WriteHealth) {
    this.#storage = storage;
    this.#health = health;
    this.#fence = fence;
    this.#fenceSize = sizeOfChecks([fence]);
  }

  submit(request: CommitRequest): void {
    this.#queue.push(request);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // One microtask later, so that shards that were released together go together again.
    void Promise.resolve().then(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  /** Bytes, keys and checks that a request's commit has beside the request itself. */
  get overhead(): CommitSize {
    return this.#fenceSize;
  }

  #send(): void {
    while (this.#queue.length > 0 && this.#mayGo()) {
      this.#inFlight++;
      void this.#commit(this.#takeGroup());
    }
  }

  /** Beside a commit in flight goes little, or much: what is between waits and becomes a larger group. */
  #mayGo(): boolean {
    if (this.#inFlight === 0) return true;
    if (this.#inFlight >= GROUPS_IN_FLIGHT_MAX) return false;
    let bytes = 0;
    for (const request of this.#queue) bytes += request.size.bytes;
    return bytes <= LITTLE_BYTES || bytes >= this.#storage.limits.commitBytesMax / 2;
  }

  /** The oldest request and whatever else fits beside it. */
  #takeGroup(): CommitRequest[] {
    const group: CommitRequest[] = [];
    const rest: CommitRequest[] = [];
    let size = addSizes(emptyCommitSize, this.#fenceSize);
    for (const request of this.#queue) {
      const isFirst = group.length === 0;
      const isOpen = isFirst || (!request.isAlone && group[0]?.isAlone === false);
      const sum = addSizes(size, request.size);
      if (isFirst || (isOpen && fits(sum, this.#storage.limits))) {
        group.push(request);
        size = sum;
      } else {
        rest.push(request);
      }
    }
    this.#queue = rest;
    return group;
  }

  async #commit(group: readonly CommitRequest[]): Promise<void> {
    let outcome: CommitOutcome;
    try {
      const result = await this.#storage.commit({
        checks: [
          ...(mutant("no-fence-check") ? [] : [this.#fence]),
          ...group.flatMap((request) => request.checks),
        ],
        mutations: group.length === 1
          ? group[0]?.mutations ?? []
          : group.flatMap((request) => request.mutations),
      });
      outcome = result.ok ? { kind: "committed", versionstamp: result.versionstamp } : { kind: "refused" };
      if (result.ok) this.#health.succeeded("store");
      if (mutant("refused-is-success")) outcome = { versionstamp: "", ...result, kind: "committed" };
    } catch (cause) {
      outcome = { kind: "unknown", cause };
      // Its own fault, not the store's.
      if (!(cause instanceof RangeError)) this.#health.failed("store", cause);
      if (mutant("unknown-is-success")) outcome = { kind: "committed", versionstamp: "" };
    }
    this.#inFlight--;
    for (const request of group) request.onOutcome(outcome);
    if (!this.#isScheduled && this.#queue.length > 0) this.#send();
  }
}
