/**
 * Kavka beside Apache Kafka on the same machine, with the same clients, in alternating rounds of one run; prints medians,
 * their ratios and the spread, and writes JSON. Kafka runs from the directory of its jars (one KRaft node, 1 GB heap), once as it
 * comes and once with `log.flush.interval.messages=1`, which makes it sync before it answers, as Kavka always does.
 *
 * `deno run -A bench/vs_kafka.ts --kafka-libs DIR --librdkafka FILE [--rounds 5] [--mb 400] [--only REGEXP] [--json FILE]`
 *
 * The producing client is librdkafka (`librdkafka_produce.c`, built with gcc against the library that is given, for example the one in
 * the confluent-kafka wheel) and Kafka's own ProducerPerformance; the consuming one is ConsumerPerformance.
 */
import { parseArgs } from "node:util";
import { freePort, kafkaServer, kavkaServer, type Server } from "./servers.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    "kafka-libs": { type: "string" },
    librdkafka: { type: "string" },
    rounds: { type: "string", default: "5" },
    mb: { type: "string", default: "400" },
    only: { type: "string", default: "" },
    json: { type: "string" },
  },
});
const libs = required("kafka-libs");
const library = required("librdkafka");
const rounds = Number(values.rounds);
const megabytes = Number(values.mb);

function required(name: "kafka-libs" | "librdkafka"): string {
  const value = values[name];
  if (value !== undefined) return value;
  console.error(`bench: --${name} is missing`);
  Deno.exit(2);
}

const directory = Deno.makeTempDirSync({ prefix: "kavka-bench-" });
const rdkafkaProduce = `${directory}/produce`;
await run("gcc", [
  "-O2",
  "-o",
  rdkafkaProduce,
  new URL("librdkafka_produce.c", import.meta.url).pathname,
  library,
  `-Wl,-rpath,${library.slice(0, library.lastIndexOf("/"))}`,
]);

async function run(command: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args] }).output();
  const text = new TextDecoder().decode(stdout);
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${text}${new TextDecoder().decode(stderr)}`);
  return text;
}

function java(tool: string, args: readonly string[]): Promise<string> {
  return run("java", ["-Xmx512m", "-cp", `${libs}/*`, tool, ...args]);
}

async function createTopic(server: Server, partitions: number): Promise<string> {
  const topic = `bench-${crypto.randomUUID().slice(0, 8)}`;
  await java("org.apache.kafka.tools.TopicCommand", [
    "--bootstrap-server",
    server.address,
    "--create",
    "--topic",
    topic,
    "--partitions",
    String(partitions),
    "--replication-factor",
    "1",
  ]);
  return topic;
}

interface LibrdkafkaOptions {
  readonly partitions: number;
  readonly recordsPerBatch: number;
  readonly inFlight: number;
  readonly isIdempotent: boolean;
  readonly megabytes: number;
}

function librdkafka(options: LibrdkafkaOptions): (server: Server) => Promise<number> {
  return async (server) => {
    const topic = await createTopic(server, options.partitions);
    const args = [
      options.partitions,
      options.megabytes * 1_000,
      1_000,
      options.recordsPerBatch,
      options.inFlight,
    ];
    const isIdempotent = options.isIdempotent ? "1" : "0";
    return Number(await run(rdkafkaProduce, [server.address, topic, ...args.map(String), isIdempotent]));
  };
}

function producerPerformance(partitions: number, isIdempotent: boolean): (server: Server) => Promise<number> {
  return async (server) => {
    const topic = await createTopic(server, partitions);
    const text = await java("org.apache.kafka.tools.ProducerPerformance", [
      "--topic",
      topic,
      "--num-records",
      String(megabytes * 1_000),
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
  };
}

/** The 99th percentile of the acknowledged latency at 1,000 records a second, in ms; `[0]` of the two is the median. */
function latency(which: 0 | 1): (server: Server) => Promise<number> {
  return async (server) => {
    const topic = await createTopic(server, 1);
    const text = await java("org.apache.kafka.tools.ProducerPerformance", [
      "--topic",
      topic,
      "--num-records",
      "8000",
      "--record-size",
      "1000",
      "--throughput",
      "1000",
      "--producer-props",
      `bootstrap.servers=${server.address}`,
      "acks=all",
      "linger.ms=0",
    ]);
    const found = [...text.matchAll(/(\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th/g)].at(-1);
    return Number(found?.[which + 1]);
  };
}

function consume(isCold: boolean): (server: Server) => Promise<number> {
  const filled = new Map<Server, string>();
  return async (server) => {
    // More than the tail cache holds is cold for its most part; less is hot.
    const size = isCold ? megabytes * 2 : 50;
    let topic = filled.get(server);
    if (topic === undefined) {
      topic = await createTopic(server, 1);
      filled.set(server, topic);
      const args = ["1", String(size * 1_000), "1000", "128", "5", "0"];
      await run(rdkafkaProduce, [server.address, topic, ...args]);
    }
    const text = await java("org.apache.kafka.tools.ConsumerPerformance", [
      "--bootstrap-server",
      server.address,
      "--topic",
      topic,
      "--num-records",
      String(size * 1_000),
      "--timeout",
      "20000",
      "--hide-header",
    ]);
    // start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, fetch MB/s, …
    const columns = text.trim().split("\n").at(-1)?.split(", ") ?? [];
    return Number(columns[8]) * 1.048576;
  };
}

const large = { recordsPerBatch: 128, inFlight: 64, isIdempotent: false, megabytes };
const workloads: readonly { name: string; unit: string; run: (server: Server) => Promise<number> }[] = [
  {
    name: "produce librdkafka, 1 partition, 128 KB",
    unit: "MB/s",
    run: librdkafka({ ...large, partitions: 1 }),
  },
  {
    name: "produce librdkafka, 6 partitions, 128 KB",
    unit: "MB/s",
    run: librdkafka({ ...large, partitions: 6 }),
  },
  {
    name: "produce librdkafka, 1 partition, 128 KB, idempotent",
    unit: "MB/s",
    run: librdkafka({ ...large, partitions: 1, inFlight: 5, isIdempotent: true }),
  },
  {
    name: "produce librdkafka, 6 partitions, 128 KB, idempotent",
    unit: "MB/s",
    run: librdkafka({ ...large, partitions: 6, inFlight: 5, isIdempotent: true }),
  },
  {
    name: "produce librdkafka, 1 partition, 1 KB, 64 in flight",
    unit: "MB/s",
    run: librdkafka({ ...large, partitions: 1, recordsPerBatch: 1, megabytes: Math.min(6, megabytes) }),
  },
  { name: "produce Java, 1 partition, 128 KB", unit: "MB/s", run: producerPerformance(1, false) },
  { name: "produce Java, 6 partitions, 128 KB, idempotent", unit: "MB/s", run: producerPerformance(6, true) },
  { name: "consume hot (50 MB)", unit: "MB/s", run: consume(false) },
  { name: "consume from the start", unit: "MB/s", run: consume(true) },
  { name: "acknowledged latency, 1,000 records/s, median", unit: "ms", run: latency(0) },
  { name: "acknowledged latency, 1,000 records/s, p99", unit: "ms", run: latency(1) },
];

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? NaN;
}

const servers: Server[] = [];
try {
  servers.push(await kavkaServer(`${directory}/kavka`));
  servers.push(await kafkaServer({ libs, directory: `${directory}/kafka`, port: freePort(), flush: false }));
  servers.push(
    await kafkaServer({ libs, directory: `${directory}/kafka-fsync`, port: freePort(), flush: true }),
  );
  const results: Record<string, Record<string, number[]>> = {};
  for (const workload of workloads.filter((each) => new RegExp(values.only).test(each.name))) {
    const rates: Record<string, number[]> = Object.fromEntries(servers.map((each) => [each.name, []]));
    // One round to warm up every system, then the order turns with each round.
    for (let round = 0; round <= rounds; round++) {
      const order = servers.map((_, i) => servers[(i + round) % servers.length] as Server);
      for (const server of order) {
        const rate = await workload.run(server);
        if (round > 0) rates[server.name]?.push(rate);
      }
    }
    results[workload.name] = rates;
    const [kavka, kafka, fsync] = servers.map((each) => median(rates[each.name] ?? [])) as [
      number,
      number,
      number,
    ];
    const spread = servers.map((each) => {
      const all = rates[each.name] ?? [];
      return `${Math.min(...all).toFixed(1)}..${Math.max(...all).toFixed(1)}`;
    });
    console.log(
      `${workload.name.padEnd(54)} kavka ${kavka.toFixed(1)} (${spread[0]})  kafka ${kafka.toFixed(1)} (${
        spread[1]
      })` +
        `  fsync ${fsync.toFixed(1)} (${spread[2]}) ${workload.unit}  ${(kavka / kafka).toFixed(2)}x  ${
          (kavka / fsync).toFixed(2)
        }x fsync`,
    );
  }
  for (const server of servers) console.log(`${server.name}: ${server.residentMb()} MB resident at the end`);
  if (values.json !== undefined) Deno.writeTextFileSync(values.json, JSON.stringify(results, null, 2) + "\n");
} finally {
  for (const server of servers) await server.stop();
  Deno.removeSync(directory, { recursive: true });
}
