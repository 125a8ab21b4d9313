/** Expiry of offsets by example; the wall clock of the harness is 5,000,000 ms ahead of the monotonic one. */
import assert from "node:assert/strict";
import { emptyMetadataImage } from "../../cluster/metadata_image.ts";
import { encodeSubscription } from "../../../protocol/messages/consumer_protocol.ts";
import { GroupHarness } from "../../../tests/group_harness.ts";
import type { ExpireOffsetsResult } from "../group_commands.ts";

const RETENTION_MS = 600_000;

function expire(group: GroupHarness): number {
  const beforeMs = 5_000_000 + group.monoMs - RETENTION_MS;
  return group.send<ExpireOffsetsResult>({ type: "expireOffsets", beforeMs }).now.expiredCount;
}

function commitAs(group: GroupHarness, member: { memberId: string; generationId: number }, topic = "t") {
  const { memberId, generationId } = member;
  const offsets = [{ topic, topicId: `id-${topic}`, partition: 0, offset: 1, leaderEpoch: 0, metadata: "" }];
  assert.equal(group.commit({ memberId, generationId, offsets }).error, "NONE");
}

Deno.test("offsets of consumers without group management count from their commit", () => {
  const group = new GroupHarness();
  group.commit();
  group.advance(RETENTION_MS - 1);
  assert.equal(expire(group), 0);
  assert.notEqual(group.stored.record, null);
  group.advance(1);
  assert.equal(expire(group), 1);
  assert.equal(group.stored.record, null, "nothing is left of the group");
});

Deno.test("offsets of a group count from when it lost its last member", () => {
  const group = new GroupHarness();
  const [a] = group.stable(1, { sessionTimeoutMs: 1_800_000 });
  assert(a !== undefined);
  commitAs(group, a);
  group.advance(RETENTION_MS * 2);
  assert.equal(expire(group), 0, "there are members");
  group.leave(a);
  group.advance(RETENTION_MS - 1);
  assert.equal(expire(group), 0);
  group.restart();
  assert.equal(expire(group), 0);
  group.advance(1);
  assert.equal(expire(group), 1);
  assert.equal(group.stored.record, null);
});

Deno.test("a stable group loses old offsets of topics that it does not read any more", () => {
  const group = new GroupHarness();
  const metadata = encodeSubscription(0, { topics: ["t"], userData: null });
  const [a] = group.stable(1, { sessionTimeoutMs: 1_800_000, protocols: [{ name: "range", metadata }] });
  assert(a !== undefined);
  commitAs(group, a);
  commitAs(group, a, "before");
  group.advance(RETENTION_MS);
  assert.equal(expire(group), 1);
  assert.deepEqual([...group.stored.offsets.keys()], ["id-t/0"]);
});

Deno.test("offsets of deleted topics go at once, but not before the topics are known", () => {
  const group = new GroupHarness();
  const [a] = group.stable(1);
  assert(a !== undefined);
  commitAs(group, a);
  assert.equal(expire(group), 0);
  group.topics = { ...emptyMetadataImage, version: 1 };
  assert.equal(expire(group), 1);
  assert.notEqual(group.stored.record, null, "it has members");
});

Deno.test("an empty group without offsets is forgotten", () => {
  const group = new GroupHarness();
  const [a] = group.stable(1);
  assert(a !== undefined);
  assert.equal(expire(group), 0);
  assert.notEqual(group.stored.record, null);
  group.leave(a);
  expire(group);
  assert.equal(group.stored.record, null);
});
