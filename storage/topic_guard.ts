/**
 * The guard of a partition's shard: its topic's row in the metadata. While that is ACTIVE or RESTORING the partition may have a head and
 * pieces of batches; from the commit that makes it DELETING on, nothing can make one, however late it comes.
 */
import { decodeTopic, topicKey } from "./keys/topic.ts";
import type { ShardGuard } from "./shard.ts";

export function topicGuard(topicId: string): ShardGuard {
  return {
    key: topicKey(topicId),
    isOpen: (row) => row !== null && ["ACTIVE", "RESTORING"].includes(decodeTopic(row.value).state),
  };
}
