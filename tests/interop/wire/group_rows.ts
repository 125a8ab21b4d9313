/** Groups: names, metadata and members beyond their bounds. */

import assert from "node:assert/strict";
import { ByteReader, concat } from "../../../lib/bytes.ts";
import { groupLimits } from "../../../core/group/group_config.ts";
import { decodeResponseHeader } from "../../../protocol/header.ts";
import { joinGroup } from "../../../protocol/messages/11_join_group.ts";
import { decodeResponse, type RequestInput } from "../../../protocol/schema/api.ts";
import { LONG } from "../clients/suite.ts";
import { frame, type Peer, sized } from "./peer.ts";
import { ERROR, one, row, SUFFIX } from "./row.ts";

const { INVALID_GROUP_ID, MEMBER_ID_REQUIRED, GROUP_MAX_SIZE_REACHED, UNKNOWN_SERVER_ERROR, NONE } = ERROR;
const JOIN_VERSION = 5;
/** The first with compact strings. */
const COMPACT_VERSION = 6;
/** Longer than any row: members that were told to join again must not make room for others meanwhile. */
const SESSION_MS = 600_000;
/** Joins sent before their answers are read. */
const PIPELINED = 50;

function joinRequest(groupId: string, metadataBytes: number): RequestInput<typeof joinGroup> {
  return {
    groupId,
    sessionTimeoutMs: SESSION_MS,
    rebalanceTimeoutMs: 10_000,
    memberId: "",
    groupInstanceId: null,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: new Uint8Array(metadataBytes) }],
  };
}

const join = (peer: Peer, groupId: string, metadataBytes: number) =>
  peer.ask(joinGroup, JOIN_VERSION, joinRequest(groupId, metadataBytes));

export async function groupRows(): Promise<void> {
  await row("a group without a name", async (peer) => {
    assert.equal((await join(peer, "", 0))?.errorCode, INVALID_GROUP_ID);
  });

  await row("a group name of 32,767 bytes, the longest that the format can hold", async (peer) => {
    assert.equal((await join(peer, "g".repeat(32_767), 0))?.errorCode, INVALID_GROUP_ID);
  });

  await row("a group name of 2 MB, which only compact strings can hold", async (peer) => {
    const short = frame(joinGroup, COMPACT_VERSION, joinRequest("g", 0)).subarray(4);
    // Its compact length is 2, one more than its bytes.
    const at = short.findIndex((byte, i) => byte === 2 && short[i + 1] === 0x67);
    const name = new Uint8Array(2 * 1024 * 1024).fill(0x67);
    const length = Uint8Array.of(0x81, 0x80, 0x80, 0x01);
    await peer.send(sized(short.subarray(0, at), length, name, short.subarray(at + 2)));
    const answer = await peer.reply();
    assert.ok(answer);
    const reader = new ByteReader(answer);
    decodeResponseHeader(joinGroup, COMPACT_VERSION, reader);
    assert.equal(decodeResponse(joinGroup, COMPACT_VERSION, reader).errorCode, INVALID_GROUP_ID);
  });

  await row("members with 10 MB of metadata", async (peer) => {
    // Kafka's code for a record of the group that is too large to be kept.
    for (let i = 0; i < 6; i++) {
      assert.equal((await join(peer, `fat-${SUFFIX}`, 10_000_000))?.errorCode, UNKNOWN_SERVER_ERROR);
    }
    assert.equal((await join(peer, `fat-${SUFFIX}`, 100))?.errorCode, MEMBER_ID_REQUIRED);
  });

  const wanted = LONG ? 100_000 : groupLimits.pendingMemberCountMax + 500;
  await row(`${wanted.toLocaleString("en")} members that ask to join one group`, async (peer) => {
    const request = frame(joinGroup, JOIN_VERSION, joinRequest(`crowd-${SUFFIX}`, 0));
    const codes = new Map<number, number>();
    for (let sent = 0; sent < wanted; sent += PIPELINED) {
      await peer.send(concat(Array.from({ length: PIPELINED }, () => request)));
      for (let i = 0; i < PIPELINED; i++) {
        const answer = await peer.reply();
        assert.ok(answer, "the connection was closed");
        const reader = new ByteReader(answer);
        decodeResponseHeader(joinGroup, JOIN_VERSION, reader);
        const { errorCode } = decodeResponse(joinGroup, JOIN_VERSION, reader);
        codes.set(errorCode, (codes.get(errorCode) ?? 0) + 1);
      }
    }
    assert.deepEqual([...codes], [
      [MEMBER_ID_REQUIRED, groupLimits.pendingMemberCountMax],
      [GROUP_MAX_SIZE_REACHED, wanted - groupLimits.pendingMemberCountMax],
    ]);
    // Another group takes members as before.
    one((await join(peer, `calm-${SUFFIX}`, 10))?.errorCode, [MEMBER_ID_REQUIRED, NONE], "another group");
  });
}
