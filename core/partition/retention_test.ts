import assert from "node:assert/strict";
import { decideRetention, type StoredBatch } from "./retention.ts";

const NONE = { retentionMs: -1, retentionBytes: -1 };

function batches(...timestamps: number[]): StoredBatch[] {
  return timestamps.map((maxTimestamp, i) => ({ lastOffset: i * 10 + 9, maxTimestamp, sizeBytes: 100 }));
}

Deno.test("decideRetention() keeps a batch for its time and not longer", () => {
  const head = { logStartOffset: 0, sizeBytes: 300 };
  const start = (nowMs: number) =>
    decideRetention(head, batches(1_000, 2_000, 3_000), { ...NONE, retentionMs: 500 }, nowMs);
  assert.deepEqual([1_000, 1_500, 1_501, 2_501, 3_500, 3_501].map(start), [0, 0, 10, 20, 20, 30]);
});

Deno.test("decideRetention() keeps everything behind a batch that is to stay, and without bounds all", () => {
  const head = { logStartOffset: 0, sizeBytes: 300 };
  assert.equal(decideRetention(head, batches(1, 9_000, 1), { ...NONE, retentionMs: 10 }, 5_000), 10);
  assert.equal(decideRetention(head, batches(1, 2, 3), NONE, 9e12), 0);
});

Deno.test("decideRetention() deletes by size only what leaves enough behind", () => {
  const head = { logStartOffset: 0, sizeBytes: 300 };
  const start = (retentionBytes: number) =>
    decideRetention(head, batches(1, 2, 3), { ...NONE, retentionBytes }, 0);
  assert.deepEqual([300, 201, 200, 101, 100, 0].map(start), [0, 0, 10, 10, 20, 30]);
});

Deno.test("decideRetention() lets a batch without timestamps go with the next one that has any", () => {
  const head = { logStartOffset: 0, sizeBytes: 300 };
  const settings = { ...NONE, retentionMs: 10 };
  assert.equal(decideRetention(head, batches(-1, 5, -1), settings, 100), 20);
  assert.equal(decideRetention(head, batches(-1, 95, -1), settings, 100), 0);
  assert.equal(decideRetention(head, batches(-1, -1), settings, 100), 0);
});
