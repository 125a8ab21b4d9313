/**
 * All share groups of this broker together: the list that people see, the waking of groups with members after a restart, and
 * the forgetting of topics that were deleted.
 */
import type { MetadataImage } from "../core/cluster/metadata_image.ts";
import type { Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import type { GroupShards } from "../storage/group_store.ts";
import { listShareGroups, listSharePartitions } from "../storage/share_store.ts";
import type { GroupListing } from "./group_directory.ts";
import { SHARE_GROUP_KIND } from "./kinds.ts";
import type { ShareGroupMessage } from "./messages/share_group.ts";
import type { SharePartitionMessage } from "./messages/share_partition.ts";
import { oneByOne } from "./one_by_one.ts";
import type { ActorRef, ActorSnapshot } from "./runtime/types.ts";

/** Topics are often deleted several at a time. */
const SWEEP_AFTER_DELETION_MS = 1_000;

export interface ShareGroupDirectoryOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly groupShards: GroupShards;
  readonly metadata: () => MetadataImage;
  readonly shareGroup: (groupId: string) => ActorRef<ShareGroupMessage>;
  readonly sharePartition: (
    groupId: string,
    topicId: string,
    partition: number,
  ) => ActorRef<SharePartitionMessage>;
  readonly inspect: () => ActorSnapshot[];
}

export class ShareGroupDirectory {
  readonly #options: ShareGroupDirectoryOptions;
  readonly #stopped = new AbortController();
  #sweepIsDue = false;

  constructor(options: ShareGroupDirectoryOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#wake();
    this.topicsDeleted();
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** Every share group there is, in no order. Throws what storage throws. */
  async list(): Promise<GroupListing[]> {
    const states = new Map<string, string>();
    for (const { groupId, memberCount } of await listShareGroups(this.#options.groupShards)) {
      states.set(groupId, memberCount > 0 ? "Stable" : "Empty");
    }
    // Live ones know better, also if they ceased to exist.
    for (const { kind, key, status, details } of this.#options.inspect()) {
      if (kind === SHARE_GROUP_KIND && status === "running") states.set(key, String(details["state"]));
    }
    return [...states]
      .filter(([, state]) => state !== "Dead")
      .map(([groupId, state]) => ({ groupId, groupType: "share", protocolType: "share", state }));
  }

  /** To be called when topics are gone: how far groups had got in them is forgotten soon. */
  topicsDeleted(): void {
    if (this.#sweepIsDue) return;
    this.#sweepIsDue = true;
    void this.#sweepSoon();
  }

  async #sweepSoon(): Promise<void> {
    const { env, log } = this.#options;
    try {
      await env.sleep(SWEEP_AFTER_DELETION_MS, this.#stopped.signal);
      this.#sweepIsDue = false;
      await this.#sweep();
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      // The next deletion or start looks again.
      log.warn("Cannot forget deleted topics in share groups", { error: String(error) });
    }
  }

  async #sweep(): Promise<void> {
    const { groupShards, metadata, sharePartition } = this.#options;
    const groups = await listShareGroups(groupShards);
    await this.#forEach("Cannot forget deleted topics in some share groups", groups, async (groupId) => {
      for (const { topicId, partition } of await listSharePartitions(groupShards, groupId)) {
        if (metadata().topicsById.has(topicId)) continue;
        await sharePartition(groupId, topicId, partition).ask({ type: "remove" });
      }
    });
  }

  async #forEach(
    failure: string,
    groups: readonly { readonly groupId: string }[],
    act: (groupId: string) => Promise<unknown>,
  ): Promise<void> {
    const { signal } = this.#stopped;
    const { log } = this.#options;
    await oneByOne(groups, ({ groupId }) => groupId, ({ groupId }) => act(groupId), { signal, log, failure });
  }

  async #wake(): Promise<void> {
    const { groupShards, shareGroup, log } = this.#options;
    try {
      const asleep = (await listShareGroups(groupShards)).filter(({ memberCount }) => memberCount > 0);
      await this.#forEach(
        "Cannot wake some share groups",
        asleep,
        (groupId) => shareGroup(groupId).ask({ type: "describe" }),
      );
    } catch (error) {
      // They are woken by their first request all the same.
      log.warn("Cannot wake the share groups", { error: String(error) });
    }
  }
}
