/** kafkajs as a program of the contract in ../CONTRACT.md. It has gzip; the other codecs are plugged in here. */
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import zlib from "node:zlib";
import { lz4Compress, lz4Decompress } from "@platformatic/wasm-utils";
import snappy from "snappyjs";
import { BOOTSTRAP, range, record, serve, unpack, until } from "./ops.mjs";

const require = createRequire(import.meta.url);
const kafkajs = require("kafkajs");
const { AssignerProtocol, CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } =
  kafkajs;

/** Snappy as Kafka's own clients frame it: a header, then blocks with their lengths. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]);

function readSnappy(bytes) {
  if (!bytes.subarray(0, 8).equals(XERIAL.subarray(0, 8))) return Buffer.from(snappy.uncompress(bytes));
  const blocks = [];
  for (let at = 16; at < bytes.length;) {
    const size = bytes.readInt32BE(at);
    blocks.push(Buffer.from(snappy.uncompress(bytes.subarray(at + 4, at + 4 + size))));
    at += 4 + size;
  }
  return Buffer.concat(blocks);
}

function writeSnappy(bytes) {
  const block = Buffer.from(snappy.compress(bytes));
  const size = Buffer.alloc(4);
  size.writeInt32BE(block.length);
  return Buffer.concat([XERIAL, size, block]);
}

const codec = (compress, decompress) => () => ({
  compress: (encoder) => Promise.resolve(compress(encoder.buffer)),
  decompress: (bytes) => Promise.resolve(decompress(bytes)),
});
CompressionCodecs[CompressionTypes.Snappy] = codec(writeSnappy, readSnappy);
CompressionCodecs[CompressionTypes.LZ4] = codec(lz4Compress, lz4Decompress);
CompressionCodecs[CompressionTypes.ZSTD] = codec(zlib.zstdCompressSync, zlib.zstdDecompressSync);

process.env.KAFKAJS_NO_PARTITIONER_WARNING = "1";
const kafka = new Kafka({
  brokers: [BOOTSTRAP],
  logLevel: logLevel.NOTHING,
  retry: { retries: 3, initialRetryTime: 100 },
});
const admin = kafka.admin();
await admin.connect();

function hello() {
  return { client: "kafkajs", version: require("kafkajs/package.json").version, lacks: ["group consumer"] };
}

async function metadata({ topic }) {
  const { brokers } = await admin.describeCluster();
  const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [topic] });
  return {
    brokers: brokers.map((each) => each.nodeId),
    partitions: partitions.map((each) => ({ id: each.partitionId, leader: each.leader })),
  };
}

async function createTopic({ topic, partitions, configs = {} }) {
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
  const created = await admin.createTopics({
    topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }],
  });
  // This client answers `false` for a topic that exists.
  if (!created) throw Object.assign(new Error(`topic ${topic} exists`), { code: 36 });
}

async function describeConfig({ topic, key }) {
  const found = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: [key] }],
  });
  return found.resources[0].configEntries[0].configValue;
}

async function alterConfig({ topic, key, value }) {
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: key, value }] }],
  });
}

async function createPartitions({ topic, count }) {
  await admin.createPartitions({ topicPartitions: [{ topic, count }] });
}

async function produce({ topic, codec, records }) {
  const compression = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }[codec];
  const producer = kafka.producer({ idempotent: true, retry: { retries: 3 } });
  await producer.connect();
  try {
    const messages = records.map(({ p, k, v, h = [], t }) => ({
      partition: p,
      key: unpack(k),
      value: unpack(v),
      headers: Object.fromEntries(h.map(([name, value]) => [name, unpack(value)])),
      timestamp: String(t),
    }));
    await producer.send({ topic, messages, compression, acks: -1 });
  } finally {
    await producer.disconnect();
  }
}

const rangeAssigner = ({ cluster }) => ({
  name: "range",
  version: 0,
  async assign({ members, topics: [topic] }) {
    await cluster.refreshMetadata();
    const assigned = range(
      members.map((each) => each.memberId),
      cluster.findTopicPartitionMetadata(topic).length,
    );
    return [...assigned].map(([memberId, partitions]) => ({
      memberId,
      memberAssignment: AssignerProtocol.MemberAssignment.encode({
        version: 0,
        assignment: { [topic]: partitions },
      }),
    }));
  },
  protocol: ({ topics }) => ({
    name: "range",
    metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }),
  }),
});

function message(partition, m) {
  // A name that occurs twice is an array in this client's headers.
  const headers = Object.entries(m.headers ?? {}).flatMap(([name, value]) =>
    Array.isArray(value) ? value.map((each) => [name, each]) : [[name, value]]
  );
  return record({ partition, offset: m.offset, key: m.key, value: m.value, headers, timestamp: m.timestamp });
}

/** This client reads in groups only: a group of its own, moved to where the reading begins. */
async function reading({ topic, partition }, body) {
  const consumer = kafka.consumer({
    groupId: `reader-${randomUUID()}`,
    maxWaitTimeInMs: 200,
    maxBytesPerPartition: 4_000_000,
  });
  const got = [];
  let wanted;
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
    await consumer.run({
      autoCommit: false,
      eachMessage: ({ partition: from, message: m }) => {
        // What was fetched before a seek took effect is not what was asked for.
        if (from !== partition || wanted === undefined || Number(m.offset) < wanted) return;
        got.push(message(from, m));
      },
    });
    await joined;
    const seek = (offset) => {
      got.length = 0;
      wanted = offset;
      consumer.seek({ topic, partition, offset: String(offset) });
    };
    return await body(seek, got);
  } finally {
    await consumer.disconnect();
  }
}

function read(request) {
  return reading(request, async (seek, got) => {
    seek(request.from);
    await until(() => got.length >= request.count, `reading ${request.count} records`);
    return got.slice(0, request.count);
  });
}

function seekAll(request) {
  return reading(request, async (seek, got) => {
    const found = [];
    for (const offset of request.offsets) {
      seek(offset);
      await until(() => got.some((each) => each.o === offset), `reading at ${offset}`);
      found.push(got.find((each) => each.o === offset));
    }
    return found;
  });
}

async function offsets({ topic, partition, times }) {
  const found = [];
  for (const time of times) {
    if (time < 0) {
      const { low, high } = (await admin.fetchTopicOffsets(topic)).find((each) =>
        each.partition === partition
      );
      found.push(Number(time === -1 ? high : low));
      continue;
    }
    const rows = await admin.fetchTopicOffsetsByTimestamp(topic, time);
    found.push(Number(rows.find((each) => each.partition === partition).offset));
  }
  return found;
}

async function join({ topic, group }) {
  const consumer = kafka.consumer({
    groupId: group,
    heartbeatInterval: 500,
    sessionTimeout: 30_000,
    maxWaitTimeInMs: 200,
    partitionAssigners: [rangeAssigner],
  });
  const member = { taken: [], assigned: [], leave: () => consumer.disconnect() };
  consumer.on(
    consumer.events.GROUP_JOIN,
    ({ payload }) => (member.assigned = payload.memberAssignment[topic] ?? []),
  );
  consumer.on(consumer.events.REBALANCING, () => (member.assigned = []));
  consumer.on(consumer.events.CRASH, ({ payload }) => (member.failure = payload.error));
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommitThreshold: 1,
    eachMessage: ({ partition, message: m }) => {
      member.taken.push([partition, Number(m.offset)]);
    },
  });
  return member;
}

await serve(
  {
    hello,
    metadata,
    createTopic,
    listTopics: () => admin.listTopics(),
    describeConfig,
    alterConfig,
    createPartitions,
    deleteTopic: ({ topic }) => admin.deleteTopics({ topics: [topic] }),
    produce,
    read,
    seek: seekAll,
    offsets,
    join,
  },
  (error) =>
    [error, error.cause, ...(error.errors ?? [])].find((each) => typeof each?.code === "number")?.code,
);
