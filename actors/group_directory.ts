/**
 * All groups of this broker together: the list that people see, the waking of groups with members after a restart, and
 * the background sweep that forgets offsets past their retention (KIP-211) and of topics that were deleted.
 */
import { invariant } from "../lib/invariant.ts";
import type { Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import type { GroupShards, GroupSummary } from "../storage/group_store.ts";
import { CONSUMER_GROUP_KIND } from "./consumer_group.ts";
import type { ConsumerGroupMessage } from "./messages/consumer_group.ts";
import { oneByOne } from "./one_by_one.ts";
import type { ActorRef, ActorSnapshot } from "./runtime/types.ts";

/** Between two groups of a sweep, so that requests come first. */
const SWEEP_PAUSE_MS = 2;
/** Topics are often deleted several at a time. */
const SWEEP_AFTER_DELETION_MS = 1_000;

export interface GroupListing {
  readonly groupId: string;
  readonly groupType: "classic" | "consumer" | "share";
  /** Empty for groups of consumers without group management. */
  readonly protocolType: string;
  /** Kafka's spelling: Empty, PreparingRebalance, CompletingRebalance, Stable; Assigning, Reconciling; Unknown. */
  readonly state: string;
}

export interface GroupDirectoryOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly groupShards: GroupShards;
  readonly group: (groupId: string) => ActorRef<ConsumerGroupMessage>;
  readonly inspect: () => ActorSnapshot[];
  /** `offsets.retention.minutes`, in milliseconds. */
  readonly retentionMs: number;
  /** `offsets.retention.check.interval.ms`. */
  readonly checkIntervalMs: number;
}

export class GroupDirectory {
  readonly #options: GroupDirectoryOptions;
  readonly #stopped = new AbortController();
  #topicsDeleted = false;
  #sweeping = false;

  constructor(options: GroupDirectoryOptions) {
    this.#options = options;
  }

  /** Wakes the groups that had members when the last process ended, and sweeps from then on. */
  start(): void {
    void this.#wake();
    void this.#sweepEveryInterval();
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** Every group there is, in no order. Throws what storage throws. */
  async list(): Promise<GroupListing[]> {
    const live = new Map<string, GroupListing>();
    for (const snapshot of this.#options.inspect()) {
      const listing = listingOf(snapshot);
      if (listing !== null) live.set(listing.groupId, listing);
    }
    for (const summary of await this.#options.groupShards.list()) {
      // Live ones know better, also if they ceased to exist.
      if (!live.has(summary.groupId)) live.set(summary.groupId, await this.#listingOfStored(summary));
    }
    return [...live.values()].filter(({ state }) => state !== "Dead");
  }

  /** To be called when topics are gone: their offsets are removed soon. */
  topicsDeleted(): void {
    if (this.#topicsDeleted) return;
    this.#topicsDeleted = true;
    void this.#sweepAfterDeletion();
  }

  /** Looks through all groups once. */
  async sweep(): Promise<{ readonly expiredCount: number }> {
    const { env, groupShards, group, retentionMs } = this.#options;
    const { signal } = this.#stopped;
    const beforeMs = Math.floor(env.now()) - retentionMs;
    let expiredCount = 0;
    await this.#forEach(
      "Cannot sweep the offsets of some groups",
      await groupShards.list(),
      async (groupId) => {
        const result = await group(groupId).ask({ type: "expireOffsets", beforeMs });
        expiredCount += result.expiredCount;
        await env.sleep(SWEEP_PAUSE_MS, signal);
      },
    );
    return { expiredCount };
  }

  async #listingOfStored({ groupId, groupType, protocolType, memberCount }: GroupSummary) {
    if (memberCount === 0) return { groupId, groupType, protocolType: protocolType ?? "", state: "Empty" };
    try {
      const described = await this.#options.group(groupId).ask({ type: "describe" });
      return {
        groupId,
        groupType: described.groupType,
        protocolType: described.protocolType,
        state: described.state,
      };
    } catch {
      // Whoever asks about it is told why; the others are listed all the same.
      return { groupId, groupType, protocolType: protocolType ?? "", state: "Unknown" };
    }
  }

  async #forEach(
    failure: string,
    groups: readonly GroupSummary[],
    act: (groupId: string) => Promise<unknown>,
  ): Promise<void> {
    const { signal } = this.#stopped;
    const { log } = this.#options;
    const keyOf = ({ groupId }: GroupSummary) => groupId;
    await oneByOne(groups, keyOf, ({ groupId }) => act(groupId), { signal, log, failure });
  }

  async #wake(): Promise<void> {
    const { groupShards, group, log } = this.#options;
    try {
      const asleep = (await groupShards.list()).filter(({ memberCount }) => memberCount > 0);
      await this.#forEach(
        "Cannot wake some groups",
        asleep,
        (groupId) => group(groupId).ask({ type: "describe" }),
      );
    } catch (error) {
      // They are woken by their first request all the same.
      log.warn("Cannot wake the groups", { error: String(error) });
    }
  }

  async #sweepEveryInterval(): Promise<void> {
    invariant(this.#options.checkIntervalMs > 0, "Cannot sweep without a pause");
    while (await this.#pause(this.#options.checkIntervalMs)) await this.#sweepOnce();
  }

  async #sweepAfterDeletion(): Promise<void> {
    if (!await this.#pause(SWEEP_AFTER_DELETION_MS)) return;
    this.#topicsDeleted = false;
    await this.#sweepOnce();
  }

  async #sweepOnce(): Promise<void> {
    // The one under way may be past some groups: the next interval comes.
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      const { expiredCount } = await this.sweep();
      if (expiredCount > 0) this.#options.log.info("Offsets removed", { count: expiredCount });
    } catch (error) {
      if (!this.#stopped.signal.aborted) {
        this.#options.log.warn("Cannot sweep the offsets of all groups", { error: String(error) });
      }
    } finally {
      this.#sweeping = false;
    }
  }

  /** False: stopped meanwhile. */
  async #pause(ms: number): Promise<boolean> {
    try {
      await this.#options.env.sleep(ms, this.#stopped.signal);
      return true;
    } catch {
      return false;
    }
  }
}

function listingOf({ kind, key, status, details }: ActorSnapshot): GroupListing | null {
  const { exists, state, protocolType, groupType } = details;
  if (kind !== CONSUMER_GROUP_KIND || status !== "running") return null;
  if (typeof state !== "string" || typeof protocolType !== "string") return null;
  return {
    groupId: key,
    groupType: groupType === "consumer" ? "consumer" : "classic",
    protocolType,
    state: exists === true ? state : "Dead",
  };
}
