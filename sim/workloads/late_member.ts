/**
 * A client that commits offsets under memberships of generations that are over, as a member would whose process stood still.
 * Every such commit must be refused; the history says when one was not.
 */
import { type CommittedOffset } from "../../client/mod.ts";
import { Cluster } from "../../client/cluster.ts";
import { offsetCommit } from "../../protocol/messages/08_offset_commit.ts";
import type { WorkloadContext } from "./workload.ts";

/** What a member had when it committed. */
export interface PastMembership {
  readonly memberId: string;
  readonly generationId: number;
  readonly offsets: readonly CommittedOffset[];
}

/** The last version with topics by name. */
const VERSION_MAX = 9;
const PAUSE_MS_MAX = 4_000;

/** Goes on until `isOver`. `past` grows meanwhile: memberships under which a commit has succeeded. */
export async function commitLate(
  context: WorkloadContext,
  group: string,
  past: readonly PastMembership[],
  isOver: () => boolean,
): Promise<void> {
  const { env, history } = context;
  const rng = context.rng.split("late member");
  const process = context.openProcess("late-member", { mayDie: false });
  const cluster = new Cluster(process.env, { bootstrapServers: context.bootstrapServers });
  while (!isOver()) {
    await env.sleep(rng.logBetween(50, PAUSE_MS_MAX));
    const newest = Math.max(-1, ...past.map(({ generationId }) => generationId));
    const over = past.filter(({ generationId }) => generationId < newest);
    if (over.length === 0) continue;
    const { memberId, generationId, offsets } = rng.pick(over);
    const end = history.begin(process.name);
    const isTaken = await commit(cluster, { group, memberId, generationId, offsets }).catch(() => null);
    const named = Object.fromEntries(
      offsets.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]),
    );
    const type = isTaken === null ? "info" : isTaken ? "ok" : "fail";
    end(type, { kind: "commit", group, generation: generationId, offsets: named });
  }
  cluster.close();
}

async function commit(
  cluster: Cluster,
  { group, memberId, generationId, offsets }: PastMembership & { readonly group: string },
): Promise<boolean> {
  const connection = await cluster.anyConnection();
  const response = await connection.request(offsetCommit, {
    groupId: group,
    generationIdOrMemberEpoch: generationId,
    memberId,
    groupInstanceId: null,
    topics: [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, own]) => ({
      name,
      partitions: own.map(({ partition, offset }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedMetadata: "",
      })),
    })),
  }, { versionMax: VERSION_MAX });
  return response.topics.every((topic) => topic.partitions.every(({ errorCode }) => errorCode === 0));
}
