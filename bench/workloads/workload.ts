/** What a workload is, and the tools that the workloads share. */
import type { Server } from "../servers.ts";

export interface Workload {
  readonly name: string;
  readonly unit: "MB/s" | "ms" | "s" | "MB" | "%";
  /** One measurement; a larger number is better for MB/s, a smaller one for everything else. */
  run(server: Server, tools: Tools): Promise<number>;
  /** Measured once and not in rounds: it restarts the server, or fills its disk. */
  readonly once?: boolean;
  /** Only with `--long`: minutes. */
  readonly long?: boolean;
}

export interface Tools {
  /** Directory of Apache Kafka's jars. */
  readonly libs: string;
  /** `librdkafka_produce.c`, built. */
  readonly librdkafkaProduce: string;
  /** How much one measurement of throughput moves. */
  readonly megabytes: number;
}

export async function run(command: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args] }).output();
  const text = new TextDecoder().decode(stdout);
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${text}${new TextDecoder().decode(stderr)}`);
  return text;
}

/** One of Apache Kafka's own programs. */
export function java({ libs }: Tools, tool: string, args: readonly string[]): Promise<string> {
  return run("java", ["-Xmx512m", "-cp", `${libs}/*`, tool, ...args]);
}

export async function createTopic(server: Server, tools: Tools, partitions: number): Promise<string> {
  const topic = `bench-${crypto.randomUUID().slice(0, 8)}`;
  await java(tools, "org.apache.kafka.tools.TopicCommand", [
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

export interface LibrdkafkaOptions {
  readonly recordsPerBatch: number;
  readonly inFlight: number;
  readonly isIdempotent: boolean;
  readonly compression: "none" | "lz4";
  readonly megabytes: number;
}

/** Records of 1,000 bytes to all partitions in turn; MB/s. */
export async function librdkafkaProduce(
  server: Server,
  { librdkafkaProduce }: Tools,
  topic: { readonly name: string; readonly partitions: number },
  options: LibrdkafkaOptions,
): Promise<number> {
  const { recordsPerBatch, inFlight, isIdempotent, compression, megabytes } = options;
  const args = [
    server.address,
    topic.name,
    topic.partitions,
    megabytes * 1_000,
    1_000,
    recordsPerBatch,
    inFlight,
    isIdempotent ? 1 : 0,
    compression,
  ];
  return Number(await run(librdkafkaProduce, args.map(String)));
}

/** Records of 1,000 bytes to one partition, one at a time, so many a second; milliseconds until they are acknowledged. */
export async function librdkafkaLatency(
  server: Server,
  { librdkafkaProduce }: Tools,
  topic: string,
  { recordsPerSecond, seconds }: { readonly recordsPerSecond: number; readonly seconds: number },
): Promise<{ readonly medianMs: number; readonly p99Ms: number }> {
  const args = [
    server.address,
    topic,
    1,
    recordsPerSecond * seconds,
    1_000,
    1,
    5,
    0,
    "none",
    recordsPerSecond,
  ];
  const [medianMs = NaN, p99Ms = NaN] = (await run(librdkafkaProduce, args.map(String))).split(" ").map(
    Number,
  );
  return { medianMs, p99Ms };
}

/** Java's ConsumerPerformance from the start of the topic; MB/s of the time that it fetched. */
export async function consumeFromStart(
  server: Server,
  tools: Tools,
  topic: string,
  megabytes: number,
): Promise<number> {
  const text = await java(tools, "org.apache.kafka.tools.ConsumerPerformance", [
    "--bootstrap-server",
    server.address,
    "--topic",
    topic,
    "--num-records",
    String(megabytes * 1_000),
    "--timeout",
    "60000",
    "--hide-header",
  ]);
  // start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, fetch MB/s, …
  const columns = text.trim().split("\n").at(-1)?.split(", ") ?? [];
  return Number(columns[8]) * 1.048576;
}
