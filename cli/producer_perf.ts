/**
 * kafka-producer-perf-test.sh: how fast records are sent, and how long until they are acknowledged. Flags and output are
 * those of Kafka's ProducerPerformance; the producer is this project's, with its defaults.
 */
import { ClientError, Producer } from "../client/mod.ts";
import { checkSecurity } from "./command_config.ts";
import { integerOption, newCommand, parseOptions, type Terminal, UsageError, utf8 } from "./command_line.ts";
import { producerOptions } from "./console_producer.ts";
import { LatencyStats } from "./latency_stats.ts";
import { metricsText } from "./metrics_text.ts";
import { clientProperties, PropertyReader } from "./properties_file.ts";
import { runProcess } from "./real_terminal.ts";

interface ProducerPerfOptions {
  readonly bootstrapServer?: string;
  readonly topic: string;
  readonly numRecords: number;
  readonly recordSize?: number;
  readonly payloadFile?: string;
  readonly payloadMonotonic?: boolean;
  readonly payloadDelimiter: string;
  readonly throughput: number;
  readonly producerProps?: string[];
  readonly commandProperty?: string[];
  readonly "producer.config"?: string;
  readonly commandConfig?: string;
  readonly warmupRecords: number;
  readonly reportingInterval: number;
  readonly printMetrics?: boolean;
  readonly transactionalId?: string;
  readonly transactionDurationMs?: number;
}

/** Records between two looks at buffer and clock. */
const RECORDS_PER_PAUSE = 64;
const REPORTING_INTERVAL_MS = 5_000;
const SHOWN_FAILURES_MAX = 10;
/** Kafka's default. */
const LINGER_MS = 5;
const TRANSACTION_DURATION_MS = 3_000;
const TRANSACTIONAL_ID_PREFIX = "performance-producer-";
const PAYLOAD_ALPHABET_LENGTH = 26;
const FIRST_LETTER = 65;

/** Reads the arguments. Throws `UsageError`. */
export function parseProducerPerfArguments(args: readonly string[]): ProducerPerfOptions {
  const command = newCommand("kafka-producer-perf-test.sh", "Measures how fast records are sent.")
    .option("--bootstrap-server <servers>", "HOST:PORT of a broker, or several with commas")
    .requiredOption("--topic <name>", "the topic")
    .requiredOption("--num-records <count>", "how many records to send", integerOption())
    .requiredOption("--throughput <rate>", "records per second, about; -1 for as many as possible", rate)
    .option("--record-size <bytes>", "size of a record", integerOption())
    .option("--payload-file <file>", "records are chosen at random from this file")
    .option("--payload-monotonic", "records are 0, 1, 2 …")
    .option(
      "--payload-delimiter <text>",
      "what stands between records of the file; default a line break",
      "\\n",
    )
    .option("--producer-props <pairs...>", "the old spelling of --command-property")
    .option("--command-property <pairs...>", "producer settings in Kafka's words, NAME=VALUE …")
    .option("--producer.config <file>", "the old spelling of --command-config")
    .option("--command-config <file>", "file with producer settings")
    .option("--warmup-records <count>", "so many at first, shown in the total alone", integerOption(0), 0)
    .option("--reporting-interval <ms>", "time between lines", integerOption(1), REPORTING_INTERVAL_MS)
    .option("--print-metrics", "print the producer's own figures at the end")
    .option("--transactional-id <id>", "send in transactions of this id, in place of transactional.id")
    .option(
      "--transaction-duration-ms <ms>",
      `commit after this time, and begin the next; default ${TRANSACTION_DURATION_MS} with a transactional id. ` +
        `Without one: ${TRANSACTIONAL_ID_PREFIX} and a random UUID`,
      integerOption(),
    );
  const options = parseOptions<ProducerPerfOptions>(command, args);
  check(options);
  return options;
}

function rate(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value)) {
    throw new UsageError(`could not convert '${text}' to Double`);
  }
  return value;
}

function check(options: ProducerPerfOptions): void {
  const payloads = [options.recordSize, options.payloadFile, options.payloadMonotonic];
  if (payloads.filter((each) => each !== undefined).length !== 1) {
    throw new UsageError("one of the arguments --record-size --payload-file --payload-monotonic is required");
  }
  if (options.numRecords <= 0) throw new UsageError("--num-records should be greater than zero.");
  if (options.recordSize !== undefined && options.recordSize <= 0) {
    throw new UsageError("--record-size should be greater than zero.");
  }
  if (options.warmupRecords >= options.numRecords) {
    throw new UsageError(
      "The value for --warmup-records must be strictly fewer than the number of records in the test, --num-records.",
    );
  }
  if (options.transactionDurationMs !== undefined && options.transactionDurationMs <= 0) {
    throw new UsageError("--transaction-duration-ms should be greater than zero.");
  }
  const sources = [
    options.bootstrapServer,
    options.producerProps,
    options.commandProperty,
    options["producer.config"],
    options.commandConfig,
  ];
  if (sources.every((each) => each === undefined)) {
    throw new UsageError(
      "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or " +
        "--command-config must be specified.",
    );
  }
}

/** The command. */
export async function producerPerfTest(args: readonly string[], terminal: Terminal): Promise<number> {
  const options = parseProducerPerfArguments(args);
  await deprecations(options, terminal);
  const properties = new PropertyReader(
    await clientProperties(
      options.commandConfig ?? options["producer.config"],
      [...options.producerProps ?? [], ...options.commandProperty ?? []],
      terminal,
    ),
  );
  checkSecurity(properties);
  const { transactionDurationMs } = options;
  const transactionalId = options.transactionalId ?? properties.text("transactional.id") ??
    (transactionDurationMs === undefined ? undefined : TRANSACTIONAL_ID_PREFIX + terminal.env.uuid());
  const servers = options.bootstrapServer ?? properties.text("bootstrap.servers");
  if (servers === undefined) {
    throw new UsageError("No bootstrap servers: neither --bootstrap-server nor bootstrap.servers");
  }
  const clientId = properties.text("client.id") ?? "perf-producer-client";
  const lingerMs = properties.integer("linger.ms") ?? LINGER_MS;
  const transactionTimeoutMs = properties.integer("transaction.timeout.ms");
  const client = {
    ...producerOptions({ topic: options.topic }, properties, servers),
    clientId,
    lingerMs,
    transactionalId,
    transactionTimeoutMs,
  };
  for (const name of properties.unused()) terminal.writeError(`Producer property "${name}" is not used`);
  const payload = await payloads(options, terminal);
  if (options.warmupRecords > 0) {
    await terminal.writeOut(utf8(
      `Warmup first ${options.warmupRecords} records. Steady state results will print after the complete test summary.\n`,
    ));
  }
  const producer = new Producer(terminal.env, client);
  try {
    const commitEveryMs = transactionalId === undefined
      ? null
      : transactionDurationMs ?? TRANSACTION_DURATION_MS;
    return await new PerfRun(producer, { ...options, clientId, commitEveryMs }, payload, terminal).run();
  } finally {
    await producer.close();
  }
}

async function deprecations(options: ProducerPerfOptions, terminal: Terminal): Promise<void> {
  const old = [
    [options.producerProps, "--producer-props", "--command-property"],
    [options["producer.config"], "--producer.config", "--command-config"],
  ] as const;
  for (const [value, name, instead] of old) {
    if (value === undefined) continue;
    await terminal.writeOut(utf8(
      `Option ${name} has been deprecated and will be removed in a future version. Use ${instead} instead.\n`,
    ));
  }
}

/** What record number n holds. */
type Payload = (index: number) => Uint8Array;

async function payloads(options: ProducerPerfOptions, { env, writeOut }: Terminal): Promise<Payload> {
  const { recordSize, payloadFile } = options;
  if (payloadFile !== undefined) {
    await writeOut(utf8(`Reading payloads from: ${payloadFile}\n`));
    const text = await env.files.readText(payloadFile).catch(() => "");
    if (text === "") throw new UsageError("File does not exist or empty file provided.");
    const delimiter = options.payloadDelimiter === "\\n" ? "\n" : options.payloadDelimiter;
    const parts = text.split(delimiter);
    while (parts.at(-1) === "") parts.pop();
    const records = parts.map(utf8);
    await writeOut(utf8(`Number of records read: ${records.length}\n`));
    return () => records[Math.floor(env.random() * records.length)] ?? new Uint8Array();
  }
  if (recordSize === undefined) return (index) => utf8(String(index));
  return () => {
    const record = new Uint8Array(recordSize);
    for (let at = 0; at < recordSize; at++) {
      record[at] = FIRST_LETTER + Math.floor(env.random() * PAYLOAD_ALPHABET_LENGTH);
    }
    return record;
  };
}

interface PerfRunOptions extends ProducerPerfOptions {
  readonly clientId: string;
  /** Null: without transactions. */
  readonly commitEveryMs: number | null;
}

class PerfRun {
  readonly #producer: Producer;
  readonly #options: PerfRunOptions;
  readonly #payload: Payload;
  readonly #terminal: Terminal;
  readonly #stats: LatencyStats;
  #steadyStats: LatencyStats | null = null;
  #failureCount = 0;
  #output: Promise<void> = Promise.resolve();

  constructor(producer: Producer, options: PerfRunOptions, payload: Payload, terminal: Terminal) {
    this.#producer = producer;
    this.#options = options;
    this.#payload = payload;
    this.#terminal = terminal;
    this.#stats = new LatencyStats(options.numRecords, terminal.env.mono());
  }

  async run(): Promise<number> {
    const { numRecords, throughput, warmupRecords, commitEveryMs } = this.#options;
    const { env } = this.#terminal;
    if (commitEveryMs !== null) await this.#producer.initTransactions();
    /** Of the open transaction; null: none is open. */
    let begunMs: number | null = null;
    const startMs = env.mono();
    for (let index = 0; index < numRecords; index++) {
      if (warmupRecords > 0 && index === warmupRecords) {
        this.#steadyStats = new LatencyStats(numRecords - warmupRecords, env.mono(), "steady state");
      }
      if (index % RECORDS_PER_PAUSE === 0) {
        await this.#producer.ready();
        // So that answers are taken in and batches leave while this loop goes on.
        await env.sleep(0);
      }
      if (throughput > 0) {
        const dueMs = startMs + index * 1_000 / throughput;
        if (dueMs > env.mono()) await env.sleep(dueMs - env.mono());
      }
      if (commitEveryMs !== null && begunMs === null) {
        this.#producer.beginTransaction();
        begunMs = env.mono();
      }
      this.#send(index);
      if (commitEveryMs !== null && begunMs !== null && env.mono() - begunMs >= commitEveryMs) {
        await this.#producer.commitTransaction();
        begunMs = null;
      }
    }
    if (begunMs !== null) await this.#producer.commitTransaction();
    await this.#producer.flush();
    const nowMs = env.mono();
    this.#print(this.#stats.total(nowMs));
    if (this.#steadyStats !== null) this.#print(this.#steadyStats.total(nowMs));
    const { printMetrics, clientId } = this.#options;
    if (printMetrics === true) this.#print(metricsText(this.#producer.metrics(), clientId).trimEnd());
    await this.#output;
    if (this.#failureCount === 0) return 0;
    this.#terminal.writeError(`${this.#failureCount} of ${numRecords} records were not acknowledged`);
    return 1;
  }

  #send(index: number): void {
    const { env } = this.#terminal;
    const value = this.#payload(index);
    const stats = index < this.#options.warmupRecords ? null : this.#steadyStats;
    const sentMs = env.mono();
    this.#producer.send({ topic: this.#options.topic, value }).then(() => {
      const nowMs = env.mono();
      this.#stats.record(nowMs - sentMs, value.length);
      stats?.record(nowMs - sentMs, value.length);
      const line = this.#stats.takeWindow(nowMs, this.#options.reportingInterval);
      if (line !== null) this.#print(line);
      const steady = stats?.takeWindow(nowMs, this.#options.reportingInterval) ?? null;
      if (steady !== null) this.#print(steady);
    }, (error: ClientError) => {
      this.#failureCount++;
      if (this.#failureCount <= SHOWN_FAILURES_MAX) this.#terminal.writeError(error.message);
    });
  }

  #print(line: string): void {
    this.#output = this.#output.then(() => this.#terminal.writeOut(utf8(`${line}\n`)));
  }
}

if (import.meta.main) await runProcess(producerPerfTest);
