/**
 * kafka-consumer-perf-test.sh: how fast a group's member reads records. Flags and output are those of Kafka's
 * ConsumerPerformance; the consumer is this project's.
 */
import { Admin, Consumer } from "../client/mod.ts";
import { checkSecurity } from "./command_config.ts";
import {
  collect,
  integerOption,
  newCommand,
  parseOptions,
  type Terminal,
  UsageError,
  utf8,
} from "./command_line.ts";
import { consumerOptions } from "./console_consumer.ts";
import { metricsText } from "./metrics_text.ts";
import { formatTime } from "./java_date_format.ts";
import { clientProperties, PropertyReader } from "./properties_file.ts";
import { runProcess } from "./real_terminal.ts";
import { topicMatcher } from "./topic_filter.ts";

interface ConsumerPerfOptions {
  readonly bootstrapServer: string;
  readonly topic?: string;
  readonly include?: string;
  readonly group?: string;
  readonly numRecords?: number;
  /** The old spelling of `numRecords`. */
  readonly messages?: number;
  readonly fetchSize: number;
  readonly fromLatest?: boolean;
  readonly timeout: number | true;
  readonly reportingInterval: number;
  readonly showDetailedStats?: boolean;
  readonly hideHeader?: boolean;
  readonly dateFormat: string;
  readonly printMetrics?: boolean;
  readonly commandProperty?: string[];
  readonly "consumer.config"?: string;
  readonly commandConfig?: string;
}

const TIMEOUT_MS = 10_000;
const REPORTING_INTERVAL_MS = 5_000;
const FETCH_BYTES = 1024 * 1024;
const POLL_MS = 100;
/** As Kafka's consumer: so many more than asked for may be counted. */
const POLL_RECORDS_MAX = 500;
const BYTES_PER_MB = 1024 * 1024;
const RANDOM_GROUPS = 100_000;

/** Reads the arguments. Throws `UsageError`. */
export function parseConsumerPerfArguments(args: readonly string[]): ConsumerPerfOptions {
  const command = newCommand("kafka-consumer-perf-test.sh", "Measures how fast records are read.")
    .option("--bootstrap-server <servers>", "HOST:PORT of a broker, or several with commas")
    .option("--topic <name>", "the topic")
    .option("--include <pattern>", "topics, as a regular expression, in place of --topic")
    .option("--group <id>", "the group; without it a new one")
    .option("--num-records <count>", "how many records to read", integerOption())
    .option("--messages <count>", "the old spelling of --num-records", integerOption())
    .option("--fetch-size <bytes>", "of one partition in one answer", integerOption(1), FETCH_BYTES)
    .option("--from-latest", "a new group starts at the end, not at the beginning")
    .option("--socket-buffer-size <bytes>", "accepted, without effect", integerOption())
    .option("--timeout [ms]", "ends when no record came for so long", integerOption(), TIMEOUT_MS)
    .option("--reporting-interval <ms>", "time between lines", integerOption(0), REPORTING_INTERVAL_MS)
    .option("--show-detailed-stats", "a line for each interval, in place of one about it all")
    .option("--hide-header", "no names of columns")
    .option(
      "--date-format <pattern>",
      "of times, in the letters of Java's SimpleDateFormat",
      "yyyy-MM-dd HH:mm:ss:SSS",
    )
    .option("--print-metrics", "print the consumer's own figures at the end")
    .option(
      "--command-property <name=value>",
      "a consumer setting in Kafka's words; may be repeated",
      collect,
    )
    .option("--consumer.config <file>", "the old spelling of --command-config")
    .option("--command-config <file>", "file with consumer settings");
  const options = parseOptions<ConsumerPerfOptions>(command, args);
  if (options.bootstrapServer === undefined) {
    throw new UsageError('Missing required argument "[bootstrap-server]"');
  }
  if ((options.numRecords === undefined) === (options.messages === undefined)) {
    throw new UsageError("Exactly one of the following arguments is required: [messages], [num-records]");
  }
  if ((options.topic === undefined) === (options.include === undefined)) {
    throw new UsageError("Exactly one of the following arguments is required: [topic], [include]");
  }
  if (options.reportingInterval <= 0) throw new UsageError("Reporting interval must be greater than 0.");
  return options;
}

/** The command. */
export async function consumerPerfTest(args: readonly string[], terminal: Terminal): Promise<number> {
  const options = parseConsumerPerfArguments(args);
  const { env } = terminal;
  if (options.messages !== undefined) {
    await terminal.writeOut(utf8("Warning: --messages is deprecated. Use --num-records instead.\n"));
  }
  const properties = new PropertyReader(
    await clientProperties(
      options.commandConfig ?? options["consumer.config"],
      options.commandProperty ?? [],
      terminal,
    ),
  );
  checkSecurity(properties);
  const clientId = properties.text("client.id") ?? "perf-consumer-client";
  const configured = consumerOptions({ topic: options.topic ?? "" }, properties, options.bootstrapServer);
  for (const name of properties.unused()) terminal.writeError(`Consumer property "${name}" is not used`);
  const topics = options.topic !== undefined ? [options.topic] : await matchingTopics(options, terminal);
  const consumer = new Consumer(env, {
    ...configured,
    clientId,
    groupId: options.group ?? `perf-consumer-${Math.floor(env.random() * RANDOM_GROUPS)}`,
    offsetReset: options.fromLatest === true ? "latest" : "earliest",
    partitionFetchMaxBytes: options.fetchSize,
  });
  try {
    const code = await new PerfRun(consumer, options, terminal).run(topics);
    if (options.printMetrics === true) {
      await terminal.writeOut(utf8(metricsText(consumer.metrics(), clientId)));
    }
    return code;
  } finally {
    await consumer.close();
  }
}

async function matchingTopics(options: ConsumerPerfOptions, { env }: Terminal): Promise<string[]> {
  using admin = new Admin(env, { bootstrapServers: options.bootstrapServer });
  const matches = topicMatcher(options.include);
  const topics = (await admin.listTopics()).filter(matches);
  if (topics.length === 0) throw new UsageError(`No topic matches ${options.include}`);
  return topics;
}

/** What was read until some moment. */
interface Progress {
  readonly timeMs: number;
  readonly records: number;
  readonly bytes: number;
}

class PerfRun {
  readonly #consumer: Consumer;
  readonly #options: ConsumerPerfOptions;
  readonly #terminal: Terminal;
  #records = 0;
  #bytes = 0;
  #joinMs = 0;

  constructor(consumer: Consumer, options: ConsumerPerfOptions, terminal: Terminal) {
    this.#consumer = consumer;
    this.#options = options;
    this.#terminal = terminal;
  }

  async run(topics: readonly string[]): Promise<number> {
    const { env } = this.#terminal;
    const { numRecords, messages, timeout, showDetailedStats, hideHeader } = this.#options;
    const wanted = numRecords ?? messages ?? 0;
    const timeoutMs = timeout === true ? TIMEOUT_MS : timeout;
    if (hideHeader !== true) await this.#print(header(showDetailedStats === true));
    const startMs = env.now();
    this.#consumer.subscribe(topics);
    let lastRecordMs = startMs;
    let nowMs = startMs;
    let last: Progress = { timeMs: startMs, records: 0, bytes: 0 };
    let reportedJoinMs = 0;
    while (this.#records < wanted && nowMs - lastRecordMs <= timeoutMs) {
      const records = await this.#consumer.poll({ timeoutMs: POLL_MS, recordsMax: POLL_RECORDS_MAX });
      nowMs = env.now();
      if (this.#joinMs === 0 && this.#consumer.assignment.length > 0) this.#joinMs = nowMs - startMs;
      if (records.length > 0) lastRecordMs = nowMs;
      for (const { key, value } of records) {
        this.#records++;
        this.#bytes += (key?.length ?? 0) + (value?.length ?? 0);
      }
      if (records.length > 0 && nowMs - last.timeMs >= this.#options.reportingInterval) {
        const now = { timeMs: nowMs, records: this.#records, bytes: this.#bytes };
        if (showDetailedStats === true) {
          await this.#print(this.#detail(last, now, this.#joinMs - reportedJoinMs));
        }
        reportedJoinMs = this.#joinMs;
        last = now;
      }
    }
    if (this.#records < wanted) {
      await this.#print(
        `WARNING: Exiting before consuming the expected number of records: timeout (${timeoutMs} ms) exceeded. ` +
          "You can use the --timeout option to increase the timeout.",
      );
    }
    if (showDetailedStats !== true) await this.#print(this.#summary(startMs, env.now()));
    return 0;
  }

  #summary(startMs: number, endMs: number): string {
    const megabytes = this.#bytes / BYTES_PER_MB;
    const fetchMs = endMs - startMs - this.#joinMs;
    return [
      formatTime(startMs, this.#options.dateFormat),
      formatTime(endMs, this.#options.dateFormat),
      fixed(megabytes),
      fixed(perSecond(megabytes, endMs - startMs)),
      this.#records,
      fixed(perSecond(this.#records, endMs - startMs)),
      this.#joinMs,
      fetchMs,
      fixed(perSecond(megabytes, fetchMs)),
      fixed(perSecond(this.#records, fetchMs)),
    ].join(", ");
  }

  #detail(last: Progress, now: Progress, joinMs: number): string {
    const elapsedMs = now.timeMs - last.timeMs;
    const fetchMs = elapsedMs - joinMs;
    const records = now.records - last.records;
    const megabytes = (now.bytes - last.bytes) / BYTES_PER_MB;
    return [
      formatTime(now.timeMs, this.#options.dateFormat),
      0,
      fixed(now.bytes / BYTES_PER_MB),
      fixed(perSecond(megabytes, elapsedMs)),
      now.records,
      fixed(perSecond(records, elapsedMs)),
      joinMs,
      fetchMs,
      fixed(perSecond(megabytes, fetchMs)),
      fixed(perSecond(records, fetchMs)),
    ].join(", ");
  }

  #print(line: string): Promise<void> {
    return this.#terminal.writeOut(utf8(`${line}\n`));
  }
}

function header(isDetailed: boolean): string {
  return `${isDetailed ? "time, threadId" : "start.time, end.time"}, data.consumed.in.MB, MB.sec, ` +
    "data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec";
}

function perSecond(amount: number, ms: number): number {
  return ms <= 0 ? 0 : amount * 1_000 / ms;
}

function fixed(value: number): string {
  return value.toFixed(4);
}

if (import.meta.main) await runProcess(consumerPerfTest);
