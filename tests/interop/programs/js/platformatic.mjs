/** @platformatic/kafka as a program of the contract in ../CONTRACT.md. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { Admin, Consumer, Producer } from "@platformatic/kafka";
import { BOOTSTRAP, DEADLINE_MS, range, record, serve, sleep, unpack } from "./ops.mjs";

const common = { clientId: "contract", bootstrapBrokers: [BOOTSTRAP], retries: 3, retryDelay: 100 };
const admin = new Admin(common);
const TOPIC = 2;

function hello() {
  const { version } = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.resolve("@platformatic/kafka"))),
  );
  return { client: "@platformatic/kafka", version, lacks: ["no repeats"] };
}

async function metadata({ topic }) {
  const found = await admin.metadata({ topics: [topic], forceUpdate: true });
  return {
    brokers: [...found.brokers.keys()],
    partitions: found.topics.get(topic).partitions.map(({ leader }, id) => ({ id, leader })),
  };
}

async function createTopic({ topic, partitions, configs = {} }) {
  const list = Object.entries(configs).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs: list });
}

async function describeConfig({ topic, key }) {
  const [{ configs }] = await admin.describeConfigs({
    resources: [{ resourceType: TOPIC, resourceName: topic, configurationKeys: [key] }],
  });
  return configs.find((each) => each.name === key).value;
}

async function alterConfig({ topic, key, value }) {
  await admin.incrementalAlterConfigs({
    resources: [{
      resourceType: TOPIC,
      resourceName: topic,
      configs: [{ name: key, configOperation: 0, value }],
    }],
  });
}

async function createPartitions({ topic, count }) {
  await admin.createPartitions({ topics: [{ name: topic, count, assignments: null }] });
}

async function produce({ topic, codec, records }) {
  const producer = new Producer({ ...common, compression: codec, idempotent: true });
  try {
    await producer.send({
      acks: -1,
      messages: records.map(({ p, k, v, h = [], t }) => ({
        topic,
        partition: p,
        key: unpack(k) ?? undefined,
        value: unpack(v) ?? undefined,
        headers: new Map(h.map(([name, value]) => [Buffer.from(name), unpack(value)])),
        timestamp: BigInt(t),
      })),
    });
  } finally {
    await producer.close();
  }
}

function message(m) {
  const headers = [...m.headers].map(([name, value]) => [String(name), value]);
  return record({ ...m, headers });
}

/** This client reads in groups only: a group of its own, and a stream that begins where it is told. */
async function readFrom({ topic, partition }, from, count) {
  const consumer = new Consumer({
    ...common,
    groupId: `reader-${randomUUID()}`,
    maxWaitTime: 200,
    maxBytes: 4_000_000,
  });
  const late = setTimeout(() => stream?.destroy(new Error(`read ${got.length} records`)), DEADLINE_MS);
  const got = [];
  let stream;
  try {
    const { topics } = await consumer.metadata({ topics: [topic] });
    const others = Array.from(
      { length: topics.get(topic).partitionsCount },
      (_, id) => ({ topic, partition: id, offset: 0n }),
    );
    others[partition].offset = BigInt(from);
    stream = await consumer.consume({ topics: [topic], mode: "manual", offsets: others, autocommit: false });
    for await (const m of stream) {
      if (m.partition === partition) got.push(message(m));
      if (got.length >= count) break;
    }
  } finally {
    clearTimeout(late);
    await consumer.close(true);
  }
  return got;
}

async function seek(request) {
  const found = [];
  for (const offset of request.offsets) found.push(...await readFrom(request, offset, 1));
  return found;
}

async function offsets({ topic, partition, times }) {
  const found = [];
  for (const time of times) {
    const [{ partitions }] = await admin.listOffsets({
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp: BigInt(time) }] }],
    });
    found.push(Number(partitions[0].offset));
  }
  return found;
}

function rangeAssigner(_current, members, topics, metadata) {
  const [topic] = topics;
  const assigned = range([...members.keys()], metadata.topics.get(topic).partitionsCount);
  return [...assigned].map(([memberId, partitions]) => ({
    memberId,
    assignments: new Map([[topic, { topic, partitions }]]),
  }));
}

async function join({ topic, group, protocol }) {
  const classic = {
    protocols: [{ name: "range", version: 1 }],
    partitionAssigner: rangeAssigner,
    heartbeatInterval: 500,
    sessionTimeout: 30_000,
    rebalanceTimeout: 40_000,
  };
  const consumer = new Consumer({
    ...common,
    groupId: group,
    maxWaitTime: 200,
    ...(protocol === "consumer" ? { groupProtocol: "consumer" } : classic),
  });
  let done = Promise.resolve();
  const member = {
    taken: [],
    get assigned() {
      return consumer.assignments?.find((each) => each.topic === topic)?.partitions ?? [];
    },
    async leave() {
      await stream.close();
      await done;
      await consumer.close(true);
    },
  };
  const stream = await consumer.consume({
    topics: [topic],
    mode: "committed",
    fallbackMode: "earliest",
    autocommit: false,
  });
  done = (async () => {
    try {
      for await (const m of stream) {
        member.taken.push([m.partition, Number(m.offset)]);
        await m.commit();
      }
    } catch (error) {
      member.failure = error;
    }
  })();
  await sleep(0);
  return member;
}

/** Kafka's code lies in the error, or in one of those that it gathers. */
function errorCode(error) {
  if (typeof error?.apiCode === "number") return error.apiCode;
  for (const inner of error?.errors ?? []) {
    const code = errorCode(inner);
    if (code !== undefined) return code;
  }
  return error?.cause === undefined ? undefined : errorCode(error.cause);
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
    read: (request) => readFrom(request, request.from, request.count),
    seek,
    offsets,
    join,
  },
  errorCode,
);
