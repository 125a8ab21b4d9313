/**
 * Wrong input on the wire, row by row of what a broker must survive: after each, the server answers another client
 * that does nothing wrong, nothing was written where nothing may be, and memory comes back at the end.
 *
 * Frames that need no request tables are in bad_input.py and tests/connection_test.ts, random damage in tests/fuzz.
 */

import assert from "node:assert/strict";
import { concat } from "../../lib/bytes.ts";
import { produce } from "../../protocol/messages/00_produce.ts";
import { fetchApi } from "../../protocol/messages/01_fetch.ts";
import { listOffsets } from "../../protocol/messages/02_list_offsets.ts";
import { metadata } from "../../protocol/messages/03_metadata.ts";
import { joinGroup } from "../../protocol/messages/11_join_group.ts";
import { apiVersions } from "../../protocol/messages/18_api_versions.ts";
import { createTopics } from "../../protocol/messages/19_create_topics.ts";
import { initProducerId } from "../../protocol/messages/22_init_producer_id.ts";
import { buildControlBatch } from "../../protocol/records/control_record.ts";
import { BOOTSTRAP, check, finish, LONG, unique } from "./clients/suite.ts";
import { batch, changed, withSection } from "./wire/batches.ts";
import { gzipBomb, lz4Bomb, snappyLie, zstdBomb, zstdWindow } from "./wire/bombs.ts";
import { frame, header, Peer, sized } from "./wire/peer.ts";

const PRODUCE_VERSION = 9;
const FETCH_VERSION = 12;
const SUFFIX = unique();
const VICTIM = `victim-${SUFFIX}`;
const HEALTHY = `healthy-${SUFFIX}`;
const SQUEEZED = `squeezed-${SUFFIX}`;
const SILENT_CONNECTIONS = LONG ? 5_000 : 500;
const RESIDENT_MB_MAX = 700;

const NONE = 0;
const OFFSET_OUT_OF_RANGE = 1;
const CORRUPT_MESSAGE = 2;
const UNKNOWN_TOPIC_OR_PARTITION = 3;
const MESSAGE_TOO_LARGE = 10;
const INVALID_TOPIC_EXCEPTION = 17;
const INVALID_GROUP_ID = 24;
const CLUSTER_AUTHORIZATION_FAILED = 31;
const INVALID_TIMESTAMP = 32;
const INVALID_PARTITIONS = 37;
const INVALID_REQUEST = 42;
const UNSUPPORTED_FOR_MESSAGE_FORMAT = 43;
const OUT_OF_ORDER_SEQUENCE_NUMBER = 45;
const INVALID_PRODUCER_EPOCH = 47;
const INVALID_TXN_STATE = 48;
const UNKNOWN_PRODUCER_ID = 59;
const FETCH_SESSION_ID_NOT_FOUND = 70;
const INVALID_FETCH_SESSION_EPOCH = 71;
const UNSUPPORTED_COMPRESSION_TYPE = 76;
const INVALID_RECORD = 87;

const healthy = await Peer.connect();
let healthyOffset = 0;

async function createTopic(peer: Peer, name: string, configs: Record<string, string> = {}): Promise<number> {
  const answer = await peer.ask(createTopics, 5, {
    topics: [{
      name,
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      // Our batches are of 2023, which the default of seven days would let go.
      configs: Object.entries({ "retention.ms": "-1", ...configs }).map(([key, value]) => ({
        name: key,
        value,
      })),
    }],
    timeoutMs: 10_000,
  });
  return answer?.topics[0]?.errorCode ?? -1;
}

/** Error and base offset of a Produce request; null when the connection was closed. */
async function produceTo(
  peer: Peer,
  name: string,
  records: Uint8Array,
  index = 0,
  transactionalId: string | null = null,
) {
  const answer = await peer.ask(produce, PRODUCE_VERSION, {
    transactionalId,
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ name, partitionData: [{ index, records }] }],
  });
  return answer?.responses[0]?.partitionResponses[0] ?? null;
}

async function endOffset(peer: Peer, name: string, partitionIndex = 0): Promise<number> {
  const answer = await peer.ask(listOffsets, 6, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name, partitions: [{ partitionIndex, currentLeaderEpoch: -1, timestamp: -1 }] }],
  });
  return answer?.topics[0]?.partitions[0]?.offset ?? -1;
}

/** The client that does nothing wrong is served, and the victim's log is still empty. */
async function othersAreWell(): Promise<void> {
  const written = await produceTo(healthy, HEALTHY, batch(["fine"]));
  assert.deepEqual([written?.errorCode, written?.baseOffset], [NONE, healthyOffset++], "the healthy client");
  assert.equal(await endOffset(healthy, VICTIM), 0, "end offset of the victim");
}

/** A row: its body on a connection of its own, then whether the others are well. */
async function row(name: string, body: (peer: Peer) => Promise<string | void>): Promise<void> {
  await check(name, async () => {
    using peer = await Peer.connect();
    const detail = await body(peer);
    await othersAreWell();
    return detail;
  });
}

function one(actual: number | undefined | null, expected: readonly number[], what: string): void {
  assert.ok(
    actual !== undefined && actual !== null && expected.includes(actual),
    `${what}: ${actual}, expected ${expected}`,
  );
}

await check("the topics", async () => {
  assert.equal(await createTopic(healthy, VICTIM), NONE);
  assert.equal(await createTopic(healthy, HEALTHY), NONE);
  assert.equal(await createTopic(healthy, SQUEEZED, { "compression.type": "zstd" }), NONE);
});

// Fields that lie.

const int32 = (value: number) => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value);
  return bytes;
};
const bytes = (...values: number[]) => Uint8Array.from(values);

const LIES: Record<string, Uint8Array> = {
  "array length -2": sized(header(3, 1), int32(-2)),
  "array of 2^31-1 elements": sized(header(3, 1), int32(0x7fff_ffff)),
  "array of 1,000,000 elements with 10 bytes left": sized(header(3, 1), int32(1_000_000), new Uint8Array(10)),
  "string longer than the frame": sized(header(3, 1), int32(1), bytes(0x7f, 0xff, 0x61)),
  "string of length -2": sized(header(3, 1), int32(1), bytes(0xff, 0xfe)),
  "null where none may be": sized(header(3, 1), int32(1), bytes(0xff, 0xff)),
  "compact array whose length is a varint of 11 bytes": sized(
    header(3, 9),
    bytes(0),
    new Uint8Array(11).fill(0xff),
  ),
  "compact array of 2^31 elements": sized(header(3, 9), bytes(0, 0xff, 0xff, 0xff, 0xff, 0x07)),
  "tagged field longer than the frame": sized(header(18, 3), bytes(1, 0, 0xff, 0x7f)),
  "one million tagged fields": sized(header(18, 3), bytes(0xc0, 0x84, 0x3d)),
  "a tagged field twice": sized(header(1, 12), bytes(2, 5, 1, 0, 5, 1, 0)),
};
for (const [name, wire] of Object.entries(LIES)) {
  await row(`${name}: closed, at once`, async (peer) => {
    await peer.send(wire);
    assert.equal(await peer.reply(), null);
  });
}

await row("bytes behind the last field are left alone, as Kafka leaves them", async (peer) => {
  const good = frame(apiVersions, 2, {});
  await peer.send(sized(good.subarray(4), bytes(1, 2, 3)));
  assert.notEqual(await peer.reply(), null);
});

// Connections.

await row(`${SILENT_CONNECTIONS} connections that say "1 MB follows" and fall silent`, async () => {
  const silent: Deno.TcpConn[] = [];
  const [hostname = "", port = ""] = BOOTSTRAP.split(":");
  const before = residentMb();
  try {
    for (let i = 0; i < SILENT_CONNECTIONS; i++) {
      const conn = await Deno.connect({ hostname, port: Number(port) });
      silent.push(conn);
      await conn.write(int32(1_000_000));
    }
    await othersAreWell();
    const grown = residentMb() - before;
    assert.ok(!(grown > 200), `the server grew by ${grown.toFixed(0)} MB`);
    return `${grown.toFixed(0)} MB more`;
  } finally {
    for (const conn of silent) conn.close();
  }
});

await row("a request that comes one byte at a time disturbs nobody", async (peer) => {
  const good = frame(apiVersions, 0, {});
  for (const byte of good) {
    await peer.send(bytes(byte));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.notEqual(await peer.reply(), null);
});

await row("10,000 requests whose answers nobody reads", async (peer) => {
  const request = frame(metadata, 1, { topics: null });
  const before = residentMb();
  // The server stops reading, so the write does not come to its end.
  const flood = peer.send(concat(Array.from({ length: 10_000 }, () => request)));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await othersAreWell();
  const grown = residentMb() - before;
  assert.ok(!(grown > 150), `the server grew by ${grown.toFixed(0)} MB`);
  peer[Symbol.dispose]();
  await flood;
  return `${grown.toFixed(0)} MB more`;
});

// Record batches.

const good = batch(["one", "two"]);
const MIN_INT64 = -(2n ** 63n);
const BATCHES: readonly [string, Uint8Array, readonly number[]][] = [
  ["wrong CRC", changed(good, { crc: 1 }), [CORRUPT_MESSAGE]],
  ["magic 0", changed(good, { magic: 0 }), [INVALID_RECORD, CORRUPT_MESSAGE, UNSUPPORTED_FOR_MESSAGE_FORMAT]],
  ["magic 1", changed(good, { magic: 1 }), [INVALID_RECORD, CORRUPT_MESSAGE, UNSUPPORTED_FOR_MESSAGE_FORMAT]],
  ["magic 3", changed(good, { magic: 3 }), [INVALID_RECORD, CORRUPT_MESSAGE, UNSUPPORTED_FOR_MESSAGE_FORMAT]],
  ["length one too small", changed(good, { batchLength: good.length - 13 }), [
    CORRUPT_MESSAGE,
    INVALID_RECORD,
  ]],
  ["length one too large", changed(good, { batchLength: good.length - 11 }), [
    CORRUPT_MESSAGE,
    INVALID_RECORD,
  ]],
  ["length -1", changed(good, { batchLength: -1 }), [CORRUPT_MESSAGE, INVALID_RECORD]],
  ["length 2^31-1", changed(good, { batchLength: 0x7fff_ffff }), [CORRUPT_MESSAGE, INVALID_RECORD]],
  ["last offset delta of more records", changed(good, { lastOffsetDelta: 7 }), [
    INVALID_RECORD,
    CORRUPT_MESSAGE,
  ]],
  ["last offset delta -1", changed(good, { lastOffsetDelta: -1 }), [INVALID_RECORD, CORRUPT_MESSAGE]],
  ["2^31-1 records", changed(good, { recordCount: 0x7fff_ffff, lastOffsetDelta: 0x7fff_fffe }), [
    INVALID_RECORD,
    CORRUPT_MESSAGE,
  ]],
  ["no records", changed(good, { recordCount: 0 }), [INVALID_RECORD, CORRUPT_MESSAGE]],
  ["-1 records", changed(good, { recordCount: -1 }), [INVALID_RECORD, CORRUPT_MESSAGE]],
  ["codec 7", changed(good, { attributes: 7 }), [
    CORRUPT_MESSAGE,
    INVALID_RECORD,
    UNSUPPORTED_COMPRESSION_TYPE,
  ]],
  [
    "control batch of a client",
    buildControlBatch({
      type: "COMMIT",
      producerId: 1,
      producerEpoch: 0,
      coordinatorEpoch: 0,
      timestamp: 1_700_000_000_000,
    }),
    [INVALID_RECORD],
  ],
  ["two batches where one may be", concat([good, good]), [INVALID_RECORD]],
  ["timestamp 2^63-1", changed(good, { baseTimestamp: -MIN_INT64 - 1n, maxTimestamp: -MIN_INT64 - 1n }), [
    INVALID_TIMESTAMP,
    INVALID_RECORD,
    CORRUPT_MESSAGE,
  ]],
  ["timestamp -2^63", changed(good, { baseTimestamp: MIN_INT64, maxTimestamp: MIN_INT64 }), [
    INVALID_TIMESTAMP,
    INVALID_RECORD,
    CORRUPT_MESSAGE,
  ]],
  [
    "negative sequence of an idempotent producer",
    changed(good, { producerId: 4_000, producerEpoch: 0, baseSequence: -5 }),
    [INVALID_RECORD, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH],
  ],
  ["transactional without a producer id", changed(good, { attributes: 0x10 }), [
    INVALID_RECORD,
    INVALID_TXN_STATE,
    INVALID_PRODUCER_EPOCH,
  ]],
];
for (const [name, records, errors] of BATCHES) {
  await row(`batch: ${name}`, async (peer) => {
    const answer = await produceTo(peer, VICTIM, records);
    one(answer?.errorCode, errors, "error");
    return `error ${answer?.errorCode}`;
  });
}

await row(
  "batch: reserved attribute bits are refused, or kept as they came, as Kafka keeps them",
  async (peer) => {
    const topic = `reserved-${SUFFIX}`;
    assert.equal(await createTopic(peer, topic), NONE);
    const answer = await produceTo(peer, topic, changed(good, { attributes: 0x7f80 }));
    one(answer?.errorCode, [NONE, INVALID_RECORD, CORRUPT_MESSAGE], "error");
    return `error ${answer?.errorCode}`;
  },
);

await row("batch: a sequence that was not expected, one that was sent before", async (peer) => {
  const topic = `sequences-${SUFFIX}`;
  assert.equal(await createTopic(peer, topic), NONE);
  const ids = await peer.ask(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 60_000 });
  assert.ok(ids);
  const at = (baseSequence: number) =>
    batch(["x"], { producerId: ids.producerId, producerEpoch: ids.producerEpoch, baseSequence });
  assert.equal((await produceTo(peer, topic, at(0)))?.errorCode, NONE);
  one((await produceTo(peer, topic, at(5)))?.errorCode, [OUT_OF_ORDER_SEQUENCE_NUMBER], "a gap");
  const again = await produceTo(peer, topic, at(0));
  assert.deepEqual([again?.errorCode, again?.baseOffset], [NONE, 0], "the same again is where it was");
  assert.equal(await endOffset(peer, topic), 1);
});

await row("batch: transactional without a transaction", async (peer) => {
  const records = batch(["x"], {
    producerId: 9_999,
    producerEpoch: 0,
    baseSequence: 0,
    isTransactional: true,
  });
  const answer = await produceTo(peer, VICTIM, records, 0, "nobody");
  one(answer?.errorCode, [INVALID_TXN_STATE, 49, 67, UNKNOWN_PRODUCER_ID, INVALID_PRODUCER_EPOCH], "error");
  return `error ${answer?.errorCode}`;
});

// Bombs: the topic is compressed anew, so that what was sent is inflated.

const BOMBS: readonly [string, number, () => Uint8Array][] = [
  ["gzip bomb of 900 MB", 1, gzipBomb],
  ["snappy that says 4 GB", 2, snappyLie],
  ["lz4 bomb of 230 MB", 3, lz4Bomb],
  ["zstd bomb of 1 GB", 4, zstdBomb],
  ["zstd with a window of 2 GB", 4, zstdWindow],
  ["gzip that ends early", 1, () => gzipBomb().subarray(0, 2_000)],
  ["gzip that is none", 1, () => bytes(1, 2, 3, 4, 5)],
  ["zstd that is none", 4, () => bytes(1, 2, 3, 4, 5)],
];
for (const [name, codec, make] of BOMBS) {
  await row(name, async (peer) => {
    const records = withSection(codec, make());
    const before = residentMb();
    const sent = produceTo(peer, SQUEEZED, records);
    let longest = 0;
    for (let busy = true; busy;) {
      const begin = performance.now();
      await othersAreWell();
      longest = Math.max(longest, performance.now() - begin);
      busy = await Promise.race([
        sent.then(() => false),
        new Promise<boolean>((resolve) => setTimeout(resolve, 5, true)),
      ]);
    }
    const answer = await sent;
    one(
      answer?.errorCode,
      [CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, INVALID_RECORD, UNSUPPORTED_COMPRESSION_TYPE],
      "error",
    );
    assert.equal(await endOffset(peer, SQUEEZED), 0, "nothing is appended");
    return `error ${answer?.errorCode}, others waited ${longest.toFixed(0)} ms, ${
      (residentMb() - before).toFixed(0)
    } MB more`;
  });
}

// Names and numbers.

for (const name of ["", ".", "..", "a".repeat(250), "a/b", "a\0b", "a\u202eb", "a b", "größe"]) {
  await row(`topic name ${JSON.stringify(name.slice(0, 12))} of ${name.length} characters`, async (peer) => {
    assert.equal(await createTopic(peer, name), INVALID_TOPIC_EXCEPTION);
    const answer = await peer.ask(metadata, 4, { topics: [{ name }], allowAutoTopicCreation: true });
    one(answer?.topics[0]?.errorCode, [INVALID_TOPIC_EXCEPTION], "Metadata");
  });
}

await row("topics whose names differ in . and _ only", async (peer) => {
  assert.equal(await createTopic(peer, `x.${SUFFIX}.y`), NONE);
  assert.equal(await createTopic(peer, `x_${SUFFIX}.y`), INVALID_TOPIC_EXCEPTION);
});

await row("100,000 topics in one request", async (peer) => {
  const topics = Array.from({ length: 100_000 }, (_, i) => ({ name: `none-${i}` }));
  const answer = await peer.ask(metadata, 4, { topics, allowAutoTopicCreation: false });
  assert.equal(answer?.topics.length, 100_000);
  assert.ok(answer.topics.every((each) => each.errorCode === UNKNOWN_TOPIC_OR_PARTITION));
});

await row("100,000 partitions of one topic in one Fetch", async (peer) => {
  const partitions = Array.from(
    { length: 100_000 },
    (_, partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1 }),
  );
  const answer = await peer.ask(fetchApi, FETCH_VERSION, {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [{ topic: VICTIM, partitions }],
  });
  assert.equal(answer?.responses[0]?.partitions.length, 100_000);
  assert.ok(
    answer.responses[0].partitions.slice(1).every((each) => each.errorCode === UNKNOWN_TOPIC_OR_PARTITION),
  );
});

await row("100,000 partitions to be created", async (peer) => {
  const topics = [{
    name: `wide-${SUFFIX}`,
    numPartitions: 100_000,
    replicationFactor: 1,
    assignments: [],
    configs: [],
  }];
  const answer = await peer.ask(createTopics, 5, { topics, timeoutMs: 10_000 });
  one(answer?.topics[0]?.errorCode, [INVALID_PARTITIONS, INVALID_REQUEST], "error");
});

for (const index of [-1, 1, 0x7fff_ffff]) {
  await row(`partition ${index}`, async (peer) => {
    assert.equal((await produceTo(peer, VICTIM, good, index))?.errorCode, UNKNOWN_TOPIC_OR_PARTITION);
  });
}

async function fetchFrom(
  peer: Peer,
  fields: {
    fetchOffset?: number;
    maxWaitMs?: number;
    maxBytes?: number;
    replicaId?: number;
    sessionId?: number;
    sessionEpoch?: number;
  },
) {
  const { fetchOffset = 0, maxWaitMs = 0, ...rest } = fields;
  return await peer.ask(fetchApi, FETCH_VERSION, {
    maxWaitMs,
    minBytes: 0,
    topics: [{ topic: HEALTHY, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }] }],
    ...rest,
  });
}

await row("Fetch offset -3, and one far behind the end", async (peer) => {
  for (const fetchOffset of [-3, 1_000_000_000]) {
    const answer = await fetchFrom(peer, { fetchOffset });
    assert.equal(
      answer?.responses[0]?.partitions[0]?.errorCode,
      OFFSET_OUT_OF_RANGE,
      `offset ${fetchOffset}`,
    );
  }
});

await row("Fetch with maxBytes -1, and with maxWaitMs 2^31-1 where there are records", async (peer) => {
  assert.equal((await fetchFrom(peer, { maxBytes: -1 }))?.responses[0]?.partitions[0]?.errorCode, NONE);
  assert.equal(
    (await fetchFrom(peer, { maxWaitMs: 0x7fff_ffff }))?.responses[0]?.partitions[0]?.errorCode,
    NONE,
  );
});

await row("Fetch in a session that is not there, with an epoch that makes no sense", async (peer) => {
  assert.equal(
    (await fetchFrom(peer, { sessionId: 123_456_789, sessionEpoch: 5 }))?.errorCode,
    FETCH_SESSION_ID_NOT_FOUND,
  );
  const opened = await fetchFrom(peer, { sessionEpoch: 0 });
  assert.ok(opened && opened.sessionId > 0, "no session");
  const { sessionId } = opened;
  assert.equal(
    (await fetchFrom(peer, { sessionId, sessionEpoch: 77 }))?.errorCode,
    INVALID_FETCH_SESSION_EPOCH,
  );
  one((await fetchFrom(peer, { sessionId, sessionEpoch: -9 }))?.errorCode, [
    INVALID_FETCH_SESSION_EPOCH,
    FETCH_SESSION_ID_NOT_FOUND,
  ], "epoch -9");
});

await row("a client that poses as a follower", async (peer) => {
  assert.equal((await fetchFrom(peer, { replicaId: 5 }))?.errorCode, CLUSTER_AUTHORIZATION_FAILED);
});

await row("AlterPartition and LeaderAndIsr from a client: not served", async () => {
  for (const key of [4, 56]) {
    using peer = await Peer.connect();
    await peer.send(sized(header(key, 0), new Uint8Array(20)));
    assert.equal(await peer.reply(), null);
  }
});

await row("records for internal topics", async (peer) => {
  for (const name of ["__consumer_offsets", "__transaction_state"]) {
    const answer = await produceTo(peer, name, good);
    one(answer?.errorCode, [INVALID_TOPIC_EXCEPTION, UNKNOWN_TOPIC_OR_PARTITION, 29], name);
  }
});

// Groups.

const join = (peer: Peer, groupId: string, metadataBytes: number) =>
  peer.ask(joinGroup, 5, {
    groupId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    memberId: "",
    groupInstanceId: null,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: new Uint8Array(metadataBytes) }],
  });

await row("a group without a name", async (peer) => {
  assert.equal((await join(peer, "", 0))?.errorCode, INVALID_GROUP_ID);
});

await row("a group name of 32,767 bytes, the longest that the format can hold", async (peer) => {
  const answer = await join(peer, "g".repeat(32_767), 0);
  one(answer?.errorCode ?? INVALID_GROUP_ID, [INVALID_GROUP_ID, 79, NONE], "error");
  return `error ${answer?.errorCode}`;
});

await row("a member with 10 MB of metadata", async (peer) => {
  const before = residentMb();
  for (let i = 0; i < 5; i++) await join(peer, `fat-${SUFFIX}`, 10_000_000);
  const answer = await join(peer, `fat-${SUFFIX}`, 10_000_000);
  return `error ${answer?.errorCode}, ${(residentMb() - before).toFixed(0)} MB more`;
});

/** Resident memory of the server in MB; NaN where it cannot be seen. */
function residentMb(): number {
  const pid = Deno.env.get("SERVER_PID");
  if (pid === undefined) return NaN;
  return Number(/VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]) / 1024;
}

await check("memory came back", async () => {
  const deadline = performance.now() + 20_000;
  while (residentMb() > RESIDENT_MB_MAX && performance.now() < deadline) {
    await othersAreWell();
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assert.ok(!(residentMb() > RESIDENT_MB_MAX), `${residentMb().toFixed(0)} MB`);
  return `${residentMb().toFixed(0)} MB`;
});

healthy[Symbol.dispose]();
finish();
