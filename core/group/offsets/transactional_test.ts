/** Offsets that a transaction commits, by example. */
import assert from "node:assert/strict";
import { GroupHarness } from "../../../tests/group_harness.ts";
import type {
  GroupTransactionEndResult,
  OffsetCommitResult,
  OffsetFetchResult,
  TxnOffsetCommitRequest,
} from "../group_commands.ts";

const at = (offset: number, partition = 0) => ({
  topic: "t",
  topicId: "id-t",
  partition,
  offset,
  leaderEpoch: 0,
  metadata: "",
});

function commit(group: GroupHarness, offset: number, change: Partial<TxnOffsetCommitRequest> = {}) {
  return group.send<OffsetCommitResult>({
    type: "txnOffsetCommit",
    transactionalId: "x",
    producerId: 7,
    producerEpoch: 0,
    generationId: -1,
    memberId: "",
    groupInstanceId: null,
    offsets: [at(offset)],
    ...change,
  }).now.error;
}

function end(group: GroupHarness, committed: boolean, producerId = 7, producerEpoch = 1) {
  const command = { type: "endTransaction", producerId, producerEpoch, committed } as const;
  return group.send<GroupTransactionEndResult>(command).now.error;
}

/** The offset, or "unstable". */
function fetched(group: GroupHarness, requireStable: boolean, partition = 0): number | string {
  const { offsets } = group.send<OffsetFetchResult>({
    type: "offsetFetch",
    partitions: [{ topic: "t", topicId: "id-t", partition }],
    memberId: null,
    memberEpoch: -1,
    requireStable,
  }).now;
  return offsets[0]?.isUnstable === true ? "unstable" : offsets[0]?.offset ?? -2;
}

Deno.test("a transaction's offsets take effect when it commits", () => {
  const group = new GroupHarness();
  group.commit({ offsets: [at(3)] });
  assert.equal(commit(group, 8), "NONE");
  assert.deepEqual([fetched(group, false), fetched(group, true), fetched(group, true, 1)], [
    3,
    "unstable",
    -1,
  ]);
  assert.equal(end(group, true), "NONE");
  assert.deepEqual([fetched(group, false), fetched(group, true)], [8, 8]);
});

Deno.test("an abort drops them, and a marker that comes again does nothing", () => {
  const group = new GroupHarness();
  commit(group, 8);
  assert.equal(end(group, false), "NONE");
  assert.equal(fetched(group, true), -1);
  group.commit({ offsets: [at(4)] });
  assert.equal(end(group, true), "NONE");
  assert.equal(fetched(group, true), 4);
});

Deno.test("pending offsets and their end survive a restart", () => {
  const group = new GroupHarness();
  commit(group, 8);
  commit(group, 9, { producerId: 9, offsets: [at(9, 1)] });
  group.restart();
  assert.equal(fetched(group, true), "unstable");
  end(group, true);
  group.restart();
  assert.deepEqual([fetched(group, true), fetched(group, true, 1)], [8, "unstable"]);
});

Deno.test("older epochs of the producer neither commit nor end", () => {
  const group = new GroupHarness();
  commit(group, 8, { producerEpoch: 4 });
  assert.equal(commit(group, 2, { producerEpoch: 3 }), "INVALID_PRODUCER_EPOCH");
  assert.equal(end(group, true, 7, 3), "INVALID_PRODUCER_EPOCH");
  assert.equal(end(group, true, 7, 5), "NONE");
  assert.equal(fetched(group, true), 8);
});

Deno.test("a member commits in its generation only, which fences consumers that lost their partitions (KIP-447)", () => {
  const group = new GroupHarness();
  assert.equal(commit(group, 1, { generationId: 1, memberId: "m" }), "ILLEGAL_GENERATION");
  const [member] = group.stable(1);
  const memberId = member?.memberId ?? "";
  assert.equal(commit(group, 1, { generationId: 1, memberId }), "NONE");
  assert.equal(commit(group, 1, { generationId: 0, memberId }), "ILLEGAL_GENERATION");
  assert.equal(commit(group, 1, { generationId: 1, memberId: "ghost" }), "UNKNOWN_MEMBER_ID");
  assert.equal(commit(group, 1), "NONE", "a producer without the group's metadata");
});
