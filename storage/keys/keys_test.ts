import assert from "node:assert/strict";
import fc from "fast-check";
import { emptyLogHead, type LogHead } from "../../core/partition/log_head.ts";
import { CorruptStorageError } from "../errors.ts";
import { compareKeys, keyBytes } from "../key_order.ts";
import { decodeAssignment, encodeAssignment } from "./assignment.ts";
import { attemptOfKey, decodeAttempt, encodeAttempt } from "./attempt.ts";
import { decodeCleanerCheckpoint, encodeCleanerCheckpoint } from "./cleaner_checkpoint.ts";
import { decodeTrimmedTimestamp, encodeTrimmedTimestamp } from "./trimmed_timestamp.ts";
import { BATCH_INDEX_OVERHEAD_BYTES, decodeBatchIndex, encodeBatchIndex } from "./batch_index.ts";
import { brokerFenceKey, decodeBrokerFence, encodeBrokerFence } from "./broker_fence.ts";
import { below } from "./keyspace.ts";
import { decodeLogHead, encodeLogHead, logHeadBytes } from "./log_head.ts";
import { baseOffsetOfKey, PartitionKeys, partitionOfKey } from "./partition.ts";
import { decodeProducer, encodeProducer } from "./producer.ts";
import { decodeNextProducerId, encodeNextProducerId } from "./producer_id.ts";
import { decodeShardHead, encodeShardHead } from "./shard_head.ts";
import { decodeStoreMeta, encodeStoreMeta } from "./store_meta.ts";
import { checkTimeIndexValue, timeEntryOfKey, timeIndexValue } from "./time_index.ts";
import {
  decodeTopic,
  decodeTopicName,
  encodeTopic,
  encodeTopicName,
  TOPIC_STATES,
  topicIdOfKey,
  topicKey,
} from "./topic.ts";

/** Plain objects, as the decoders make them. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const uuid = fc.uuid();
const int64 = fc.maxSafeInteger();
const offset = fc.maxSafeNat();
const int32 = fc.integer();
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const bytes = fc.uint8Array({ maxLength: 200 });
const text = fc.string({ unit: "binary", maxLength: 50 }).filter((each) => each.isWellFormed());
const token = record({ incarnation: uuid, opening: int32, n: offset });
const ids = fc.array(int32, { maxLength: 5 });

/** A family's value goes in and comes out; every shorter or longer one, another version, and one with a flipped bit, is corrupt. */
function roundTrips<T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  encode: (value: T) => Uint8Array,
  decode: (value: Uint8Array) => unknown,
  options: { readonly batchOf?: (value: T) => Uint8Array } = {},
): void {
  Deno.test(`${name}: what is encoded is decoded, and nothing else`, () => {
    fc.assert(fc.property(arbitrary, fc.nat(), (value, bit) => {
      const encoded = encode(value);
      assert.deepEqual(decode(encoded), value);
      assert.throws(() => decode(new Uint8Array()), CorruptStorageError);
      assert.throws(() => decode(encoded.with(0, 99)), CorruptStorageError);
      // A batch in its entry has a CRC of its own, which readers check.
      if (options.batchOf !== undefined) {
        const at = Math.floor(bit / 8) % (encoded.length - options.batchOf(value).length);
        const flipped = encoded.with(at, (encoded[at] ?? 0) ^ (1 << (bit % 8)));
        assert.throws(() => decode(flipped), CorruptStorageError);
        return;
      }
      const at = Math.floor(bit / 8) % encoded.length;
      const flipped = encoded.with(at, (encoded[at] ?? 0) ^ (1 << (bit % 8)));
      assert.throws(() => decode(flipped), CorruptStorageError);
      assert.throws(() => decode(encoded.subarray(0, encoded.length - 1)), CorruptStorageError);
      assert.throws(() => decode(new Uint8Array([...encoded, 0])), CorruptStorageError);
    }));
  });
}

roundTrips(
  "store meta",
  record({ layoutVersion: int32, clusterId: text, storeId: uuid }),
  encodeStoreMeta,
  decodeStoreMeta,
);
roundTrips(
  "broker fence",
  record({ incarnation: uuid, startCount: offset }),
  encodeBrokerFence,
  decodeBrokerFence,
);
roundTrips(
  "shard head",
  record({ token, fencedToken: token, payload: fc.option(bytes) }),
  encodeShardHead,
  decodeShardHead,
);
roundTrips("topic name", uuid, encodeTopicName, decodeTopicName);
roundTrips(
  "topic",
  record({
    name: text,
    state: fc.constantFrom(...TOPIC_STATES),
    partitionCount: int32,
    replicationFactor: fc.integer({ min: -1, max: 30_000 }),
    configs: fc.dictionary(text.filter((each) => each !== "__proto__"), text, { noNullPrototype: true }),
  }),
  encodeTopic,
  decodeTopic,
);
roundTrips(
  "assignment",
  fc.array(record({ leader: int32, leaderEpoch: int32, replicas: ids, isr: ids }), { maxLength: 20 }),
  encodeAssignment,
  decodeAssignment,
);
roundTrips("next producer id", offset, encodeNextProducerId, decodeNextProducerId);
roundTrips("attempt", record({ baseOffset: offset, chunkCount: int32 }), encodeAttempt, decodeAttempt);
roundTrips(
  "producer",
  record({
    producerId: fc.constant(7),
    producerEpoch: fc.integer({ min: -1, max: 32_767 }),
    lastAppendMs: int64,
    batches: fc.array(
      record({ baseSequence: int32, lastSequence: int32, baseOffset: offset, timestampMs: int64 }),
      { maxLength: 5 },
    ),
  }),
  encodeProducer,
  (value) => decodeProducer(7, value),
);

const entry = {
  leaderEpoch: int32,
  token,
  lastOffset: offset,
  maxTimestamp: int64,
  sizeBytes: fc.nat(),
  crc: uint32,
  previousCrc: uint32,
  chainCrc: uint32,
  // Of the negative numbers there is only -1, for none.
  deleteHorizonMs: fc.oneof(fc.constant(-1), offset),
  appendedMs: fc.oneof(fc.constant(-1), offset),
};
roundTrips(
  "batch index entry of pieces",
  record({
    ...entry,
    place: record({
      kind: fc.constant("chunks" as const),
      chunkBytes: fc.nat(),
      chunkCount: fc.nat(),
      attempt: fc.oneof(fc.constant(""), uuid),
    }),
  }),
  encodeBatchIndex,
  decodeBatchIndex,
);
roundTrips(
  "batch index entry with the batch",
  record({ ...entry, place: record({ kind: fc.constant("inline" as const), bytes }) }),
  encodeBatchIndex,
  decodeBatchIndex,
  { batchOf: ({ place }) => place.bytes },
);

roundTrips(
  "batch index entry of an extent",
  record({
    ...entry,
    place: record({ kind: fc.constant("extent" as const), fileNumber: fc.nat(), position: offset }),
  }),
  encodeBatchIndex,
  decodeBatchIndex,
);

roundTrips(
  "batch index entry of a hole",
  record({ ...entry, place: record({ kind: fc.constant("hole" as const) }) }),
  encodeBatchIndex,
  decodeBatchIndex,
);
roundTrips(
  "cleaner checkpoint",
  record({ firstDirtyOffset: offset, cleanBytes: offset, nextHorizonMs: int64, logStartOffset: offset }),
  encodeCleanerCheckpoint,
  decodeCleanerCheckpoint,
);
roundTrips("trimmed timestamp", int64, encodeTrimmedTimestamp, decodeTrimmedTimestamp);

const head: fc.Arbitrary<LogHead> = record({
  logStartOffset: offset,
  logEndOffset: offset,
  leaderEpoch: int32,
  epochs: fc.array(record({ epoch: int32, startOffset: offset }), { maxLength: 5 }),
  maxTimestamp: int64,
  maxTimestampOffset: int64,
  sizeBytes: offset,
});
const writer = record({
  batchCount: offset,
  lastCrc: uint32,
  batchesSinceTimeEntry: offset,
  bytesSinceTimeEntry: offset,
  hasTimeEntry: fc.boolean(),
  nextFileNumber: fc.nat(),
  files: fc.array(record({ number: fc.nat(), incarnation: uuid, opening: fc.nat(), liveBytes: offset }), {
    maxLength: 4,
  }),
});
roundTrips(
  "log head",
  fc.oneof(
    record({ state: fc.constant("live" as const), head, writer }),
    record({ state: fc.constant("deleted" as const) }),
  ),
  encodeLogHead,
  decodeLogHead,
);

Deno.test("a log head without a payload is an empty live log, and its length is known beforehand", () => {
  const payload = decodeLogHead(null);
  assert.ok(payload.state === "live");
  assert.deepEqual(payload.head, emptyLogHead);
  fc.assert(fc.property(head, writer, (head, writer) => {
    assert.equal(
      encodeLogHead({ state: "live", head, writer }).length,
      logHeadBytes(head, writer.files.length),
    );
  }));
});

Deno.test("an index entry with the batch has at most a known overhead; an unknown place is refused", () => {
  const encoded = encodeBatchIndex({
    leaderEpoch: 0,
    token: { incarnation: "00112233-4455-6677-8899-aabbccddeeff", opening: 1, n: 1 },
    lastOffset: 0,
    maxTimestamp: 0,
    sizeBytes: 5,
    crc: 0,
    previousCrc: 0,
    deleteHorizonMs: 1,
    place: { kind: "inline", bytes: new Uint8Array(5) },
  });
  assert.equal(encoded.length, BATCH_INDEX_OVERHEAD_BYTES + 5);
  assert.throws(() => decodeBatchIndex(encoded.with(1, 4)), CorruptStorageError);
});

/** Stored bytes are a promise: these were written before there were seals and must stay readable for ever. */
Deno.test("golden bytes of version 1 are read", () => {
  const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  assert.deepEqual(
    decodeBrokerFence(hex("0100112233445566778899aabbccddeeff")),
    { incarnation: "00112233-4455-6677-8899-aabbccddeeff", startCount: 0 },
  );
  assert.deepEqual(
    decodeBatchIndex(hex(
      "01" + "00" + "00000005" + "00112233445566778899aabbccddeeff" + "00000002" + "0000000000000003" +
        "000000000000002a" + "0000018bcfe56800" + "00000003" + "deadbeef" + "cafebabe" + "010203",
    )),
    {
      leaderEpoch: 5,
      token: { incarnation: "00112233-4455-6677-8899-aabbccddeeff", opening: 2, n: 3 },
      lastOffset: 42,
      maxTimestamp: 1_700_000_000_000,
      sizeBytes: 3,
      crc: 0xdeadbeef,
      previousCrc: 0xcafebabe,
      chainCrc: 0xdeadbeef,
      deleteHorizonMs: -1,
      appendedMs: -1,
      place: { kind: "inline", bytes: new Uint8Array([1, 2, 3]) },
    },
  );
  assert.deepEqual(
    decodeBatchIndex(hex(
      "02" + "03" + "00000005" + "00112233445566778899aabbccddeeff" + "00000002" + "0000000000000003" +
        "000000000000002a" + "0000018bcfe56800" + "00000003" + "deadbeef" + "cafebabe" + "0badf00d" +
        "0000018bcfe56801" + "0000018bcfe56802",
    )),
    {
      leaderEpoch: 5,
      token: { incarnation: "00112233-4455-6677-8899-aabbccddeeff", opening: 2, n: 3 },
      lastOffset: 42,
      maxTimestamp: 1_700_000_000_000,
      sizeBytes: 3,
      crc: 0xdeadbeef,
      previousCrc: 0xcafebabe,
      chainCrc: 0x0badf00d,
      deleteHorizonMs: 1_700_000_000_001,
      appendedMs: 1_700_000_000_002,
      place: { kind: "hole" },
    },
  );
  assert.deepEqual(decodeLogHead(hex("0101")), { state: "deleted" });
  assert.deepEqual(
    decodeLogHead(hex(
      "0100" + "0000000000000001" + "0000000000000002" + "00000003" + "00000001" + "00000003" +
        "0000000000000001" + "0000018bcfe56800" + "0000000000000001" + "0000000000000064" +
        "0000000000000001" + "deadbeef" + "0000000000000002" + "0000000000000003" + "01",
    )),
    {
      state: "live",
      head: {
        logStartOffset: 1,
        logEndOffset: 2,
        leaderEpoch: 3,
        epochs: [{ epoch: 3, startOffset: 1 }],
        maxTimestamp: 1_700_000_000_000,
        maxTimestampOffset: 1,
        sizeBytes: 100,
      },
      writer: {
        batchCount: 1,
        lastCrc: 0xdeadbeef,
        batchesSinceTimeEntry: 2,
        bytesSinceTimeEntry: 3,
        hasTimeEntry: true,
        nextFileNumber: 0,
        files: [],
      },
    },
  );
  checkTimeIndexValue(hex("01"));
});

/** Likewise those with a seal, which the tests beside this one compute as the code does. */
Deno.test("golden bytes with a seal are read, and are what is written", () => {
  const token = { incarnation: "00112233-4455-6677-8899-aabbccddeeff", opening: 2, n: 3 };
  const tokenHex = "00112233445566778899aabbccddeeff" + "00000002" + "0000000000000003";
  const shardHead = "c1" + tokenHex + tokenHex + "01" + "0102" + "ffb08440";
  const head = { token, fencedToken: token, payload: new Uint8Array([1, 2]) };
  assert.equal(encodeShardHead(head).toHex(), shardHead);
  assert.deepEqual(decodeShardHead(Uint8Array.fromHex(shardHead)), head);
  const deleted = "c201" + "209bf8c2";
  assert.equal(encodeLogHead({ state: "deleted" }).toHex(), deleted);
  assert.deepEqual(decodeLogHead(Uint8Array.fromHex(deleted)), { state: "deleted" });
  const fields = "00000005" + tokenHex + "000000000000002a" + "0000018bcfe56800" + "00000003" + "deadbeef" +
    "cafebabe";
  const entry = {
    leaderEpoch: 5,
    token,
    lastOffset: 42,
    maxTimestamp: 1_700_000_000_000,
    sizeBytes: 3,
    crc: 0xdeadbeef,
    previousCrc: 0xcafebabe,
    chainCrc: 0xdeadbeef,
    deleteHorizonMs: -1,
    appendedMs: -1,
  };
  const inline = { ...entry, place: { kind: "inline" as const, bytes: new Uint8Array([1, 2, 3]) } };
  // The seal stands before the batch.
  const inlineHex = "c100" + fields + "b71c91f9" + "010203";
  assert.equal(encodeBatchIndex(inline).toHex(), inlineHex);
  assert.deepEqual(decodeBatchIndex(Uint8Array.fromHex(inlineHex)), inline);
  const extent = { ...entry, appendedMs: 7, place: { kind: "extent" as const, fileNumber: 9, position: 8 } };
  const extentHex = "c202" + fields + "deadbeef" + "ffffffffffffffff" + "0000000000000007" + "00000009" +
    "0000000000000008" + "c0e74e01";
  assert.equal(encodeBatchIndex(extent).toHex(), extentHex);
  assert.deepEqual(decodeBatchIndex(Uint8Array.fromHex(extentHex)), extent);
});

Deno.test("keys name what they were made for", () => {
  fc.assert(
    fc.property(
      uuid,
      fc.nat(10_000),
      offset,
      uuid,
      int64,
      (topicId, partition, baseOffset, attempt, time) => {
        const keys = new PartitionKeys(topicId, partition);
        assert.deepEqual(partitionOfKey(keys.index(baseOffset)), {
          topicId,
          partition,
          family: "i",
          rest: [baseOffset],
        });
        assert.deepEqual(partitionOfKey(keys.chunk(baseOffset, attempt, 3)).rest, [baseOffset, attempt, 3]);
        assert.equal(baseOffsetOfKey(keys.index(baseOffset)), baseOffset);
        assert.equal(attemptOfKey(keys.attempt(attempt)), attempt);
        assert.deepEqual(timeEntryOfKey(keys.time(time, baseOffset)), { maxTimestamp: time, baseOffset });
        assert.equal(topicIdOfKey(topicKey(topicId)), topicId);
        checkTimeIndexValue(timeIndexValue);
      },
    ),
  );
});

Deno.test("keys are scanned in the order of their numbers, negative ones too", () => {
  const keys = new PartitionKeys("00112233-4455-6677-8899-aabbccddeeff", 0);
  fc.assert(fc.property(int64, int64, offset, offset, (a, b, x, y) => {
    assert.equal(Math.sign(compareKeys(keys.time(a, x), keys.time(b, y))), Math.sign(a - b || x - y));
    assert.equal(Math.sign(compareKeys(keys.index(x), keys.index(y))), Math.sign(x - y));
    assert.equal(Math.sign(compareKeys(keys.chunk(x, "b", 1), keys.chunk(y, "a", 2))), Math.sign(x - y || 1));
    assert.equal(Math.sign(compareKeys(brokerFenceKey(x), brokerFenceKey(y))), Math.sign(x - y));
  }));
});

Deno.test("the range of a partition holds all of its keys and none of its neighbours'", () => {
  const id = "00112233-4455-6677-8899-aabbccddeeff";
  const keysOf = (keys: PartitionKeys) => [
    keys.head,
    keys.index(0),
    keys.chunk(1, "", 0),
    keys.attempt(id),
    keys.producer(-1),
    keys.time(-1, 0),
  ];
  const keys = new PartitionKeys(id, 5);
  const { start, end } = keys.all();
  const isInside = (key: readonly (Uint8Array | string | number | bigint | boolean)[]) =>
    compareKeys(start, key) <= 0 && compareKeys(key, end) < 0;
  assert.ok(keysOf(keys).every(isInside));
  for (const [topicId, partition] of [[id, 4], [id, 6], [id.replace("ff", "fe"), 5]] as const) {
    assert.ok(!keysOf(new PartitionKeys(topicId, partition)).some(isInside));
  }
  assert.ok(keysOf(keys).every((key) => keyBytes(key) < 128));
  assert.ok(compareKeys(below(["p"]).start, ["p"]) > 0);
});
