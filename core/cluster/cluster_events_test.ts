import assert from "node:assert/strict";
import { imageEvents, memberEvents } from "./cluster_events.ts";
import { emptyMetadataImage, type MetadataImage, type TopicImage } from "./metadata_image.ts";

function topic(name: string, leaders: readonly number[], leaderEpoch = 0): TopicImage {
  const partitions = leaders.map((leader) => ({ leader, leaderEpoch, replicas: [leader], isr: [leader] }));
  return { name, topicId: `id-${name}`, partitions, configs: {} };
}

function image(
  topics: readonly TopicImage[],
  brokers: readonly [id: number, epoch: number][] = [],
): MetadataImage {
  return {
    ...emptyMetadataImage,
    brokers: brokers.map(([brokerId, epoch]) => ({ brokerId, epoch, host: "h", port: 1, rack: null })),
    topicsById: new Map(topics.map((each) => [each.topicId, each])),
    topicsByName: new Map(topics.map((each) => [each.name, each])),
  };
}

Deno.test("imageEvents() tells of brokers", () => {
  const types = (before: [number, number][], after: [number, number][]) =>
    imageEvents(image([], before), image([], after)).map((event) =>
      "brokerId" in event && [event.type, event.brokerId]
    );
  assert.deepEqual(types([], [[1, 1]]), [["brokerUp", 1]]);
  assert.deepEqual(types([[1, 1], [2, 1]], [[2, 1]]), [["brokerDown", 1]]);
  assert.deepEqual(types([[1, 1]], [[1, 2]]), [["brokerUp", 1]]);
  assert.deepEqual(types([[1, 1]], [[1, 1]]), []);
});

Deno.test("imageEvents() tells of topics, partitions and leaders", () => {
  const before = image([topic("a", [1]), topic("b", [1, 1]), topic("same", [1])]);
  const after = image([topic("b", [1, 2, 3], 0), topic("c", [1]), topic("same", [1])]);
  assert.deepEqual(imageEvents(before, after), [
    { type: "topicDeleted", topic: "a", topicId: "id-a" },
    { type: "partitionsAdded", topic: "b", partitions: 3 },
    { type: "leaderChanged", topic: "b", partition: 1, leader: 2, leaderEpoch: 0 },
    { type: "topicCreated", topic: "c", topicId: "id-c", partitions: 1 },
  ]);
  assert.deepEqual(imageEvents(before, before), []);
});

Deno.test("memberEvents() tells who came, who went, and whether partitions moved", () => {
  const member = (memberId: string, ...partitions: number[]) => ({
    memberId,
    clientId: "c",
    assignment: partitions.length === 0 ? [] : [{ topic: "t", partitions }],
  });
  const types = (before: ReturnType<typeof member>[], after: ReturnType<typeof member>[]) =>
    memberEvents("g", before, after).map((event) => event.type);
  assert.deepEqual(types([], [member("a")]), ["memberJoined"]);
  assert.deepEqual(types([member("a")], [member("a", 0, 1)]), ["groupRebalanced"]);
  assert.deepEqual(types([member("a", 0, 1)], [member("a", 1, 0)]), []);
  assert.deepEqual(types([member("a", 0), member("b", 1)], [member("a", 0, 1)]), [
    "memberLost",
    "groupRebalanced",
  ]);
  assert.deepEqual(types([member("a", 0)], []), ["memberLost"]);
  assert.deepEqual(memberEvents("g", [], [member("a", 0)]).at(-1), {
    type: "groupRebalanced",
    group: "g",
    members: 1,
  });
});
