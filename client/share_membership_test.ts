import assert from "node:assert/strict";
import { shareGroupHeartbeat } from "../protocol/messages/76_share_group_heartbeat.ts";
import { realEnv } from "../env/real.ts";
import { Cluster } from "./cluster.ts";
import { ShareMembership } from "./share_membership.ts";
import { CLOSE, FakeBroker } from "./testkit.ts";

const TOPIC_ID = "3f0e8d4a-1b2c-4d5e-8f90-a1b2c3d4e5f6";

Deno.test("a member whose heartbeat's answer was lost says all of itself again, and hears its assignment", async () => {
  const broker = new FakeBroker({ t: 2 });
  broker.coordinates();
  const told: (readonly string[] | null)[] = [];
  broker.on(shareGroupHeartbeat, ({ subscribedTopicNames }) => {
    told.push(subscribedTopicNames);
    // The second answer would have told of another partition; the group counts it as told.
    if (told.length === 2) return CLOSE;
    const partitions = [told.length === 1 ? 0 : 1];
    return {
      errorCode: 0,
      errorMessage: null,
      memberEpoch: told.length,
      heartbeatIntervalMs: 1,
      assignment: subscribedTopicNames === null
        ? null
        : { topicPartitions: [{ topicId: TOPIC_ID, partitions }] },
    };
  });
  const cluster = new Cluster(broker.env(realEnv()), {
    bootstrapServers: "memory:1",
    retryBackoffMs: 1,
    retryBackoffMaxMs: 2,
  });
  const membership = new ShareMembership(cluster, { groupId: "g", onChange: () => {} });
  membership.start(["t"]);
  while (told.length < 5) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.deepEqual(told.slice(0, 5), [["t"], null, ["t"], null, null]);
  assert.deepEqual(membership.assignment, [{ topicId: TOPIC_ID, partitions: [1] }]);
  await membership.leave();
  cluster.close();
});
