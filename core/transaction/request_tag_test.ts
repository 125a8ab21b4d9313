import assert from "node:assert/strict";
import { decideRequestTag } from "./request_tag.ts";

Deno.test("decideRequestTag() takes the next request, knows repetitions, and refuses what is out of place", () => {
  const last = { epoch: 2, seq: 5 };
  const decide = (epoch: number, seq: number) => decideRequestTag(last, { epoch, seq });
  assert.deepEqual(decideRequestTag(null, { epoch: 7, seq: 0 }), { type: "next" });
  assert.deepEqual(decideRequestTag(null, { epoch: 0, seq: 1 }), { type: "sequenceGap", expectedSeq: 0 });
  assert.deepEqual(decide(2, 6), { type: "next" });
  assert.deepEqual(decide(3, 0), { type: "next" });
  assert.deepEqual(decide(2, 5), { type: "duplicate", epoch: 2, lastSeq: 5 });
  assert.deepEqual(decide(2, 0), { type: "duplicate", epoch: 2, lastSeq: 5 });
  assert.deepEqual(decide(2, 8), { type: "sequenceGap", expectedSeq: 6 });
  assert.deepEqual(decide(1, 6), { type: "staleEpoch", epoch: 2 });
  assert.deepEqual(decide(3, 1), { type: "epochStart" });
});
