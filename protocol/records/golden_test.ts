/** Reads batches that Java, librdkafka and kafka-python wrote; see `tests/fixtures/batches/README.md`. */

import assert from "node:assert/strict";
import java from "../../tests/fixtures/batches/java.json" with { type: "json" };
import kafkaPython from "../../tests/fixtures/batches/kafka_python.json" with { type: "json" };
import librdkafka from "../../tests/fixtures/batches/librdkafka.json" with { type: "json" };
import { buildControlBatch, readControlBatch } from "./control_record.ts";
import {
  assignOffsets,
  buildBatch,
  hasValidCrc,
  type KafkaRecord,
  readBatchHeader,
  readRecords,
  setLogAppendTime,
  validateProducedBatch,
  validateRecords,
} from "./record_batch.ts";

interface Fixture {
  name: string;
  hex: string;
  records?: unknown;
}

const fixtures: [string, Fixture[]][] = [["java", java], ["librdkafka", librdkafka], [
  "kafka-python",
  kafkaPython,
]];

for (const [author, list] of fixtures) {
  for (const fixture of list) {
    Deno.test(`readRecords() reads ${author}'s ${fixture.name}`, () => {
      const batch = fromHex(fixture.hex);
      assert.ok(hasValidCrc(batch));
      const records = readRecords(batch, { checkCrc: true });
      assert.deepEqual(records.map(toJson), fixture.records ?? largeRecords());
      const compression = fixture.name.split("-")[0]!;
      if (compression in { none: 1, gzip: 1, snappy: 1, lz4: 1, zstd: 1 }) {
        assert.equal(readBatchHeader(batch).compression, compression);
      }
    });
  }
}

for (const [author, list] of fixtures) {
  Deno.test(`validateProducedBatch() and validateRecords() accept ${author}'s batches as a client sends them`, () => {
    const sent = list.filter((fixture) => /-(small|large)$/.test(fixture.name));
    assert.ok(sent.length > 0);
    for (const fixture of sent) {
      const batch = fromHex(fixture.hex);
      // librdkafka's were fetched back: the offset was 0 and stays 0.
      const verdict = validateProducedBatch(batch, { maxMessageBytes: 1_048_588 });
      assert.ok(verdict.ok, `${fixture.name}: ${JSON.stringify(verdict)}`);
      const walk = validateRecords(batch, { maxDecompressedBytes: 1 << 20 });
      assert.ok(walk.ok, `${fixture.name}: ${JSON.stringify(walk)}`);
      assert.equal(walk.maxTimestamp, verdict.header.maxTimestamp);
    }
  });
}

Deno.test("readBatchHeader() reads every field of Java's transactional batch", () => {
  const batch = byName("none-transactional");
  const header = readBatchHeader(batch);
  assert.deepEqual(header, {
    baseOffset: 123456789012,
    batchLength: batch.length - 12,
    partitionLeaderEpoch: 42,
    magic: 2,
    crc: header.crc,
    attributes: 0x10,
    compression: "none",
    timestampType: "CreateTime",
    isTransactional: true,
    isControl: false,
    hasDeleteHorizon: false,
    lastOffsetDelta: 4,
    baseTimestamp: 1700000000000,
    maxTimestamp: 1700000001000,
    producerId: 4000000000123,
    producerEpoch: 7,
    baseSequence: 2147483645,
    recordCount: 5,
    sizeInBytes: batch.length,
  });
});

Deno.test("buildBatch() writes the very bytes of Java and kafka-python", () => {
  const records = readRecords(byName("none-small"));
  assert.deepEqual(buildBatch({ records }), byName("none-small"));
  // kafka-python leaves the leader epoch at 0.
  const python = kafkaPython.find((fixture) => fixture.name === "none-small")!.hex;
  assert.equal(toHex(buildBatch({ records, partitionLeaderEpoch: 0 })), python);
  const transactional = buildBatch({
    records,
    isTransactional: true,
    producerId: 4000000000123,
    producerEpoch: 7,
    baseSequence: 2147483645,
    baseOffset: 123456789012,
    partitionLeaderEpoch: 42,
  });
  assert.deepEqual(transactional, byName("none-transactional"));
});

Deno.test("assignOffsets() and setLogAppendTime() give what Java's broker stores", () => {
  const batch = buildBatch({ records: readRecords(byName("none-small")) });
  assignOffsets(batch, 5, 3);
  assert.ok(hasValidCrc(batch));
  setLogAppendTime(batch, 1711111111111);
  assert.deepEqual(batch, byName("none-log-append-time"));
});

Deno.test("buildControlBatch() writes Java's markers, readControlBatch() reads them", () => {
  const common = { producerId: 9001, producerEpoch: 3, partitionLeaderEpoch: 5 };
  const commit = buildControlBatch({
    ...common,
    type: "COMMIT",
    coordinatorEpoch: 11,
    timestamp: 1700000000000,
    baseOffset: 77,
  });
  assert.deepEqual(commit, byName("control-commit"));
  assert.deepEqual(readControlBatch(commit), { type: "COMMIT", coordinatorEpoch: 11 });
  const abort = byName("control-abort");
  assert.deepEqual(readControlBatch(abort), { type: "ABORT", coordinatorEpoch: 12 });
  const header = readBatchHeader(abort);
  assert.ok(header.isControl && header.isTransactional && header.baseSequence === -1);
});

function byName(name: string): Uint8Array {
  return fromHex(java.find((fixture) => fixture.name === name)!.hex);
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function toJson(record: KafkaRecord): unknown {
  return {
    offset: record.offset,
    timestamp: record.timestamp,
    key: record.key && toHex(record.key),
    value: record.value && toHex(record.value),
    headers: record.headers.map(({ key, value }) => [key, value && toHex(value)]),
  };
}

function largeRecords(): unknown {
  return Array.from({ length: 50 }, (_, i) => ({
    offset: i,
    timestamp: 1700000000000 + i,
    key: toHex(new TextEncoder().encode(`key-${i}`)),
    value: toHex(Uint8Array.from({ length: 4096 }, (_, j) => i * 31 + j % 97)),
    headers: [],
  }));
}
