import assert from "node:assert/strict";
import { decideDivergence, epochEndOffset } from "./leader_epochs.ts";
import { emptyLogHead, type LogHead } from "./log_head.ts";

const head: LogHead = {
  ...emptyLogHead,
  logEndOffset: 100,
  epochs: [{ epoch: 2, startOffset: 10 }, { epoch: 5, startOffset: 40 }],
};

Deno.test("epochEndOffset() answers as Kafka's LeaderEpochFileCache", () => {
  const at = (requested: number, leaderEpoch = 7) => {
    const { epoch, endOffset } = epochEndOffset(head, leaderEpoch, requested);
    return [epoch, endOffset];
  };
  assert.deepEqual(at(-1), [-1, -1]);
  assert.deepEqual(at(8), [-1, -1], "an epoch to come");
  assert.deepEqual(at(7), [7, 100], "the current one, though it wrote nothing");
  assert.deepEqual(at(6), [5, 100]);
  assert.deepEqual(at(5), [5, 100]);
  assert.deepEqual(at(4), [2, 40]);
  assert.deepEqual(at(2), [2, 40]);
  assert.deepEqual(at(1), [1, 10], "before the first one known");
  assert.deepEqual(at(5, 5), [5, 100]);
});

Deno.test("decideDivergence() sends a reader back to where the logs agree", () => {
  const at = (offset: number, lastFetchedEpoch: number) =>
    decideDivergence(head, 5, { offset, lastFetchedEpoch });
  assert.deepEqual(at(1_000, -1), { type: "none" });
  assert.deepEqual(at(100, 5), { type: "none" });
  assert.deepEqual(at(40, 2), { type: "none" });
  assert.deepEqual(at(41, 2), { type: "diverging", end: { epoch: 2, endOffset: 40 } });
  assert.deepEqual(at(20, 3), { type: "diverging", end: { epoch: 2, endOffset: 40 } });
  assert.deepEqual(at(0, 6), { type: "unknown" });
});
