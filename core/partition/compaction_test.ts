import assert from "node:assert/strict";
import { buildControlBatch } from "../../protocol/records/control_record.ts";
import { buildBatch, readBatchHeader, readRecords } from "../../protocol/records/record_batch.ts";
import {
  type BatchDecision,
  compactionDue,
  CompactionPass,
  type CompactionSettings,
  estimateCleanBytes,
  isTooYoung,
  mapBatch,
  noCheckpoint,
} from "./compaction.ts";
import { OffsetMap } from "./offset_map.ts";

const settings: CompactionSettings = {
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Infinity,
  deleteRetentionMs: 100,
};
const log = { logStartOffset: 0, lastStableOffset: 100, sizeBytes: 1_000, oldestDirtyTimestamp: 5_000 };
const checkpoint = { firstDirtyOffset: 50, cleanBytes: 500, nextHorizonMs: -1, logStartOffset: 0 };

function batch(
  baseOffset: number,
  records: readonly (readonly [key: string | null, value: string | null])[],
  transaction?: number,
): Uint8Array {
  const encoder = new TextEncoder();
  return buildBatch({
    baseOffset,
    records: records.map(([key, value]) => ({
      key: key === null ? null : encoder.encode(key),
      value: value === null ? null : encoder.encode(value),
      headers: [],
      timestamp: 1,
    })),
    ...(transaction !== undefined && {
      producerId: transaction,
      producerEpoch: 0,
      baseSequence: 0,
      isTransactional: true,
    }),
  });
}

function marker(baseOffset: number, producerId: number, type: "ABORT" | "COMMIT"): Uint8Array {
  return buildControlBatch({
    type,
    coordinatorEpoch: 0,
    producerId,
    producerEpoch: 0,
    timestamp: 1,
    baseOffset,
  });
}

interface PassOptions {
  readonly batches: readonly Uint8Array[];
  readonly aborted?: readonly {
    readonly producerId: number;
    readonly firstOffset: number;
    readonly lastOffset: number;
  }[];
  readonly horizons?: readonly number[];
  readonly nowMs?: number;
  readonly endOffset?: number;
  readonly lastOfProducer?: number;
}

function pass({ batches, horizons, nowMs = 1_000, ...options }: PassOptions): BatchDecision[] {
  const aborted = (options.aborted ?? []).map((each) => ({ ...each, lastStableOffset: each.lastOffset + 1 }));
  const map = new OffsetMap(0, 7);
  for (const each of batches) mapBatch(each, map, aborted);
  const run = new CompactionPass({
    map,
    nowMs,
    deleteRetentionMs: settings.deleteRetentionMs,
    endOffset: options.endOffset ?? 1_000,
    isLastOfProducer: ({ baseOffset }) => baseOffset === options.lastOfProducer,
  });
  return batches.map((bytes, i) => run.decide({ bytes, deleteHorizonMs: horizons?.[i] ?? -1 }, aborted));
}

const keep = { type: "keep", deleteHorizonMs: -1 } as const;
const remove = { type: "remove" } as const;

Deno.test("compactionDue() wants more than the ratio dirty, unless something waits for too long or its time is over", () => {
  assert.equal(compactionDue(log, checkpoint, settings, 6_000), null);
  assert.equal(compactionDue({ ...log, sizeBytes: 1_001 }, checkpoint, settings, 6_000), "ratio");
  assert.equal(compactionDue(log, noCheckpoint, settings, 6_000), "ratio");
  assert.equal(compactionDue({ ...log, lastStableOffset: 50 }, checkpoint, settings, 6_000), null);
  const lagged = { ...settings, maxCompactionLagMs: 900 };
  assert.equal(compactionDue(log, checkpoint, lagged, 5_900), null);
  assert.equal(compactionDue(log, checkpoint, lagged, 5_901), "lag");
  const young = { ...settings, minCompactionLagMs: 2_000 };
  assert.equal(compactionDue(log, noCheckpoint, young, 6_000), null);
  assert.equal(compactionDue(log, noCheckpoint, young, 7_000), "ratio");
  // A producer's clock that is ahead holds nothing up where no lag is wanted.
  assert.equal(
    compactionDue({ ...log, oldestDirtyTimestamp: 99_000 }, noCheckpoint, settings, 6_000),
    "ratio",
  );
  assert.equal(compactionDue(log, { ...checkpoint, nextHorizonMs: 6_001 }, settings, 6_000), null);
  assert.equal(compactionDue(log, { ...checkpoint, nextHorizonMs: 6_000 }, settings, 6_000), "horizon");
});

Deno.test("isTooYoung() protects what is not older than min.compaction.lag.ms", () => {
  const young = { ...settings, minCompactionLagMs: 100 };
  assert.ok(!isTooYoung(900, young, 1_000));
  assert.ok(isTooYoung(901, young, 1_000));
  assert.ok(!isTooYoung(5_000, settings, 1_000));
});

Deno.test("estimateCleanBytes() takes off what was deleted since", () => {
  assert.equal(estimateCleanBytes({ logStartOffset: 0 }, checkpoint), 500);
  assert.equal(estimateCleanBytes({ logStartOffset: 25 }, checkpoint), 250);
  assert.equal(estimateCleanBytes({ logStartOffset: 70 }, checkpoint), 0);
});

Deno.test("a pass keeps the newest record of each key, and no record without a key", () => {
  const [first, second, third] = pass({
    batches: [
      batch(0, [["a", "1"], ["b", "1"], [null, "x"]]),
      batch(3, [["a", "2"]]),
      batch(4, [["a", "3"], ["c", "1"]]),
    ],
  });
  assert.ok(first?.type === "replace");
  assert.deepEqual(readRecords(first.bytes).map(({ offset }) => offset), [1]);
  assert.deepEqual([second, third], [remove, keep]);
});

Deno.test("a tombstone gets a horizon, stays until it, and goes after", () => {
  const batches = [batch(0, [["a", "1"]]), batch(1, [["a", null], ["b", "1"]])];
  assert.deepEqual(pass({ batches }), [remove, { type: "keep", deleteHorizonMs: 1_100 }]);
  const [, before] = pass({ batches, horizons: [-1, 1_100], nowMs: 1_099 });
  assert.deepEqual(before, { type: "keep", deleteHorizonMs: 1_100 });
  const [, after] = pass({ batches, horizons: [-1, 1_100], nowMs: 1_100 });
  assert.ok(after?.type === "replace" && after.deleteHorizonMs === -1);
  assert.deepEqual(readRecords(after.bytes).map(({ offset }) => offset), [2]);
});

Deno.test("what was aborted goes and counts for nothing; its marker stays while anything of it was there, then for its time", () => {
  const batches = [
    batch(0, [["a", "kept"]]),
    batch(1, [["a", "aborted"]], 7),
    marker(2, 7, "ABORT"),
    batch(3, [["b", "committed"]], 7),
    marker(4, 7, "COMMIT"),
  ];
  const aborted = [{ producerId: 7, firstOffset: 1, lastOffset: 2 }];
  assert.deepEqual(pass({ batches, aborted }), [keep, remove, keep, keep, keep]);
  const rest = [batches[0], batches[2], batches[3], batches[4]].map((each) => each as Uint8Array);
  assert.deepEqual(pass({ batches: rest, aborted }), [
    keep,
    { type: "keep", deleteHorizonMs: 1_100 },
    keep,
    keep,
  ]);
  const horizons = [-1, 1_100, -1, -1];
  assert.deepEqual(pass({ batches: rest, aborted, horizons, nowMs: 1_100 }), [keep, remove, keep, keep]);
});

Deno.test("the last batch of a pass and the newest of a producer stay, if only their headers", () => {
  const batches = [
    batch(0, [["a", "1"]], 7),
    batch(1, [["b", "1"], ["b", "2"]], 8),
    marker(3, 7, "ABORT"),
    marker(4, 8, "ABORT"),
  ];
  const aborted = [{ producerId: 7, firstOffset: 0, lastOffset: 3 }, {
    producerId: 8,
    firstOffset: 1,
    lastOffset: 4,
  }];
  const [first, second] = pass({ batches, aborted, endOffset: 3, lastOfProducer: 0 });
  for (const [decision, baseOffset, lastOffsetDelta] of [[first, 0, 0], [second, 1, 1]] as const) {
    assert.ok(decision?.type === "replace");
    const header = readBatchHeader(decision.bytes);
    assert.deepEqual(
      [header.baseOffset, header.lastOffsetDelta, header.recordCount, header.isTransactional],
      [baseOffset, lastOffsetDelta, 0, true],
    );
  }
  const empty = first?.type === "replace" ? first.bytes : new Uint8Array();
  assert.deepEqual(pass({ batches: [empty], aborted, lastOfProducer: 0 }), [keep]);
  assert.deepEqual(pass({ batches: [empty], aborted }), [remove]);
});
