/** Handlers of groups on a whole broker in virtual time: answers stay in proportion to what was asked, whatever is repeated. */
import assert from "node:assert/strict";
import type { Broker } from "../../actors/broker.ts";
import { ZERO_UUID } from "../../lib/bytes.ts";
import { limits } from "../../core/config/limits.ts";
import { errorCode, errorName } from "../../protocol/errors.ts";
import { offsetFetch } from "../../protocol/messages/09_offset_fetch.ts";
import { describeGroups } from "../../protocol/messages/15_describe_groups.ts";
import { describeProducers } from "../../protocol/messages/61_describe_producers.ts";
import { describeTransactions } from "../../protocol/messages/65_describe_transactions.ts";
import { consumerGroupDescribe } from "../../protocol/messages/69_consumer_group_describe.ts";
import { shareGroupDescribe } from "../../protocol/messages/77_share_group_describe.ts";
import { describeShareGroupOffsets } from "../../protocol/messages/90_describe_share_group_offsets.ts";
import { brokerWith } from "../broker_with.ts";
import { call } from "../handler_call.ts";
import { settled, start, type World } from "../local_world.ts";

async function open(): Promise<World> {
  const world = await start(undefined, { "group.initial.rebalance.delay.ms": "0" });
  await addTopic(world, "t", 3);
  return world;
}

async function addTopic({ env, broker }: World, name: string, partitionCount: number): Promise<void> {
  const message = { type: "createTopic", replicationFactor: 1, configs: {}, validateOnly: false } as const;
  await settled(env, broker.supervisor.ask({ ...message, name, partitionCount }));
}

function topicIdOf({ broker }: World): string {
  return broker.metadata.topicsByName.get("t")?.topicId ?? "";
}

async function commit(world: World, partition: number, offset: number, groupId = "g"): Promise<void> {
  const topicId = topicIdOf(world);
  const offsets = [{ topic: "t", topicId, partition, offset, leaderEpoch: -1, metadata: "m" }];
  const message = { type: "offsetCommit", generationId: -1, memberId: "", groupInstanceId: null } as const;
  await settled(world.env, world.broker.group(groupId).ask({ ...message, offsets }));
}

/** The broker, and what its groups are asked. */
function watched({ env, broker }: World) {
  const asked: unknown[] = [];
  const group: Broker["group"] = (groupId) => {
    const ref = broker.group(groupId);
    const ask = (message: never, options: never) => (asked.push(message), ref.ask(message, options));
    return { ...ref, ask } as typeof ref;
  };
  return { asked, world: { env, broker: brokerWith(broker, { group }) } as unknown as World };
}

Deno.test("OffsetFetch asks the group once for each partition that exists, and answers each once", async () => {
  const { asked, world } = watched(await open());
  await commit(world, 0, 5);
  await commit(world, 2, 7);
  asked.length = 0;
  const partitionIndexes = [2, 0, 0, -1, 1_000_000, 2, 1];
  const topics = [{ name: "t", partitionIndexes }, { name: "absent", partitionIndexes: [0] }, {
    name: "t",
    partitionIndexes: [0, 1],
  }];
  const { groups } = await call(world, offsetFetch, { groups: [{ groupId: "g", topics }] }, 9);
  const offsets = groups[0]?.topics.map(({ name, partitions }) => [
    name,
    partitions.map(({ partitionIndex, committedOffset }) => [partitionIndex, committedOffset]),
  ]);
  assert.deepEqual(offsets, [
    ["t", [[2, 7], [0, 5], [-1, -1], [1_000_000, -1], [1, -1]]],
    ["absent", [[0, -1]]],
    ["t", []],
  ]);
  const message = asked[0] as { partitions: { partition: number }[] };
  assert.deepEqual(message.partitions.map(({ partition }) => partition), [2, 0, 1]);
});

Deno.test("OffsetFetch by id tells of each partition of an unknown topic", async () => {
  const world = await open();
  await commit(world, 1, 4);
  const topics = [{ topicId: topicIdOf(world), partitionIndexes: [0, 1] }, {
    topicId: ZERO_UUID,
    partitionIndexes: [0],
  }];
  const { groups } = await call(world, offsetFetch, { groups: [{ groupId: "g", topics }] }, 10);
  const answered = groups[0]?.topics.map(({ partitions }) =>
    partitions.map(({ committedOffset, metadata, errorCode }) => [committedOffset, metadata, errorCode])
  );
  assert.deepEqual(answered, [[[-1, "", 0], [4, "m", 0]], [[-1, "", errorCode("UNKNOWN_TOPIC_ID")]]]);
});

Deno.test("a repeated group is answered once, whatever is asked of it", async () => {
  const world = await open();
  await commit(world, 0, 5);
  const twice = ["g", "h", "g"];
  const offsets = { topics: null };
  const answers = {
    described: (await call(world, describeGroups, { groups: twice })).groups,
    consumers:
      (await call(world, consumerGroupDescribe, { groupIds: twice, includeAuthorizedOperations: false }))
        .groups,
    shares:
      (await call(world, shareGroupDescribe, { groupIds: twice, includeAuthorizedOperations: false })).groups,
    shareOffsets: (await call(world, describeShareGroupOffsets, {
      groups: twice.map((groupId) => ({ groupId, ...offsets })),
    }))
      .groups,
    offsets:
      (await call(world, offsetFetch, { groups: twice.map((groupId) => ({ groupId, ...offsets })) })).groups,
  };
  for (const [name, groups] of Object.entries(answers)) {
    assert.deepEqual(groups.map(({ groupId }) => groupId), ["g", "h"], name);
  }
  assert.equal(answers.offsets[0]?.topics[0]?.partitions[0]?.committedOffset, 5);
});

Deno.test("a repeated producer's partition, and a repeated transaction, are described once", async () => {
  const world = await open();
  const topics = [{ name: "t", partitionIndexes: [0, 1, 0] }, { name: "t", partitionIndexes: [1, 2] }];
  const producers = await call(world, describeProducers, { topics });
  assert.deepEqual(
    producers.topics.map(({ name, partitions }) => [name, partitions.map((each) => each.partitionIndex)]),
    [["t", [0, 1, 2]]],
  );
  const transactions = await call(world, describeTransactions, { transactionalIds: ["x", "y", "x"] });
  assert.deepEqual(transactions.transactionStates.map((each) => each.transactionalId), ["x", "y"]);
});

Deno.test("an answer about producers has a bound over all partitions; those beyond it are to be asked again", async () => {
  const world = await open();
  const producers = Array.from({ length: 10_000 }, (_, producerId) => ({
    producerId,
    producerEpoch: 0,
    lastAppendMs: 0,
    batches: [],
    transactionStartOffset: -1,
  }));
  let askedCount = 0;
  const partition = () => ({
    ask: () => {
      askedCount++;
      return Promise.resolve({ error: "NONE", producers });
    },
  });
  const broker = brokerWith(world.broker, { partition });
  const names = ["a", "b"];
  for (const name of names) await addTopic(world, name, 6);
  const partitionIndexes = [0, 1, 2, 3, 4, 5];
  const { topics } = await call({ env: world.env, broker }, describeProducers, {
    topics: names.map((name) => ({ name, partitionIndexes })),
  });
  const answers = topics.flatMap(({ partitions }) => partitions);
  const full = limits.describedProducersMax / producers.length;
  assert.equal(askedCount, full);
  assert.deepEqual(
    answers.map(({ errorCode, activeProducers }) => [errorName(errorCode), activeProducers.length]),
    answers.map((_, i) => i < full ? ["NONE", producers.length] : ["NOT_LEADER_OR_FOLLOWER", 0]),
  );
});
