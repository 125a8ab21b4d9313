/** Starting, restarting after kill -9, memory, and very many partitions: measured once each, one after the other. */
import { Producer } from "../../client/mod.ts";
import { realEnv } from "../../env/real.ts";
import type { Server } from "../servers.ts";
import { createTopic, librdkafkaProduce, type Tools, type Workload } from "./workload.ts";

/** Of two topics: Apache Kafka refuses more than about 10,000 metadata records in one request. */
const MANY_PARTITIONS = 10_000;
const IDLE_SECONDS = 20;
const SETTLE_MS = 5_000;

/** Milliseconds from the spawn of a killed server to an acknowledged record. */
async function restart(server: Server, topic: string): Promise<number> {
  await server.kill();
  const begun = performance.now();
  server.spawn();
  for (;;) {
    await server.listening();
    await using producer = new Producer(realEnv(), { bootstrapServers: server.address });
    try {
      await producer.send({ topic, partition: 0, value: "first" });
      return performance.now() - begun;
    } catch {
      // It listens before it leads its partitions.
      if (performance.now() - begun > 120_000) throw new Error(`${server.name} does not come back`);
    }
  }
}

function restartWith(megabytes: number, long: boolean): Workload {
  return {
    name: `kill -9 to first acknowledgement, ${
      megabytes >= 1_000 ? `${megabytes / 1_000} GB` : `${megabytes} MB`
    }`,
    unit: "ms",
    once: true,
    long,
    async run(server, tools) {
      const name = await createTopic(server, tools, 1);
      await librdkafkaProduce(server, tools, { name, partitions: 1 }, {
        recordsPerBatch: 900,
        inFlight: 20,
        isIdempotent: false,
        compression: "none",
        megabytes,
      });
      return await restart(server, name);
    },
  };
}

let manyTopic = "";

const manyPartitions: readonly Workload[] = [
  {
    name: `create ${MANY_PARTITIONS} partitions`,
    unit: "s",
    once: true,
    async run(server, tools) {
      const begun = performance.now();
      manyTopic = await createTopic(server, tools, MANY_PARTITIONS / 2);
      await createTopic(server, tools, MANY_PARTITIONS / 2);
      return (performance.now() - begun) / 1_000;
    },
  },
  {
    name: `kill -9 to first acknowledgement, ${MANY_PARTITIONS} partitions`,
    unit: "ms",
    once: true,
    run: (server) => restart(server, manyTopic),
  },
  { name: `resident, ${MANY_PARTITIONS} partitions`, unit: "MB", once: true, run: resident },
  {
    name: `idle processor time, ${MANY_PARTITIONS} partitions`,
    unit: "%",
    once: true,
    async run(server) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const before = server.cpuSeconds();
      await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1_000));
      return (server.cpuSeconds() - before) / IDLE_SECONDS * 100;
    },
  },
];

// deno-lint-ignore require-await -- a workload is asynchronous, this one has nothing to wait for
async function resident(server: Server): Promise<number> {
  return server.residentMb();
}

export const lifecycleWorkloads: readonly Workload[] = [
  { name: "resident after the workloads above", unit: "MB", once: true, run: resident },
  {
    name: "start to first acknowledgement, nothing stored but that",
    unit: "ms",
    once: true,
    async run(server: Server, tools: Tools) {
      return await restart(server, await createTopic(server, tools, 1));
    },
  },
  { name: "resident when idle", unit: "MB", once: true, run: resident },
  restartWith(10, false),
  restartWith(5_000, true),
  ...manyPartitions,
];
