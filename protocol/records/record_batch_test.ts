import assert from "node:assert/strict";
import fc from "fast-check";
import {
  assignOffsets,
  BATCH_OVERHEAD,
  buildBatch,
  type Compression,
  CorruptRecordError,
  emptyBatch,
  hasValidCrc,
  iterateRecords,
  readBatchHeader,
  readRecords,
  RecordError,
  setLogAppendTime,
  splitBatches,
  validateProducedBatch,
  validateRecords,
} from "./record_batch.ts";
import { buildControlBatch, readControlBatch } from "./control_record.ts";

const CODECS: Compression[] = ["none", "gzip", "snappy", "lz4", "zstd"];
const nullable = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null });
const record = fc.record({
  key: nullable,
  value: nullable,
  headers: fc.array(fc.record({ key: fc.string({ unit: "grapheme", maxLength: 40 }), value: nullable }), {
    maxLength: 4,
  }),
  timestamp: fc.oneof(
    fc.constant(-1),
    fc.integer({ min: 0, max: 4_000_000_000_000 }),
    fc.integer({ min: 1_700_000_000_000, max: 1_700_000_010_000 }),
    fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 2 }),
  ),
});
const batchFields = fc.record({
  baseOffset: fc.maxSafeNat().map((n) => Math.min(n, Number.MAX_SAFE_INTEGER - 1000)),
  partitionLeaderEpoch: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  producerId: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
  producerEpoch: fc.integer({ min: -1, max: 32767 }),
  baseSequence: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  isTransactional: fc.boolean(),
});

for (const compression of CODECS) {
  Deno.test(`readRecords() gives back what buildBatch() was given, ${compression}`, () => {
    const property = fc.property(
      fc.array(record, { minLength: 1, maxLength: 40 }),
      batchFields,
      (records, fields) => {
        const batch = buildBatch({ records, compression, ...fields });
        const header = readBatchHeader(batch);
        assert.partialDeepStrictEqual(header, {
          ...fields,
          compression,
          recordCount: records.length,
          lastOffsetDelta: records.length - 1,
          sizeInBytes: batch.length,
          timestampType: "CreateTime",
          maxTimestamp: Math.max(...records.map((r) => r.timestamp)),
        });
        const expected = records.map((r, i) => ({ ...r, offset: fields.baseOffset + i }));
        assert.deepEqual(plain(readRecords(batch, { checkCrc: true })), plain(expected));
        assert.deepEqual(plain([...iterateRecords(batch)]), plain(expected));
        const walk = validateRecords(batch, { maxDecompressedBytes: 1 << 22 });
        assert.ok(walk.ok);
        assert.equal(walk.maxTimestamp, header.maxTimestamp);
      },
    );
    fc.assert(property, { numRuns: 150 });
  });

  Deno.test(`a batch of 100,000 records survives, ${compression}`, () => {
    const value = new Uint8Array(20).fill(7);
    const records = Array.from(
      { length: 100_000 },
      (_, i) => ({ key: null, value, headers: [], timestamp: i }),
    );
    const batch = buildBatch({ records, compression });
    const read = readRecords(batch);
    assert.equal(read.length, 100_000);
    assert.deepEqual(plain([read[99_999]!]), plain([{ ...records[99_999]!, offset: 99_999 }]));
  });
}

Deno.test("readRecords() decodes every header key as UTF-8, with byte order marks and past 64 bytes", () => {
  const keys = ["", "a", "\ufeffa", "clé", "a".repeat(64), "a".repeat(65), "é".repeat(40)];
  const headers = keys.map((key) => ({ key, value: null }));
  const [read] = readRecords(buildBatch({ records: [{ key: null, value: null, headers, timestamp: 0 }] }));
  assert.deepEqual(read!.headers.map((header) => header.key), keys);
});

Deno.test("readRecords() gives views of an uncompressed batch, not copies", () => {
  const batch = buildBatch({
    records: [{ key: null, value: Uint8Array.of(1, 2), headers: [], timestamp: 0 }],
  });
  assert.equal(readRecords(batch)[0]!.value!.buffer, batch.buffer);
});

Deno.test("setLogAppendTime() makes its time every record's, assignOffsets() leaves the CRC right", () => {
  const records = [1, 2].map((timestamp) => ({ key: null, value: null, headers: [], timestamp }));
  const batch = buildBatch({ records, compression: "lz4" });
  assignOffsets(batch, 2 ** 40 + 5, 9);
  assert.ok(hasValidCrc(batch));
  setLogAppendTime(batch, 1_800_000_000_000);
  assert.ok(hasValidCrc(batch));
  assert.deepEqual(
    readRecords(batch).map(({ offset, timestamp }) => [offset, timestamp]),
    [[2 ** 40 + 5, 1_800_000_000_000], [2 ** 40 + 6, 1_800_000_000_000]],
  );
});

Deno.test("splitBatches() walks a record set, and takes a cut one only when told", () => {
  const one = sample();
  const two = sample(3);
  const set = new Uint8Array([...one, ...two]);
  const views = splitBatches(set);
  assert.deepEqual(views.map((view) => [view.position, view.header.recordCount]), [[0, 1], [one.length, 3]]);
  assert.deepEqual(views[1]!.bytes, two);
  assert.equal(views[1]!.bytes.buffer, set.buffer);
  assert.deepEqual(splitBatches(new Uint8Array(0)), []);
  for (let length = one.length + 1; length < set.length; length++) {
    assert.throws(() => splitBatches(set.subarray(0, length)), CorruptRecordError);
    assert.equal(splitBatches(set.subarray(0, length), { allowPartial: true }).length, 1);
  }
  const corrupt = set.slice();
  corrupt.set([0xff, 0xff, 0xff, 0xf4], one.length + 8); // a size of 0: must not loop
  assert.throws(() => splitBatches(corrupt, { allowPartial: true }), CorruptRecordError);
});

Deno.test("readControlBatch() skips unknown types and emptied batches, and refuses what is no marker", () => {
  const marker = { coordinatorEpoch: 5, producerId: 1, producerEpoch: 0, timestamp: 1 } as const;
  const batch = buildControlBatch({ type: "COMMIT", ...marker });
  const leaderChange = batch.slice();
  leaderChange[BATCH_OVERHEAD + 8] = 2;
  assert.equal(readControlBatch(leaderChange), null);
  assert.equal(readControlBatch(emptyBatch(batch)), null);
  assert.throws(() => readControlBatch(sample()), CorruptRecordError);
  const control = (key: Uint8Array | null, value: Uint8Array | null) =>
    buildBatch({ records: [{ key, value, headers: [], timestamp: 0 }], isControl: true });
  const key = Uint8Array.of(0, 0, 0, 1);
  const value = new Uint8Array(6);
  assert.deepEqual(readControlBatch(control(key, value)), { type: "COMMIT", coordinatorEpoch: 0 });
  for (
    const bad of [
      control(null, value),
      control(key.subarray(1), value),
      control(Uint8Array.of(0x80, 0, 0, 1), value),
      control(key, null),
      control(key, value.subarray(1)),
      control(key, new Uint8Array(6).fill(0xff)),
    ]
  ) assert.throws(() => readControlBatch(bad), CorruptRecordError);
});

for (const compression of CODECS) {
  Deno.test(`flipped bytes raise nothing but typed errors, ${compression}`, () => {
    const batch = sample(6, compression);
    fc.assert(
      fc.property(
        fc.nat(batch.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.nat(batch.length),
        (at, flip, cut) => {
          const flipped = batch.slice();
          flipped[at]! ^= flip;
          const verdict = validateProducedBatch(flipped, { maxMessageBytes: 1 << 20 });
          // The CRC covers all but the first 21 bytes, of which only the leader epoch is free.
          assert.equal(verdict.ok, at >= 12 && at < 16, `byte ${at}`);
          for (const bytes of [flipped, flipped.subarray(0, cut)]) {
            onlyTyped(() => readRecords(bytes, { maxDecompressedBytes: 1 << 20 }));
            onlyTyped(() => splitBatches(bytes, { allowPartial: true }));
            onlyTyped(() => readControlBatch(bytes));
            validateProducedBatch(bytes, { maxMessageBytes: 1 << 20 });
            validateRecords(bytes, { maxDecompressedBytes: 1 << 20 });
          }
        },
      ),
      { numRuns: 1500 },
    );
  });
}

function onlyTyped(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof RecordError, String(error));
  }
}

function sample(count = 1, compression: Compression = "none"): Uint8Array {
  const headers = [{ key: "trace", value: Uint8Array.of(1, 2, 3) }, { key: "none", value: null }];
  const records = Array.from({ length: count }, (_, i) => ({
    key: Uint8Array.of(i),
    value: new Uint8Array(50).fill(i),
    headers,
    timestamp: 1_700_000_000_000 + i,
  }));
  return buildBatch({ records, compression });
}

/** Copies without the prototypes and views that deepEqual would tell apart. */
function plain(
  records: readonly { offset: number; key: Uint8Array | null; value: Uint8Array | null }[],
): unknown {
  return JSON.parse(
    JSON.stringify(records, (_, value) => value instanceof Uint8Array ? [...value].join() : value),
  );
}
