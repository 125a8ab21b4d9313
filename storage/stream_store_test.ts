/** Streams on a store in memory: what comes back, what is replaced, golden bytes. */
import assert from "node:assert/strict";
import { sealed, unsealed } from "./keys/sealed_testkit.ts";
import type { StreamRecord } from "../core/stream/stream_record.ts";
import { emptyWriterState } from "../core/stream/writer_state.ts";
import { CorruptStorageError } from "./errors.ts";
import {
  decodeStreamRecord,
  decodeWriterSnapshot,
  encodeStreamRecord,
  encodeWriterSnapshot,
} from "./keys/stream.ts";
import { MemoryStorage } from "./memory.ts";
import { openShards, TOPIC_ID } from "./storage_testkit.ts";
import { removeWriterSnapshot, StreamStore, WriterSnapshots } from "./stream_store.ts";

const plain: StreamRecord = {
  path: "a/ü",
  streamId: TOPIC_ID,
  state: "ACTIVE",
  topic: "a-1",
  contentType: "text/plain",
  createdAtMs: 5,
  lastAccessMs: 6,
  lifetime: { ttlSeconds: null, expiresAtMs: null },
  wishedLifetime: { ttlSeconds: null, expiresAtMs: null },
  base: 0,
  segments: [],
  fork: null,
  forkCount: 0,
};

const fork: StreamRecord = {
  ...plain,
  path: "fork",
  state: "SOFT_DELETED",
  lifetime: { ttlSeconds: 7, expiresAtMs: null },
  wishedLifetime: { ttlSeconds: null, expiresAtMs: 8 },
  base: 9,
  segments: [{ topicId: TOPIC_ID, base: 0, end: 9 }],
  fork: { from: "a/ü", sourceId: TOPIC_ID, offset: 8, offsetGiven: true, subOffset: 1 },
  forkCount: 3,
};

Deno.test("streams come back, removed ones do not, and garbage stays until it is collected", async () => {
  const storage = new MemoryStorage();
  const store = await StreamStore.open(await openShards(storage));
  await store.commit([{ type: "put", record: plain }, { type: "put", record: fork }]);
  await store.commit([{ type: "remove", path: plain.path }, { type: "addGarbage", streamId: TOPIC_ID }]);
  const again = await StreamStore.open(await openShards(storage));
  assert.deepEqual(again.records, [fork]);
  assert.deepEqual(again.garbage, [TOPIC_ID]);
  await again.commit([{ type: "removeGarbage", streamId: TOPIC_ID }]);
  assert.deepEqual((await StreamStore.open(await openShards(storage))).garbage, []);
});

Deno.test("an older registry is fenced by the next one", async () => {
  const storage = new MemoryStorage();
  const older = await StreamStore.open(await openShards(storage));
  await StreamStore.open(await openShards(storage));
  await assert.rejects(older.commit([{ type: "put", record: plain }]), { name: "FencedError" });
});

Deno.test("a snapshot is replaced as a whole, also by a smaller one, and removed", async () => {
  const storage = new MemoryStorage();
  const shards = await openShards(storage);
  const snapshots = new WriterSnapshots(shards, TOPIC_ID);
  assert.equal(await snapshots.load(), null);
  const large = emptyWriterState();
  for (let index = 0; index < 1_000; index++) {
    large.producers.set(`${index}`.padStart(256, "p"), { epoch: 1, lastSeq: index });
  }
  await snapshots.save({ offset: 5, state: large, closedTail: null });
  assert.deepEqual(await new WriterSnapshots(shards, TOPIC_ID).load(), {
    offset: 5,
    state: large,
    closedTail: null,
  });
  const closedBy = { id: "p", epoch: 2, seq: 3 };
  const small = { ...emptyWriterState(), streamSeq: "s", closed: true, closedBy };
  await snapshots.save({ offset: 6, state: small, closedTail: 4 });
  const found = await new WriterSnapshots(shards, TOPIC_ID).load();
  assert.deepEqual(found, { offset: 6, state: small, closedTail: 4 });
  await removeWriterSnapshot(shards, TOPIC_ID);
  assert.equal(await new WriterSnapshots(shards, TOPIC_ID).load(), null);
});

Deno.test("stored bytes are a promise: streams and snapshots of version 1", () => {
  const record = "01020011223344556677" + "8899aabbccddeeff" + "04612d310b746578742f706c61696e" +
    "00000000000000050000000000000006" + "0000000000000007ffffffffffffffff" +
    "ffffffffffffffff0000000000000008" + "000000000000000900000003" + "00000001" +
    "00112233445566778899aabbccddeeff" + "00000000000000000000000000000009" + "01" + "05612fc3bc" +
    "00112233445566778899aabbccddeeff" + "0000000000000008" + "01" + "0000000000000001";
  assert.equal(encodeStreamRecord(fork).toHex(), sealed(record));
  assert.deepEqual(decodeStreamRecord("fork", Uint8Array.fromHex(record)), fork);
  const state = emptyWriterState();
  state.producers.set("p", { epoch: 1, lastSeq: 2 });
  const snapshot = "01" + "00" + "ffffffffffffffff" + "00" + "0000000000000000".repeat(2) + "00" +
    "00000001" +
    "0270" + "0000000000000001" + "0000000000000002";
  assert.equal(encodeWriterSnapshot({ state, closedTail: null }).toHex(), sealed(snapshot));
  assert.deepEqual(decodeWriterSnapshot(Uint8Array.fromHex(snapshot)), { state, closedTail: null });
});

Deno.test("a state that this version does not know is a storage error", () => {
  const bytes = unsealed(encodeStreamRecord(plain));
  assert.deepEqual(decodeStreamRecord(plain.path, bytes), plain);
  bytes[1] = 9;
  assert.throws(() => decodeStreamRecord("a", bytes), CorruptStorageError);
});
