/** Bad input of groups over the wire: Kafka's code for each case, while a member of the same group goes on undisturbed. */
import assert from "node:assert/strict";
import { Connection } from "../client/connection.ts";
import { Admin, realEnv } from "../client/mod.ts";
import { ZERO_UUID } from "../lib/bytes.ts";
import { type ErrorName, errorName } from "../protocol/errors.ts";
import { offsetCommit } from "../protocol/messages/08_offset_commit.ts";
import { offsetFetch } from "../protocol/messages/09_offset_fetch.ts";
import { findCoordinator } from "../protocol/messages/10_find_coordinator.ts";
import { joinGroup } from "../protocol/messages/11_join_group.ts";
import { heartbeat } from "../protocol/messages/12_heartbeat.ts";
import { leaveGroup } from "../protocol/messages/13_leave_group.ts";
import { syncGroup } from "../protocol/messages/14_sync_group.ts";
import { consumerGroupHeartbeat } from "../protocol/messages/68_consumer_group_heartbeat.ts";
import { encodeSubscription } from "../protocol/messages/consumer_protocol.ts";
import { serveBroker } from "./served_broker.ts";

const env = realEnv();
const HUGE = "g".repeat(2 * 1024 * 1024);

/** A connection that asks as a client would, and gives the names of errors. */
class Asker {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  static async open(port: number): Promise<Asker> {
    return new Asker(
      await Connection.open(env, {
        hostname: "127.0.0.1",
        port,
        clientId: "bad",
        requestTimeoutMs: 20_000,
        connectTimeoutMs: 5_000,
        frameBytesMax: 1 << 24,
      }),
    );
  }

  async join(groupId: string, memberId = "", instanceId: string | null = null) {
    const response = await this.#connection.request(joinGroup, {
      groupId,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      memberId,
      groupInstanceId: instanceId,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: encodeSubscription(1, { topics: ["t"], userData: null }) }],
    });
    return { ...response, error: errorName(response.errorCode) };
  }

  async sync(groupId: string, generationId: number, memberId: string): Promise<ErrorName> {
    const assignments = [{ memberId, assignment: new Uint8Array([1]) }];
    return errorName(
      (await this.#connection.request(syncGroup, { groupId, generationId, memberId, assignments })).errorCode,
    );
  }

  async heartbeat(
    groupId: string,
    generationId: number,
    memberId: string,
    instanceId: string | null = null,
  ): Promise<ErrorName> {
    const value = { groupId, generationId, memberId, groupInstanceId: instanceId };
    return errorName((await this.#connection.request(heartbeat, value)).errorCode);
  }

  async leave(groupId: string, memberId: string): Promise<ErrorName[]> {
    const response = await this.#connection.request(leaveGroup, {
      groupId,
      memberId,
      members: [{ memberId }],
    });
    return [response, ...response.members].map(({ errorCode }) => errorName(errorCode));
  }

  async commit(given: {
    readonly groupId?: string;
    readonly generation?: number;
    readonly memberId?: string;
    readonly instanceId?: string;
    /** By id in place of the name. */
    readonly topicId?: string;
    readonly topic?: string;
    readonly partition?: number;
    readonly metadata?: string;
  }): Promise<ErrorName> {
    const response = await this.#connection.request(offsetCommit, {
      groupId: given.groupId ?? "g",
      generationIdOrMemberEpoch: given.generation ?? -1,
      memberId: given.memberId ?? "",
      groupInstanceId: given.instanceId ?? null,
      topics: [{
        name: given.topic ?? "t",
        topicId: given.topicId ?? ZERO_UUID,
        partitions: [{
          partitionIndex: given.partition ?? 0,
          committedOffset: 1,
          committedMetadata: given.metadata ?? "",
        }],
      }],
    }, { versionMax: given.topicId === undefined ? 9 : 10 });
    return errorName(response.topics[0]?.partitions[0]?.errorCode ?? -1);
  }

  async committed(groupId: string, topic: string): Promise<number | undefined> {
    const topics = [{ name: topic, partitionIndexes: [0] }];
    const value = { groupId, topics, groups: [{ groupId, topics }], requireStable: false };
    const response = await this.#connection.request(offsetFetch, value, { versionMax: 9 });
    return response.groups[0]?.topics[0]?.partitions[0]?.committedOffset;
  }

  async findCoordinator(groupId: string): Promise<ErrorName> {
    const value = { key: groupId, keyType: 0, coordinatorKeys: [groupId] };
    const response = await this.#connection.request(findCoordinator, value);
    return errorName((response.coordinators[0] ?? response).errorCode);
  }

  async modern(groupId: string, memberEpoch: number, memberId: string) {
    const response = await this.#connection.request(consumerGroupHeartbeat, {
      groupId,
      memberId,
      memberEpoch,
      rebalanceTimeoutMs: memberEpoch === 0 ? 10_000 : -1,
      subscribedTopicNames: memberEpoch === 0 ? ["t"] : null,
      topicPartitions: memberEpoch === 0 ? [] : null,
    });
    return { ...response, error: errorName(response.errorCode) };
  }

  close(): void {
    this.#connection.close();
  }
}

Deno.test("bad input of a classic group has Kafka's code, and its member stays", async () => {
  await using served = await serveBroker();
  using admin = new Admin(env, { bootstrapServers: served.bootstrapServers });
  await admin.createTopic({ name: "t" });
  const good = await Asker.open(served.port);
  const bad = await Asker.open(served.port);
  const { memberId } = await good.join("g");
  const { error, generationId } = await good.join("g", memberId);
  assert.equal(error, "NONE");
  assert.equal(await good.sync("g", generationId, memberId), "NONE");

  for (const [id, name] of [["", "empty"], [HUGE, "2 MB"]] as const) {
    assert.equal((await bad.join(id)).error, "INVALID_GROUP_ID", `JoinGroup, ${name}`);
    assert.equal(await bad.sync(id, 1, "m"), "INVALID_GROUP_ID", `SyncGroup, ${name}`);
    assert.equal(await bad.heartbeat(id, 1, "m"), "INVALID_GROUP_ID", `Heartbeat, ${name}`);
    assert.equal((await bad.leave(id, "m"))[0], "INVALID_GROUP_ID", `LeaveGroup, ${name}`);
  }
  // Kafka keeps offsets of the empty group, and so do its oldest clients.
  assert.equal(await bad.commit({ groupId: "" }), "NONE");
  assert.equal(await bad.commit({ groupId: HUGE }), "INVALID_GROUP_ID");
  assert.ok(["NONE", "INVALID_GROUP_ID"].includes(await bad.findCoordinator(HUGE)));

  const mine = { memberId, generation: generationId };
  const cases: [ErrorName, Parameters<Asker["commit"]>[0]][] = [
    ["OFFSET_METADATA_TOO_LARGE", { ...mine, metadata: "m".repeat(4097) }],
    ["OFFSET_METADATA_TOO_LARGE", { ...mine, metadata: HUGE }],
    ["ILLEGAL_GENERATION", { memberId, generation: generationId - 1 }],
    ["ILLEGAL_GENERATION", { memberId, generation: generationId + 1 }],
    ["UNKNOWN_MEMBER_ID", { memberId: "nobody", generation: generationId }],
    // A commit without a membership, while there are members.
    ["UNKNOWN_MEMBER_ID", {}],
    ["UNKNOWN_TOPIC_OR_PARTITION", { ...mine, topic: "nope" }],
    ["UNKNOWN_TOPIC_OR_PARTITION", { ...mine, partition: 7 }],
    ["UNKNOWN_TOPIC_ID", { ...mine, topicId: env.uuid() }],
  ];
  for (const [expected, value] of cases) {
    assert.equal(await bad.commit(value), expected, JSON.stringify(value).slice(0, 120));
  }
  assert.equal(await bad.heartbeat("g", generationId, "nobody"), "UNKNOWN_MEMBER_ID");
  assert.equal(await bad.heartbeat("g", generationId - 1, memberId), "ILLEGAL_GENERATION");
  assert.equal(await bad.sync("g", generationId, "nobody"), "UNKNOWN_MEMBER_ID");
  assert.deepEqual(await bad.leave("g", "nobody"), ["NONE", "UNKNOWN_MEMBER_ID"]);

  assert.equal(await good.heartbeat("g", generationId, memberId), "NONE", "the member is where it was");
  assert.equal(await good.committed("g", "t"), -1, "nothing of it was kept");
  assert.equal(await good.commit(mine), "NONE");
  assert.equal(await good.committed("g", "t"), 1);
  good.close();
  bad.close();
});

Deno.test("a static member that was replaced is fenced, and the new one stays", async () => {
  await using served = await serveBroker();
  using admin = new Admin(env, { bootstrapServers: served.bootstrapServers });
  await admin.createTopic({ name: "t" });
  const asker = await Asker.open(served.port);
  const old = await asker.join("g", "", "i");
  assert.equal(old.error, "NONE");
  assert.equal(await asker.sync("g", old.generationId, old.memberId), "NONE");
  const now = await asker.join("g", "", "i");
  assert.equal(now.error, "NONE");
  assert.notEqual(now.memberId, old.memberId);
  assert.equal(await asker.heartbeat("g", old.generationId, old.memberId, "i"), "FENCED_INSTANCE_ID");
  const value = { memberId: old.memberId, instanceId: "i", generation: old.generationId };
  assert.equal(await asker.commit(value), "FENCED_INSTANCE_ID");
  assert.equal((await asker.join("g", old.memberId, "i")).error, "FENCED_INSTANCE_ID");
  assert.equal(await asker.heartbeat("g", now.generationId, now.memberId, "i"), "NONE");
  asker.close();
});

Deno.test("bad input of a group of the consumer protocol has Kafka's code, and its member stays", async () => {
  await using served = await serveBroker();
  using admin = new Admin(env, { bootstrapServers: served.bootstrapServers });
  await admin.createTopic({ name: "t" });
  const asker = await Asker.open(served.port);
  const memberId = env.uuid();
  const joined = await asker.modern("g", 0, memberId);
  assert.equal(joined.error, "NONE");
  const { memberEpoch } = joined;
  assert.equal((await asker.modern("", 0, env.uuid())).error, "INVALID_REQUEST");
  assert.ok(
    ["INVALID_GROUP_ID", "INVALID_REQUEST"].includes((await asker.modern(HUGE, 0, env.uuid())).error),
  );
  assert.equal((await asker.modern("g", memberEpoch, "nobody")).error, "UNKNOWN_MEMBER_ID");
  assert.equal((await asker.modern("g", memberEpoch + 5, memberId)).error, "FENCED_MEMBER_EPOCH");
  assert.equal(await asker.commit({ memberId, generation: memberEpoch + 1 }), "STALE_MEMBER_EPOCH");
  assert.equal(await asker.commit({ memberId: "nobody", generation: memberEpoch }), "UNKNOWN_MEMBER_ID");
  assert.equal((await asker.modern("g", memberEpoch, memberId)).error, "NONE");
  assert.equal(await asker.commit({ memberId, generation: memberEpoch }), "NONE");
  asker.close();
});

Deno.test("offsets of a topic that was made anew begin anew", async () => {
  await using served = await serveBroker();
  using admin = new Admin(env, { bootstrapServers: served.bootstrapServers });
  await admin.createTopic({ name: "t" });
  const [before] = await admin.describeTopics(["t"]);
  const asker = await Asker.open(served.port);
  const oldId = before?.topicId ?? "";
  assert.equal(await asker.commit({ topicId: oldId }), "NONE");
  assert.equal(await asker.committed("g", "t"), 1);
  await admin.deleteTopic("t");
  assert.equal(await asker.commit({}), "UNKNOWN_TOPIC_OR_PARTITION", "while it is not there");
  await admin.createTopic({ name: "t" });
  assert.equal(await asker.committed("g", "t"), -1, "the offset was the old topic's");
  assert.equal(await asker.commit({ topicId: oldId }), "UNKNOWN_TOPIC_ID", "of the old topic");
  assert.equal(await asker.committed("g", "t"), -1);
  assert.equal(await asker.commit({}), "NONE");
  assert.equal(await asker.committed("g", "t"), 1);
  asker.close();
});
