/** Producing, consuming and waiting: what is measured in alternating rounds. Records have 1,000 bytes, acks is all. */
import type { Server } from "../servers.ts";
import {
  consumeFromStart,
  createTopic,
  java,
  librdkafkaLatency,
  type LibrdkafkaOptions,
  librdkafkaProduce,
  type Tools,
  type Workload,
} from "./workload.ts";

const BATCH_16_KB = 16;
const BATCH_128_KB = 128;
/** As many as librdkafka's `message.max.bytes` lets into one batch. */
const BATCH_1_MB = 950;

function produce(
  what: string,
  partitions: number,
  change: Partial<LibrdkafkaOptions>,
): Workload {
  return {
    name: `produce librdkafka, ${partitions} partition${partitions === 1 ? "" : "s"}, ${what}`,
    unit: "MB/s",
    async run(server, tools) {
      const name = await createTopic(server, tools, partitions);
      return await librdkafkaProduce(server, tools, { name, partitions }, {
        recordsPerBatch: BATCH_128_KB,
        inFlight: 64,
        isIdempotent: false,
        compression: "none",
        megabytes: tools.megabytes,
        ...change,
      });
    },
  };
}

const idempotent = { isIdempotent: true, inFlight: 5 };

function produceJava(partitions: number, isIdempotent: boolean): Workload {
  return {
    name: `produce Java, ${partitions} partition${partitions === 1 ? "" : "s"}, 128 KB${
      isIdempotent ? ", idempotent" : ""
    }`,
    unit: "MB/s",
    async run(server, tools) {
      const topic = await createTopic(server, tools, partitions);
      const text = await java(tools, "org.apache.kafka.tools.ProducerPerformance", [
        "--topic",
        topic,
        "--num-records",
        String(tools.megabytes * 1_000),
        "--record-size",
        "1000",
        "--throughput",
        "-1",
        "--producer-props",
        `bootstrap.servers=${server.address}`,
        "acks=all",
        "batch.size=131072",
        "linger.ms=5",
        "buffer.memory=134217728",
        `enable.idempotence=${isIdempotent}`,
      ]);
      const rates = [...text.matchAll(/records\/sec \(([\d.]+) MB\/sec\)/g)];
      return Number(rates.at(-1)?.[1]) * 1.048576;
    },
  };
}

/** One run measures both the median and the 99th percentile. */
function latencies(): readonly Workload[] {
  const p99s = new Map<Server, number[]>();
  const measure = async (server: Server, tools: Tools): Promise<number> => {
    const topic = await createTopic(server, tools, 1);
    const { medianMs, p99Ms } = await librdkafkaLatency(server, tools, topic, {
      recordsPerSecond: 1_000,
      seconds: 10,
    });
    p99s.set(server, [...p99s.get(server) ?? [], p99Ms]);
    return medianMs;
  };
  return [
    { name: "acknowledged latency, librdkafka, 1,000 records/s, median", unit: "ms", run: measure },
    {
      name: "acknowledged latency, librdkafka, 1,000 records/s, p99",
      unit: "ms",
      run: async (server, tools) => {
        if ((p99s.get(server)?.length ?? 0) === 0) await measure(server, tools);
        return p99s.get(server)?.shift() ?? NaN;
      },
    },
  ];
}

function consume(isCold: boolean): Workload {
  const filled = new Map<Server, string>();
  return {
    name: isCold ? "consume from the start" : "consume hot (50 MB)",
    unit: "MB/s",
    async run(server, tools) {
      // More than the tail cache holds is cold for its most part; less is hot.
      const megabytes = isCold ? tools.megabytes * 2 : 50;
      let topic = filled.get(server);
      if (topic === undefined) {
        topic = await createTopic(server, tools, 1);
        filled.set(server, topic);
        await librdkafkaProduce(server, tools, { name: topic, partitions: 1 }, {
          recordsPerBatch: BATCH_128_KB,
          inFlight: 5,
          isIdempotent: false,
          compression: "none",
          megabytes,
        });
      }
      return await consumeFromStart(server, tools, topic, megabytes);
    },
  };
}

export const throughputWorkloads: readonly Workload[] = [
  produce("128 KB", 1, {}),
  produce("128 KB", 6, {}),
  produce("128 KB", 64, {}),
  produce("16 KB", 1, { recordsPerBatch: BATCH_16_KB }),
  produce("1 MB", 1, { recordsPerBatch: BATCH_1_MB }),
  produce("128 KB, lz4", 1, { compression: "lz4" }),
  produce("1 KB, 64 in flight", 1, { recordsPerBatch: 1, megabytes: 6 }),
  produce("128 KB, idempotent", 1, idempotent),
  produce("128 KB, idempotent", 6, idempotent),
  produceJava(1, false),
  produceJava(1, true),
  produceJava(6, true),
  consume(false),
  consume(true),
  ...latencies(),
];
