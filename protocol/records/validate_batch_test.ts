/** The corruption table: what a hostile or broken producer can send, and Kafka's error for it. */

import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { COMPRESSIONS, FIELD, writeCrc, writeInt32, writeInt64 } from "./batch_header.ts";
import {
  BATCH_OVERHEAD,
  buildBatch,
  type BuildBatchOptions,
  deservesRecordWalk,
  readBatchHeader,
  readRecords,
  recompressBatch,
  type RecordErrorName,
  type ValidateBatchOptions,
  validateProducedBatch,
  validateRecords,
  validateRecordsInSteps,
  type ValidateRecordsOptions,
} from "./record_batch.ts";

const LIMITS: ValidateBatchOptions = { maxMessageBytes: 100_000 };
const WALK: ValidateRecordsOptions = { maxDecompressedBytes: 1 << 20 };

type Change = (batch: Uint8Array) => Uint8Array | void;

/** Changes that keep the CRC as it was. */
const UNCHECKED: [string, RecordErrorName, Change][] = [
  ["nothing at all", "INVALID_RECORD", () => new Uint8Array(0)],
  ["11 bytes", "INVALID_RECORD", (b) => b.subarray(0, 11)],
  ["16 bytes", "INVALID_RECORD", (b) => b.subarray(0, 16)],
  ["one byte short", "INVALID_RECORD", (b) => b.subarray(0, -1)],
  ["one byte long", "INVALID_RECORD", (b) => concat(b, Uint8Array.of(0))],
  ["two batches", "INVALID_RECORD", (b) => concat(b, b)],
  ["length 0", "CORRUPT_MESSAGE", (b) => writeInt32(b, FIELD.batchLength, 0)],
  ["length −1", "CORRUPT_MESSAGE", (b) => writeInt32(b, FIELD.batchLength, -1)],
  ["length −2^31", "CORRUPT_MESSAGE", (b) => writeInt32(b, FIELD.batchLength, -(2 ** 31))],
  ["length 2^31−1", "INVALID_RECORD", (b) => writeInt32(b, FIELD.batchLength, 2 ** 31 - 1)],
  ["length below a header's", "CORRUPT_MESSAGE", (b) => {
    writeInt32(b, FIELD.batchLength, 48);
    return b.subarray(0, 60);
  }],
  ["magic 0", "INVALID_RECORD", (b) => void (b[FIELD.magic] = 0)],
  ["magic 1", "INVALID_RECORD", (b) => void (b[FIELD.magic] = 1)],
  ["magic 3", "CORRUPT_MESSAGE", (b) => void (b[FIELD.magic] = 3)],
  ["magic −1", "CORRUPT_MESSAGE", (b) => void (b[FIELD.magic] = 255)],
  ["a wrong CRC", "CORRUPT_MESSAGE", (b) => void (b[FIELD.crc]! ^= 1)],
  ["a flipped attribute", "CORRUPT_MESSAGE", (b) => void (b[FIELD.attributes + 1]! ^= 7)],
  ["a flipped last byte", "CORRUPT_MESSAGE", (b) => void (b[b.length - 1]! ^= 0x80)],
  ["base offset 1", "INVALID_RECORD", (b) => writeInt64(b, FIELD.baseOffset, 1)],
];

/** Changes after which the CRC is computed anew: lies rather than accidents. */
const CHECKED: [string, RecordErrorName, Change][] = [
  ["lastOffsetDelta −1", "INVALID_RECORD", (b) => writeInt32(b, FIELD.lastOffsetDelta, -1)],
  ["lastOffsetDelta ≠ count−1", "INVALID_RECORD", (b) => writeInt32(b, FIELD.lastOffsetDelta, 3)],
  ["count 0", "INVALID_RECORD", (b) => writeInt32(b, FIELD.recordCount, 0)],
  ["count −1", "INVALID_RECORD", (b) => writeInt32(b, FIELD.recordCount, -1)],
  ["count 2^31", "INVALID_RECORD", (b) => writeInt32(b, FIELD.recordCount, 2 ** 31)],
  ["count 2^31−1 with its delta", "INVALID_RECORD", (b) => {
    writeInt32(b, FIELD.recordCount, 2 ** 31 - 1);
    writeInt32(b, FIELD.lastOffsetDelta, 2 ** 31 - 2);
  }],
  ["the control flag", "INVALID_RECORD", (b) => void (b[FIELD.attributes + 1]! |= 0x20)],
  ["the delete-horizon flag", "INVALID_RECORD", (b) => void (b[FIELD.attributes + 1]! |= 0x40)],
  ["attribute bit 7", "INVALID_RECORD", (b) => void (b[FIELD.attributes + 1]! |= 0x80)],
  ["attribute bit 15", "INVALID_RECORD", (b) => void (b[FIELD.attributes]! |= 0x80)],
  ["codec 5", "UNSUPPORTED_COMPRESSION_TYPE", (b) => void (b[FIELD.attributes + 1]! |= 5)],
  ["codec 7", "UNSUPPORTED_COMPRESSION_TYPE", (b) => void (b[FIELD.attributes + 1]! |= 7)],
  ["the LogAppendTime flag", "INVALID_TIMESTAMP", (b) => void (b[FIELD.attributes + 1]! |= 8)],
  ["transactional without producer id", "INVALID_RECORD", (b) => void (b[FIELD.attributes + 1]! |= 0x10)],
  ["producer id without sequence", "INVALID_RECORD", (b) => {
    writeInt64(b, FIELD.producerId, 5);
    b.set([0, 0], FIELD.producerEpoch);
  }],
  ["producer id without epoch", "INVALID_RECORD", (b) => {
    writeInt64(b, FIELD.producerId, 5);
    writeInt32(b, FIELD.baseSequence, 0);
  }],
  [
    "max timestamp 2^63−1",
    "INVALID_TIMESTAMP",
    (b) => b.set([0x7f, ...Array(7).fill(255)], FIELD.maxTimestamp),
  ],
  ["max timestamp −2^63", "INVALID_TIMESTAMP", (b) => b.set([0x80, 0, 0, 0, 0, 0, 0, 0], FIELD.maxTimestamp)],
  [
    "base timestamp 2^63−1",
    "INVALID_TIMESTAMP",
    (b) => b.set([0x7f, ...Array(7).fill(255)], FIELD.baseTimestamp),
  ],
];

for (const [checked, table] of [[false, UNCHECKED], [true, CHECKED]] as const) {
  for (const [name, error, change] of table) {
    Deno.test(`validateProducedBatch() returns ${error} for ${name}`, () => {
      const batch = sample();
      const changed = change(batch) ?? batch;
      if (checked) writeCrc(changed);
      const verdict = validateProducedBatch(changed, LIMITS);
      assert.ok(!verdict.ok);
      assert.equal(verdict.error, error, verdict.message);
    });
  }
}

Deno.test("validateProducedBatch() accepts what clients send", () => {
  const accepted: BuildBatchOptions[] = [
    { records: [record()] },
    { records: [record()], compression: "zstd" },
    { records: [record()], producerId: 1, producerEpoch: 0, baseSequence: 0, isTransactional: true },
    { records: [record()], producerId: 1, producerEpoch: 0, baseSequence: 2 ** 31 - 1 },
    // KafkaJS and Sarama without idempotence.
    { records: [record()], producerId: -1, producerEpoch: 0, baseSequence: 0 },
    { records: [{ ...record(), timestamp: -1 }] },
    { records: [record()], partitionLeaderEpoch: 7 },
  ];
  for (const options of accepted) {
    const batch = buildBatch(options);
    const verdict = validateProducedBatch(batch, { maxMessageBytes: batch.length });
    assert.ok(verdict.ok, JSON.stringify(verdict));
    assert.equal(verdict.header.sizeInBytes, batch.length);
  }
});

Deno.test("validateProducedBatch() holds size, timestamps and zstd to the given limits", () => {
  const batch = sample();
  const at = (options: Partial<ValidateBatchOptions>) => {
    const verdict = validateProducedBatch(batch, { ...LIMITS, ...options });
    return verdict.ok ? "ok" : verdict.error;
  };
  assert.equal(at({ maxMessageBytes: batch.length }), "ok");
  assert.equal(at({ maxMessageBytes: batch.length - 1 }), "MESSAGE_TOO_LARGE");
  assert.equal(at({ timestampMinMs: 1001, timestampMaxMs: 1001 }), "ok");
  assert.equal(at({ timestampMinMs: 1002 }), "INVALID_TIMESTAMP");
  assert.equal(at({ timestampMaxMs: 1000 }), "INVALID_TIMESTAMP");
  const zstd = buildBatch({ records: [record()], compression: "zstd" });
  const old = validateProducedBatch(zstd, { ...LIMITS, produceVersion: 6 });
  assert.equal(old.ok || old.error, "UNSUPPORTED_COMPRESSION_TYPE");
});

Deno.test("deservesRecordWalk() singles out a small compressed batch that claims many offsets", () => {
  const batch = buildBatch({ records: [record()], compression: "gzip" });
  writeInt32(batch, FIELD.recordCount, 2 ** 31 - 1);
  writeInt32(batch, FIELD.lastOffsetDelta, 2 ** 31 - 2);
  writeCrc(batch);
  const verdict = validateProducedBatch(batch, LIMITS);
  assert.ok(verdict.ok && deservesRecordWalk(verdict.header));
  const walk = validateRecords(batch, WALK);
  assert.equal(walk.ok || walk.error, "INVALID_RECORD");
  const honest = validateProducedBatch(buildBatch({ records: [record()], compression: "gzip" }), LIMITS);
  assert.ok(honest.ok && !deservesRecordWalk(honest.header));
});

/** One record's bytes in place of the right ones; the right ones are `0e 00 00 00 01 01 00 00`, less or more. */
const RECORDS: [string, number[]][] = [
  ["a record length of −1", [0x01]],
  ["a record length beyond the payload", [0x40, 0, 0, 0, 1, 1, 0]],
  ["a record length of 0", [0x00, 0, 0, 0, 1, 1, 0]],
  ["a varint of 6 bytes", [0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0]],
  ["a varint that never ends", [0x0c, 0, 0, 0x80, 0x80, 0x80, 0x80]],
  ["a varlong of 11 bytes", [0x20, 0, ...Array(10).fill(0x80), 1, 0, 1, 1, 0]],
  ["a key beyond the record", [0x0c, 0, 0, 0, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0]],
  ["a value beyond the record", [0x0c, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0, 0]],
  ["−1 headers", [0x0c, 0, 0, 0, 1, 1, 1]],
  ["2^30 headers", [0x14, 0, 0, 0, 1, 1, 0x80, 0x80, 0x80, 0x80, 0x08]],
  ["a header key of −1 bytes", [0x10, 0, 0, 0, 1, 1, 2, 1, 1]],
  ["a header key beyond the record", [0x10, 0, 0, 0, 1, 1, 2, 8, 1]],
  ["a header value beyond the record", [0x10, 0, 0, 0, 1, 1, 2, 0, 8]],
  ["a record longer than its fields", [0x0e, 0, 0, 0, 1, 1, 0, 0]],
  ["a record after the last", [0x0c, 0, 0, 0, 1, 1, 0, 0x0c, 0, 0, 2, 1, 1, 0]],
  ["an offset delta of 1", [0x0c, 0, 0, 2, 1, 1, 0]],
];

for (const compress of [false, true]) {
  for (const [name, bytes] of RECORDS) {
    Deno.test(`validateRecords() returns INVALID_RECORD for ${name}${compress ? ", compressed" : ""}`, () => {
      const verdict = validateRecords(withRecords(bytes, compress), WALK);
      assert.equal(verdict.ok || verdict.error, "INVALID_RECORD");
    });
  }
}

Deno.test("validateRecords() accepts the record that the table above is made from", () => {
  for (const compress of [false, true]) {
    const verdict = validateRecords(withRecords([0x0c, 0, 0, 0, 1, 1, 0], compress), WALK);
    assert.ok(verdict.ok);
    assert.deepEqual([verdict.maxTimestamp, verdict.payload.length], [1000, 7]);
  }
});

Deno.test("validateRecords() holds keys, timestamps and the decompressed size to the given limits", () => {
  const batch = buildBatch({
    records: [record(), { ...record(), key: null, timestamp: 2000 }],
    compression: "gzip",
  });
  const at = (options: Partial<ValidateRecordsOptions>) => {
    const verdict = validateRecords(batch, { ...WALK, ...options });
    return verdict.ok ? verdict.maxTimestamp : verdict.error;
  };
  assert.equal(at({}), 2000);
  assert.equal(at({ requireKeys: true }), "INVALID_RECORD");
  assert.equal(at({ timestampMaxMs: 1999 }), "INVALID_TIMESTAMP");
  assert.equal(at({ timestampMinMs: 1001 }), "INVALID_TIMESTAMP");
  assert.equal(at({ maxDecompressedBytes: 10 }), "MESSAGE_TOO_LARGE");
  const corrupt = batch.slice();
  corrupt[BATCH_OVERHEAD + 12]! ^= 0xff;
  const verdict = validateRecords(corrupt, WALK);
  assert.equal(verdict.ok || verdict.error, "CORRUPT_MESSAGE");
});

Deno.test("validateRecords() names the records to blame, the timestamp before the key", () => {
  const batch = buildBatch({
    records: [record(), { ...record(), key: null }, { ...record(), timestamp: 2000 }, {
      ...record(),
      key: null,
    }],
  });
  const blamed = (options: Partial<ValidateRecordsOptions>) => {
    const verdict = validateRecords(batch, { ...WALK, ...options });
    return verdict.ok ? [] : [verdict.error, ...(verdict.recordFaults ?? []).map(({ index }) => index)];
  };
  assert.deepEqual(blamed({ requireKeys: true }), ["INVALID_RECORD", 1, 3]);
  assert.deepEqual(blamed({ timestampMaxMs: 1999 }), ["INVALID_TIMESTAMP", 2]);
  assert.deepEqual(blamed({ requireKeys: true, timestampMaxMs: 1999 }), ["INVALID_TIMESTAMP", 1, 2, 3]);
});

Deno.test("recompressBatch() changes the codec and nothing else", () => {
  const batch = buildBatch({
    records: [record(), { ...record(), timestamp: 1500 }, record()],
    compression: "gzip",
  });
  const walked = validateRecords(batch, WALK);
  assert.ok(walked.ok);
  const values = (bytes: Uint8Array) =>
    readRecords(bytes, { checkCrc: true }).map(({ key, value, timestamp }) => [key, value, timestamp]);
  for (const compression of COMPRESSIONS) {
    const { payload, maxTimestamp } = walked;
    const other = recompressBatch(batch, { compression, payload, maxTimestamp, level: 1 });
    const verdict = validateProducedBatch(other, { maxMessageBytes: 10_000 });
    assert.ok(verdict.ok, compression);
    const { compression: codec, sizeInBytes, recordCount } = verdict.header;
    assert.deepEqual([codec, sizeInBytes, recordCount], [compression, other.length, 3]);
    assert.equal(verdict.header.maxTimestamp, 1500);
    assert.deepEqual(values(other), values(batch));
  }
});

function record() {
  return { key: Uint8Array.of(1), value: new Uint8Array(40).fill(2), headers: [], timestamp: 1000 };
}

function sample(): Uint8Array {
  return buildBatch({ records: [record(), { ...record(), timestamp: 1001 }] });
}

/** A batch of one record whose payload is `bytes`, with base timestamp 1000. */
function withRecords(bytes: number[], isCompressed: boolean): Uint8Array {
  const payload = isCompressed ? gzipSync(Uint8Array.from(bytes)) : Uint8Array.from(bytes);
  const header = buildBatch({ records: [record()], compression: isCompressed ? "gzip" : "none" });
  const batch = concat(header.subarray(0, BATCH_OVERHEAD), payload);
  writeInt32(batch, FIELD.batchLength, batch.length - 12);
  writeCrc(batch);
  return batch;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

/** Rests of a walk, and its verdict. */
function walked(payload: Uint8Array, recordCount: number) {
  const header = { ...readBatchHeader(buildBatch({ records: [record()] })), recordCount };
  const steps = validateRecordsInSteps(header, payload, {});
  for (let count = 0;; count++) {
    const step = steps.next();
    if (step.done === true) return { count, verdict: step.value };
  }
}

Deno.test("validateRecordsInSteps() rests among many records and within one of many headers", () => {
  const tiny = readRecordsSection(Array.from({ length: 100_000 }, () => record()));
  const many = walked(tiny, 100_000);
  assert.ok(many.verdict.ok);
  assert.ok(many.count >= 10, `${many.count} rests`);
  const headers = Array.from({ length: 500_000 }, () => ({ key: "", value: null }));
  const one = walked(readRecordsSection([{ ...record(), headers }]), 1);
  assert.ok(one.verdict.ok);
  assert.ok(one.count >= 10, `${one.count} rests`);
  const cut = walked(tiny.subarray(0, tiny.length - 1), 100_000);
  assert.ok(!cut.verdict.ok && cut.verdict.error === "INVALID_RECORD");
  const more = walked(tiny, 99_999);
  assert.ok(!more.verdict.ok && more.verdict.error === "INVALID_RECORD");
});

/** The records of a batch without its header. */
function readRecordsSection(records: BuildBatchOptions["records"]): Uint8Array {
  return buildBatch({ records }).subarray(BATCH_OVERHEAD);
}
