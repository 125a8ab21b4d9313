import assert from "node:assert/strict";
import fc from "fast-check";
import {
  buildBatch,
  emptyBatch,
  filterBatch,
  hasValidCrc,
  readBatchHeader,
  readRecords,
} from "./record_batch.ts";

const record = fc.record({
  key: fc.option(fc.uint8Array({ maxLength: 20 })),
  value: fc.option(fc.uint8Array({ maxLength: 90 })),
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 5 }), value: fc.constant(null) }), {
    maxLength: 2,
  }),
  timestamp: fc.integer({ min: -1, max: 2 ** 41 }),
});

Deno.test("filterBatch() keeps records as they were, with their offsets and timestamps", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(record, fc.boolean()), { minLength: 1, maxLength: 12 }),
    fc.constantFrom("none" as const, "gzip" as const, "lz4" as const, "snappy" as const),
    fc.constantFrom("CreateTime" as const, "LogAppendTime" as const),
    (pairs, compression, timestampType) => {
      const batch = buildBatch({
        records: pairs.map(([each]) => each),
        compression,
        timestampType,
        baseOffset: 1_000,
        producerId: 7,
        producerEpoch: 2,
        baseSequence: 40,
      });
      const all = readRecords(batch);
      const expected = all.filter((_, i) => pairs[i]?.[1]);
      const { bytes, keptCount, hasTombstones, maxTimestamp } = filterBatch(
        batch,
        ({ offset }) => pairs[offset - 1_000]?.[1] ?? false,
      );
      assert.equal(keptCount, expected.length);
      assert.equal(hasTombstones, expected.some(({ value }) => value === null));
      assert.equal(maxTimestamp, expected.reduce((max, { timestamp }) => Math.max(max, timestamp), -1));
      if (bytes === null) return assert.equal(expected.length, 0);
      if (expected.length === all.length) assert.equal(bytes, batch);
      assert.ok(hasValidCrc(bytes));
      assert.deepEqual(readRecords(bytes), expected);
      const { recordCount: _a, sizeInBytes: _b, batchLength: _c, crc: _d, maxTimestamp: _e, ...before } =
        readBatchHeader(batch);
      const { recordCount, sizeInBytes, batchLength: _f, crc: _g, maxTimestamp: max, ...after } =
        readBatchHeader(bytes);
      assert.deepEqual(after, before);
      assert.equal(recordCount, expected.length);
      assert.equal(sizeInBytes, bytes.length);
      assert.equal(max, maxTimestamp);
    },
  ));
});

Deno.test("emptyBatch() leaves who sent the batch, and as what", () => {
  const batch = buildBatch({
    records: [1, 2, 3].map((timestamp) => ({ key: null, value: new Uint8Array(9), headers: [], timestamp })),
    compression: "gzip",
    baseOffset: 5,
    producerId: 7,
    producerEpoch: 2,
    baseSequence: 40,
    isTransactional: true,
  });
  const empty = emptyBatch(batch);
  assert.equal(empty.length, 61);
  assert.ok(hasValidCrc(empty));
  assert.deepEqual(readRecords(empty), []);
  const {
    baseOffset,
    lastOffsetDelta,
    producerId,
    producerEpoch,
    baseSequence,
    isTransactional,
    maxTimestamp,
  } = readBatchHeader(empty);
  assert.deepEqual(
    [baseOffset, lastOffsetDelta, producerId, producerEpoch, baseSequence, isTransactional, maxTimestamp],
    [5, 2, 7, 2, 40, true, 3],
  );
});
