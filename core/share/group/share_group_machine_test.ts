/** The coordinator of a share group by example: joining, moving on, leaving, expiring, restarting. */
import assert from "node:assert/strict";
import { emptyMetadataImage, type TopicImage } from "../../cluster/metadata_image.ts";
import type { GroupTopics } from "../../group/group_turn.ts";
import { type ShareGroupConfig, shareGroupConfigDefaults } from "../share_config.ts";
import {
  decideEnsureGroup,
  decideShareHeartbeat,
  emptyGroupFault,
  expireShareMembers,
  nextShareDeadline,
  ShareGroupTurn,
  type ShareHeartbeatRequest,
} from "./share_group_machine.ts";
import {
  newShareGroup,
  restoreShareGroup,
  shareGroupPhase,
  type ShareGroupState,
} from "./share_group_state.ts";

const partition = { leader: 1, leaderEpoch: 0, replicas: [1], isr: [1] };

class Harness {
  state: ShareGroupState = newShareGroup("g");
  nowMs = 1_000;
  topics: GroupTopics = emptyMetadataImage;
  constructor(readonly config: Partial<ShareGroupConfig> = {}) {
    this.setTopics({ t: 4 });
  }

  setTopics(counts: Readonly<Record<string, number>>): void {
    const topics = Object.entries(counts).map(([name, count]): TopicImage => ({
      name,
      topicId: `id-${name}`,
      partitions: Array.from({ length: count }, () => partition),
      configs: {},
    }));
    this.topics = {
      version: this.topics.version + 1,
      topicsByName: new Map(topics.map((topic) => [topic.name, topic])),
      topicsById: new Map(topics.map((topic) => [topic.topicId, topic])),
    };
  }

  turn(): ShareGroupTurn {
    const config = { ...shareGroupConfigDefaults, ...this.config };
    return new ShareGroupTurn(this.state, config, { monoMs: this.nowMs, wallMs: 0 }, this.topics);
  }

  heartbeat(memberId: string, memberEpoch: number, more: Partial<ShareHeartbeatRequest> = {}) {
    return decideShareHeartbeat(this.turn(), {
      memberId,
      memberEpoch,
      rackId: null,
      subscribedTopicNames: memberEpoch === 0 ? ["t"] : null,
      clientId: "c",
      clientHost: "/127.0.0.1",
      ...more,
    });
  }
}

Deno.test("members join, are assigned, and move on with the group", () => {
  const group = new Harness();
  const first = group.heartbeat("a", 0);
  assert.deepEqual([first.error, first.memberEpoch], ["NONE", 1]);
  assert.deepEqual(first.assignment?.get("id-t"), [0, 1, 2, 3]);
  assert.equal(group.heartbeat("a", 1).assignment, null, "nothing has changed");
  const second = group.heartbeat("b", 0);
  assert.equal(second.memberEpoch, 2);
  assert.equal(second.assignment?.get("id-t")?.length, 2);
  const moved = group.heartbeat("a", 1);
  assert.deepEqual([moved.memberEpoch, moved.assignment?.get("id-t")?.length], [2, 2]);
  assert.equal(group.heartbeat("a", 1).error, "NONE", "the answer was lost: one epoch behind is allowed");
  assert.equal(group.heartbeat("a", 7).error, "FENCED_MEMBER_EPOCH");
  assert.equal(shareGroupPhase(group.state), "Stable");
});

Deno.test("new partitions and topics are picked up by the next heartbeat", () => {
  const group = new Harness();
  group.heartbeat("a", 0);
  group.setTopics({ t: 6 });
  assert.equal(group.heartbeat("a", 1).assignment?.get("id-t")?.length, 6);
  group.setTopics({});
  const gone = group.heartbeat("a", 2);
  assert.deepEqual([gone.memberEpoch, gone.assignment?.size], [3, 0]);
});

Deno.test("who leaves or falls silent is out, and the others get its partitions", () => {
  const group = new Harness();
  group.heartbeat("a", 0);
  group.heartbeat("b", 0);
  assert.equal(group.heartbeat("a", 1).assignment?.get("id-t")?.length, 2);
  assert.equal(group.heartbeat("b", -1).error, "NONE");
  assert.equal(group.heartbeat("a", 2).assignment?.get("id-t")?.length, 4);
  group.nowMs = nextShareDeadline(group.state);
  const turn = group.turn();
  expireShareMembers(turn);
  assert.deepEqual(turn.expired, ["a"]);
  assert.equal(shareGroupPhase(group.state), "Empty");
  assert.equal(group.heartbeat("a", 3).error, "UNKNOWN_MEMBER_ID");
});

Deno.test("a restarted group knows its members, whatever epoch they are at", () => {
  const group = new Harness();
  group.heartbeat("a", 0);
  group.heartbeat("b", 0);
  const stored = [...group.state.members.values()].map((member) => member.stored);
  group.state = restoreShareGroup("g", group.state.record, stored, { nowMs: 0, sessionTimeoutMs: 45_000 });
  const back = group.heartbeat("a", 1);
  assert.deepEqual([back.error, back.memberEpoch, back.assignment?.get("id-t")?.length], ["NONE", 2, 2]);
  assert.equal(group.heartbeat("a", 1).error, "FENCED_MEMBER_EPOCH", "it was told which epoch it is");
  assert.equal(group.heartbeat("b", 9).error, "FENCED_MEMBER_EPOCH");
});

Deno.test("requests that make no sense, full groups and groups that are not there", () => {
  const group = new Harness({ memberCountMax: 1 });
  assert.equal(group.heartbeat("a", 5).error, "GROUP_ID_NOT_FOUND");
  assert.equal(group.heartbeat("a", -1).error, "GROUP_ID_NOT_FOUND");
  assert.equal(group.heartbeat("", 0).error, "INVALID_REQUEST");
  assert.equal(group.heartbeat("a".repeat(37), 0).error, "INVALID_REQUEST");
  assert.equal(group.heartbeat("a", -2).error, "INVALID_REQUEST");
  assert.equal(group.heartbeat("a", 0, { subscribedTopicNames: null }).error, "INVALID_REQUEST");
  assert.equal(group.heartbeat("a", 0, { rackId: "" }).error, "INVALID_REQUEST");
  const names = Array.from({ length: 200 }, (_, i) => "x".repeat(240) + i);
  assert.equal(group.heartbeat("a", 0, { subscribedTopicNames: names }).error, "INVALID_REQUEST");
  assert.equal(group.state.record, null, "the group was not made");
  assert.equal(emptyGroupFault(group.turn()), "GROUP_ID_NOT_FOUND");
  decideEnsureGroup(group.turn());
  assert.equal(emptyGroupFault(group.turn()), "NONE");
  assert.equal(group.heartbeat("a", 0).error, "NONE");
  assert.equal(group.heartbeat("b", 0).error, "GROUP_MAX_SIZE_REACHED");
  assert.equal(emptyGroupFault(group.turn()), "NON_EMPTY_GROUP");
});
