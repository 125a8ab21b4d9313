/** Share groups through the Kafka door, on a whole broker under virtual time: the way through, and input that makes no sense. */
import assert from "node:assert/strict";
import { handlerByKey } from "../../handlers/registry.ts";
import { errorName } from "../../protocol/errors.ts";
import { listGroups } from "../../protocol/messages/16_list_groups.ts";
import { deleteGroups } from "../../protocol/messages/42_delete_groups.ts";
import { shareGroupHeartbeat } from "../../protocol/messages/76_share_group_heartbeat.ts";
import { shareGroupDescribe } from "../../protocol/messages/77_share_group_describe.ts";
import { shareFetch, type ShareFetchRequestInput } from "../../protocol/messages/78_share_fetch.ts";
import { shareAcknowledge } from "../../protocol/messages/79_share_acknowledge.ts";
import { describeShareGroupOffsets } from "../../protocol/messages/90_describe_share_group_offsets.ts";
import { alterShareGroupOffsets } from "../../protocol/messages/91_alter_share_group_offsets.ts";
import { deleteShareGroupOffsets } from "../../protocol/messages/92_delete_share_group_offsets.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { call } from "../handler_call.ts";
import { settled, start, type World } from "../local_world.ts";

const GROUP = "jobs";
const NOBODYS_TOPIC = "11111111-2222-3333-4444-555555555555";

interface Acks {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly acknowledgeTypes: number[];
}

class Door {
  constructor(readonly world: World, readonly topicId: string) {}

  static async open(): Promise<Door> {
    const world = await start();
    const { env, broker } = world;
    const wish = { name: "t", partitionCount: 2, replicationFactor: 1, configs: {}, validateOnly: false };
    const created = await settled(env, broker.supervisor.ask({ type: "createTopic", ...wish }));
    assert("topic" in created);
    return new Door(world, created.topic.topicId);
  }

  async produce(count: number): Promise<void> {
    const record = { key: null, value: new Uint8Array(5), headers: [], timestamp: 1 };
    const batch = buildBatch({ records: Array.from({ length: count }, () => record) });
    await settled(
      this.world.env,
      this.world.broker.partition(this.topicId, 0).ask({
        type: "produce",
        batch,
        maxMessageBytes: 1_000_000,
        timestampType: "CreateTime",
        requireKeys: false,
      }),
    );
  }

  async heartbeat(memberId: string, memberEpoch: number, groupId = GROUP) {
    const subscribedTopicNames = memberEpoch === 0 ? ["t"] : null;
    const { errorCode, ...rest } = await call(this.world, shareGroupHeartbeat, {
      groupId,
      memberId,
      memberEpoch,
      subscribedTopicNames,
    });
    return { error: errorName(errorCode), ...rest };
  }

  async fetch(
    memberId: string | null,
    shareSessionEpoch: number,
    more: Partial<ShareFetchRequestInput> = {},
  ) {
    const { errorCode, responses } = await call(this.world, shareFetch, {
      ...this.fetchRequest(memberId, shareSessionEpoch),
      ...more,
    });
    const [first] = responses.flatMap(({ partitions }) => partitions);
    return {
      error: errorName(errorCode),
      partitionError: errorName(first?.errorCode ?? 0),
      acknowledgeError: errorName(first?.acknowledgeErrorCode ?? 0),
      ranges: (first?.acquiredRecords ?? []).map((range) => [
        range.firstOffset,
        range.lastOffset,
        range.deliveryCount,
      ]),
    };
  }

  fetchRequest(memberId: string | null, shareSessionEpoch: number): ShareFetchRequestInput {
    return {
      groupId: GROUP,
      memberId,
      shareSessionEpoch,
      maxWaitMs: 0,
      minBytes: 1,
      maxRecords: 500,
      batchSize: 500,
      topics: this.topics([]),
      forgottenTopicsData: [],
    };
  }

  topics(acknowledgementBatches: Acks[], topicId = this.topicId, partitionIndex = 0) {
    return [{ topicId, partitions: [{ partitionIndex, acknowledgementBatches }] }];
  }

  async acknowledge(memberId: string, shareSessionEpoch: number, batches: Acks[], topicId = this.topicId) {
    const { errorCode, responses } = await call(this.world, shareAcknowledge, {
      groupId: GROUP,
      memberId,
      shareSessionEpoch,
      topics: this.topics(batches, topicId),
    });
    const [first] = responses.flatMap(({ partitions }) => partitions);
    return [errorName(errorCode), errorName(first?.errorCode ?? 0)];
  }

  /** A member with a session, on a group that begins at the first record. */
  async member(memberId: string): Promise<void> {
    assert.equal((await this.heartbeat(memberId, 0)).error, "NONE");
    await settled(
      this.world.env,
      this.world.broker.sharePartition(GROUP, this.topicId, 0).ask({ type: "reset", startOffset: 0 }),
    );
    assert.equal((await this.fetch(memberId, 0)).error, "NONE");
  }
}

const accept = (firstOffset: number, lastOffset: number) => ({
  firstOffset,
  lastOffset,
  acknowledgeTypes: [1],
});

Deno.test("a member fetches, acknowledges with the next fetch, and ends its session", async () => {
  const door = await Door.open();
  await door.member("a");
  await door.produce(10);
  assert.deepEqual((await door.fetch("a", 1, { maxRecords: 4, shareAcquireMode: 1 })).ranges, [[0, 3, 1]]);
  const second = await door.fetch("a", 2, { topics: door.topics([accept(0, 1)]) });
  assert.deepEqual([second.acknowledgeError, second.ranges], ["NONE", [[4, 9, 1]]]);
  const last = await door.fetch("a", -1, { topics: door.topics([accept(2, 2)]) });
  assert.deepEqual([last.error, last.acknowledgeError, last.ranges], ["NONE", "NONE", []]);
  assert.equal((await door.fetch("a", 3)).error, "SHARE_SESSION_NOT_FOUND");
  await door.heartbeat("b", 0);
  assert.deepEqual((await door.fetch("b", 0)).ranges, [[3, 9, 2]]);
});

Deno.test("a fetch waits for records, and gets those of a connection that ends", async () => {
  const door = await Door.open();
  await door.member("c");
  await door.heartbeat("a", 0);
  await door.heartbeat("b", 0);
  const { env, broker } = door.world;
  const handler = handlerByKey.get(shareFetch.key);
  assert(handler !== undefined);
  const open = (memberId: string, signal: AbortSignal) => {
    const request = { ...door.fetchRequest(memberId, 0), maxWaitMs: 60_000, maxBytes: 1 << 20 };
    const context = { broker, apiVersion: 2, clientId: "", clientHost: "", signal };
    return handler.serve({ ...request, shareAcquireMode: 0, isRenewAck: false } as never, context as never);
  };
  const served: string[] = [];
  const connection = new AbortController();
  void open("a", connection.signal).then(() => served.push("a"));
  await env.advance(10_000);
  assert.deepEqual([...served], []);
  await door.produce(3);
  assert.deepEqual([...served], ["a"]);
  void open("b", new AbortController().signal).then(() => served.push("b"));
  await env.advance(1_000);
  assert.deepEqual([...served], ["a"], "a holds them all");
  connection.abort();
  await env.runUntilIdle();
  assert.deepEqual([...served], ["a", "b"]);
});

Deno.test("sessions and ids that make no sense are refused, and disturb nobody", async () => {
  const door = await Door.open();
  await door.member("a");
  await door.produce(4);
  assert.deepEqual((await door.fetch("a", 1)).ranges, [[0, 3, 1]]);
  assert.equal((await door.fetch("a", 1)).error, "INVALID_SHARE_SESSION_EPOCH");
  assert.equal((await door.fetch("a", 99)).error, "INVALID_SHARE_SESSION_EPOCH");
  assert.equal((await door.fetch("nobody", 5)).error, "SHARE_SESSION_NOT_FOUND");
  assert.equal((await door.fetch("", 0)).error, "INVALID_REQUEST");
  assert.equal((await door.fetch("x".repeat(37), 0)).error, "INVALID_REQUEST");
  assert.equal((await door.fetch(null, 0)).error, "INVALID_REQUEST");
  assert.equal((await door.fetch("a", 2, { groupId: null })).error, "INVALID_REQUEST");
  assert.equal((await door.fetch("a", 0, { groupId: "nothing" })).error, "GROUP_ID_NOT_FOUND");
  assert.equal((await door.fetch("a", 0, { groupId: "g".repeat(5_000) })).error, "GROUP_ID_NOT_FOUND");
  assert.equal((await door.heartbeat("a", 0, "g".repeat(5_000))).error, "INVALID_GROUP_ID");
  assert.equal((await door.heartbeat("a", 0, " ")).error, "INVALID_REQUEST");
  const early = { topics: door.topics([accept(0, 3)]) };
  assert.equal((await door.fetch("b", 0, early)).error, "INVALID_REQUEST", "nothing to acknowledge yet");
  assert.equal((await door.acknowledge("a", 0, []))[0], "INVALID_SHARE_SESSION_EPOCH");
  const renewal = { isRenewAck: true, topics: door.topics([]) };
  assert.equal((await door.fetch("a", 2, renewal)).error, "INVALID_REQUEST", "and asks for records");
  const strange = await door.fetch("a", 2, { topics: door.topics([], NOBODYS_TOPIC) });
  assert.deepEqual([strange.error, strange.partitionError], ["NONE", "UNKNOWN_TOPIC_ID"]);
  const beyond = await door.fetch("a", 3, { topics: door.topics([], door.topicId, 7) });
  assert.deepEqual([beyond.error, beyond.partitionError], ["NONE", "UNKNOWN_TOPIC_OR_PARTITION"]);
  assert.deepEqual(
    await door.acknowledge("a", 4, [accept(0, 3)]),
    ["NONE", "NONE"],
    "all of that was harmless",
  );
});

Deno.test("acknowledgements that make no sense change nothing", async () => {
  const door = await Door.open();
  await door.member("a");
  await door.produce(10);
  await door.heartbeat("b", 0);
  assert.equal((await door.fetch("b", 0, { maxRecords: 2, shareAcquireMode: 1 })).ranges.length, 1);
  assert.deepEqual((await door.fetch("a", 1, { maxRecords: 4, shareAcquireMode: 1 })).ranges, [[2, 5, 1]]);
  let epoch = 2;
  const refused = async (batches: Acks[], topicId?: string) => {
    const [error, partitionError] = await door.acknowledge("a", epoch++, batches, topicId);
    assert.equal(error, "NONE");
    return partitionError;
  };
  assert.equal(await refused([accept(0, 1)]), "INVALID_RECORD_STATE", "another member's");
  assert.equal(await refused([accept(6, 6)]), "INVALID_REQUEST", "never handed out");
  assert.equal(await refused([accept(2, 5), accept(8, Number.MAX_SAFE_INTEGER)]), "INVALID_REQUEST");
  assert.equal(await refused([accept(5, 2)]), "INVALID_REQUEST");
  assert.equal(await refused([accept(2, 3), accept(3, 4)]), "INVALID_REQUEST");
  assert.equal(
    await refused([{ firstOffset: 2, lastOffset: 5, acknowledgeTypes: [1, 1] }]),
    "INVALID_REQUEST",
  );
  assert.equal(await refused([{ firstOffset: 2, lastOffset: 2, acknowledgeTypes: [4] }]), "INVALID_REQUEST");
  assert.equal(await refused([{ firstOffset: 2, lastOffset: 2, acknowledgeTypes: [-7] }]), "INVALID_REQUEST");
  assert.equal(await refused([accept(2, 5)], NOBODYS_TOPIC), "UNKNOWN_TOPIC_ID");
  const many = Array.from({ length: 50_000 }, (_, i) => accept(i * 2, i * 2));
  assert.equal(await refused(many), "INVALID_RECORD_STATE");
  assert.equal(await refused([accept(2, 5)]), "NONE", "it still holds them");
  assert.equal(
    await refused([accept(2, 5)]),
    "INVALID_RECORD_STATE",
    "0 and 1 are open, so these are not forgotten",
  );
});

Deno.test("offsets are described, set and forgotten; a group with members is left alone", async () => {
  const door = await Door.open();
  await door.member("a");
  await door.produce(8);
  await door.fetch("a", 1, { maxRecords: 3, shareAcquireMode: 1 });
  await door.acknowledge("a", 2, [accept(0, 1)]);
  const describe = async (groupId = GROUP) => {
    const { groups } = await call(door.world, describeShareGroupOffsets, {
      groups: [{ groupId, topics: null }],
    });
    const [group] = groups;
    assert(group !== undefined);
    const [partition] = group.topics.flatMap(({ partitions }) => partitions);
    return [errorName(group.errorCode), partition?.startOffset, partition?.lag];
  };
  assert.deepEqual(await describe(), ["NONE", 2, 6]);
  assert.equal((await describe("nothing"))[0], "GROUP_ID_NOT_FOUND");
  const alter = async (startOffset: number, topicName = "t", groupId = GROUP) => {
    const topics = [{ topicName, partitions: [{ partitionIndex: 0, startOffset }] }];
    const answer = await call(door.world, alterShareGroupOffsets, { groupId, topics });
    return [errorName(answer.errorCode), errorName(answer.responses[0]?.partitions[0]?.errorCode ?? 0)];
  };
  const forget = async () => {
    const topics = [{ topicName: "t" }, { topicName: "strange" }];
    const answer = await call(door.world, deleteShareGroupOffsets, { groupId: GROUP, topics });
    return [errorName(answer.errorCode), ...answer.responses.map(({ errorCode }) => errorName(errorCode))];
  };
  const remove = async () => {
    const { results } = await call(door.world, deleteGroups, { groupsNames: [GROUP] });
    return errorName(results[0]?.errorCode ?? 0);
  };
  assert.deepEqual(await alter(5), ["NON_EMPTY_GROUP", "NONE"]);
  assert.deepEqual(await forget(), ["NON_EMPTY_GROUP"]);
  assert.equal(await remove(), "NON_EMPTY_GROUP");
  const shown = await call(door.world, shareGroupDescribe, {
    groupIds: [GROUP, "nothing"],
    includeAuthorizedOperations: false,
  });
  assert.deepEqual(shown.groups.map(({ groupState, members }) => [groupState, members.length]), [
    ["Stable", 1],
    ["Dead", 0],
  ]);
  await door.fetch("a", -1, { topics: [] });
  assert.equal((await door.heartbeat("a", -1)).error, "NONE");
  assert.deepEqual(await alter(5), ["NONE", "NONE"]);
  assert.deepEqual(await alter(5, "strange"), ["NONE", "UNKNOWN_TOPIC_OR_PARTITION"]);
  assert.deepEqual(await describe(), ["NONE", 5, 3]);
  assert.deepEqual(await forget(), ["NONE", "NONE", "UNKNOWN_TOPIC_OR_PARTITION"]);
  assert.deepEqual(await describe(), ["NONE", undefined, undefined]);
  const list = async () => {
    const { groups } = await call(door.world, listGroups, { statesFilter: [], typesFilter: ["share"] });
    return groups.map(({ groupId, groupState }) => [groupId, groupState]);
  };
  assert.deepEqual(await list(), [[GROUP, "Empty"]]);
  assert.equal(await remove(), "NONE");
  assert.equal(await remove(), "GROUP_ID_NOT_FOUND");
  assert.deepEqual(await list(), []);
  assert.deepEqual(
    await alter(3, "t", "new"),
    ["NONE", "NONE"],
    "a group may be made by where it is to begin",
  );
  assert.deepEqual(await describe("new"), ["NONE", 3, 5]);
  assert.deepEqual((await alter(3, "t", "g".repeat(2_000)))[0], "INVALID_GROUP_ID");
});
