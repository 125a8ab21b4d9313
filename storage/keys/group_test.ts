/** The stored bytes of groups: version 1 as it is for ever, and what is refused. */
import assert from "node:assert/strict";
import type { ConsumerGroupRecord } from "../../core/group/modern/consumer_group_record.ts";
import type { GroupRecord } from "../../core/group/group_state.ts";
import { CorruptStorageError } from "../errors.ts";
import { decodeGroupOffset, encodeGroupOffset } from "./group_offset.ts";
import {
  decodeConsumerGroupBody,
  decodeGroupBody,
  decodeGroupValue,
  encodeConsumerGroupBody,
  encodeGroupBody,
  encodeGroupValue,
  isConsumerGroupBody,
} from "./group_record.ts";
import { sealed } from "./sealed_testkit.ts";

const record: GroupRecord = {
  generationId: 7,
  protocolType: "consumer",
  protocolName: null,
  leaderId: "m",
  assigned: true,
  changedAtMs: 1_700_000_000_000,
  members: [{
    memberId: "m",
    groupInstanceId: "i",
    clientId: "",
    clientHost: "/h",
    sessionTimeoutMs: 45_000,
    rebalanceTimeoutMs: 300_000,
    protocols: [{ name: "range", metadata: Uint8Array.of(1, 2) }],
    assignment: Uint8Array.of(3),
  }],
};

const GOLDEN_BODY =
  "010000000709636f6e73756d657200026d010000018bcfe5680000000001026d026901032f680000afc8000493e0000000010672616e67650301020203";
const GOLDEN_OFFSET = "01000000000000002affffffff0000018bcfe56800027403c3a9";

const offset = { offset: 42, leaderEpoch: -1, committedAtMs: 1_700_000_000_000, topic: "t", metadata: "é" };

Deno.test("version 1 of a group and of an offset stays as it was written", () => {
  assert.equal(hex(encodeGroupBody(record)), sealed(GOLDEN_BODY));
  assert.deepEqual(decodeGroupBody(fromHex(GOLDEN_BODY)), record);
  assert.equal(hex(encodeGroupOffset(offset)), sealed(GOLDEN_OFFSET));
  assert.deepEqual(decodeGroupOffset(fromHex(GOLDEN_OFFSET)), offset);
  const pieces = { memberCount: 3, body: { writing: 9, pieceCount: 2, byteLength: 70_000, crc: 0xfedcba98 } };
  assert.equal(hex(encodeGroupValue(pieces)), sealed("01000000030100000000000000090000000200011170fedcba98"));
  assert.deepEqual(decodeGroupValue(encodeGroupValue(pieces)), pieces);
  assert.equal(hex(encodeGroupValue({ memberCount: 1, body: Uint8Array.of(5) })), sealed("01000000010005"));
});

Deno.test("other versions, cut and longer values are storage errors", () => {
  for (
    const [decode, golden] of [
      [decodeGroupBody, GOLDEN_BODY],
      [decodeGroupOffset, GOLDEN_OFFSET],
    ] as const
  ) {
    assert.throws(() => decode(fromHex("02" + golden.slice(2))), CorruptStorageError);
    assert.throws(() => decode(fromHex(golden + "00")), CorruptStorageError);
    for (let length = 0; length < golden.length; length += 2) {
      assert.throws(() => decode(fromHex(golden.slice(0, length))), CorruptStorageError);
    }
  }
  assert.throws(() => decodeGroupValue(fromHex("010000000102")), CorruptStorageError);
});

const TOPIC = "00112233-4455-6677-8899-aabbccddeeff";
const consumerRecord: ConsumerGroupRecord = {
  groupEpoch: 9,
  assignmentEpoch: 8,
  assignorName: "uniform",
  subscribedTopics: [{ topicId: TOPIC, partitionCount: 3 }],
  changedAtMs: 1_700_000_000_000,
  members: [{
    memberId: "m",
    instanceId: null,
    rackId: "r",
    clientId: "c",
    clientHost: "/h",
    rebalanceTimeoutMs: 300_000,
    subscribedTopicNames: ["t"],
    subscribedTopicRegex: "t.*",
    serverAssignor: null,
    state: "unrevoked",
    memberEpoch: 7,
    previousMemberEpoch: -2,
    assigned: new Map([[TOPIC, [0, 1]]]),
    pendingRevocation: new Map([[TOPIC, [2]]]),
    target: new Map(),
    classic: { sessionTimeoutMs: 45_000, protocols: [{ name: "range", metadata: Uint8Array.of(1) }] },
  }],
};

const GOLDEN_CONSUMER_BODY =
  "02000000090000000808756e69666f726d0000000100112233445566778899aabbccddeeff000000030000018bcfe5680000000001026d0002720263032f68000493e000000001027404742e2a000100000007fffffffe0000000100112233445566778899aabbccddeeff0000000200000000000000010000000100112233445566778899aabbccddeeff000000010000000200000000010000afc8000000010672616e67650201";

Deno.test("version 2 of a body, a group of the consumer protocol, stays as it was written", () => {
  assert.equal(hex(encodeConsumerGroupBody(consumerRecord)), sealed(GOLDEN_CONSUMER_BODY));
  const bytes = fromHex(GOLDEN_CONSUMER_BODY);
  assert.deepEqual(decodeConsumerGroupBody(bytes), consumerRecord);
  assert(isConsumerGroupBody(bytes) && !isConsumerGroupBody(fromHex(GOLDEN_BODY)));
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeConsumerGroupBody(bytes.subarray(0, length)), CorruptStorageError);
  }
});

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
