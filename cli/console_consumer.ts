/**
 * kafka-console-consumer.sh: prints records of a topic. Flags and output are those of Kafka's ConsoleConsumer.
 *
 * Without `--group` it reads all partitions by itself, and no group is made for it.
 */
import {
  BrokerError,
  type ConsumedRecord,
  Consumer,
  type ConsumerOptions,
  type OffsetSpec,
  TimeoutError,
} from "../client/mod.ts";
import {
  bootstrapServers,
  collect,
  integerOption,
  newCommand,
  parseOptions,
  propertiesOf,
  type ServerOptions,
  type Terminal,
  UsageError,
} from "./command_line.ts";
import { MessageFormatter } from "./message_formatter.ts";
import { clientProperties, PropertyReader, readProperties } from "./properties_file.ts";
import { interruption, runProcess } from "./real_terminal.ts";

/** How records are printed. */
export interface FormatterArguments {
  readonly property?: string[];
  readonly formatterProperty?: string[];
  readonly formatterConfig?: string;
  readonly formatter?: string;
  readonly keyDeserializer?: string;
  readonly valueDeserializer?: string;
}

interface ConsumerArguments extends ServerOptions, FormatterArguments {
  readonly topic: string;
  readonly fromBeginning?: boolean;
  readonly group?: string;
  readonly partition?: number;
  readonly offset?: string;
  readonly maxMessages?: number;
  readonly timeoutMs?: number;
  readonly isolationLevel?: string;
  readonly skipMessageOnError?: boolean;
  readonly consumerProperty?: string[];
  readonly commandProperty?: string[];
  readonly "consumer.config"?: string;
  readonly commandConfig?: string;
}

const POLL_RECORDS_MAX = 5_000;
/** How long to look for a broker, milliseconds. */
const CALL_TIMEOUT_MS = 10_000;
const ISOLATION_LEVELS = { read_uncommitted: "read_uncommitted", read_committed: "read_committed" } as const;
const OFFSET_RESETS = { earliest: "earliest", latest: "latest", none: "none" } as const;

/** Reads the arguments. Throws `UsageError`. */
export function parseConsumerArguments(args: readonly string[]): ConsumerArguments {
  const command = newCommand("kafka-console-consumer.sh", "Prints the records of a topic.")
    .option(
      "--bootstrap-server <servers>",
      "HOST:PORT of a broker, or several with commas (also: KAVKA_BOOTSTRAP)",
    )
    .option("--broker-list <servers>", "another spelling of --bootstrap-server")
    .option("--zookeeper <connect>", "the old spelling: a broker on the same host is asked instead")
    .option("--topic <name>", "the topic")
    .option("--from-beginning", "start with the earliest record, if the group has no offset yet")
    .option("--group <id>", "read as a member of this consumer group, and commit offsets")
    .option("--partition <number>", "read this partition only", integerOption(0))
    .option(
      "--offset <offset>",
      "where to start in the partition: a number, earliest or latest (the default)",
    )
    .option("--max-messages <count>", "end after so many records", integerOption())
    .option("--timeout-ms <ms>", "end when no record came for so long", integerOption())
    .option(
      "--formatter-property <name=value>",
      "print.timestamp, print.partition, print.offset, print.epoch, " +
        "print.headers, print.key, print.value, key.separator, line.separator, headers.separator, null.literal, " +
        "key.deserializer, value.deserializer; may be repeated",
      collect,
    )
    .option("--property <name=value>", "the old spelling of --formatter-property", collect)
    .option("--formatter-config <file>", "file with formatter properties")
    .option("--formatter <class>", "only DefaultMessageFormatter")
    .option("--key-deserializer <class>", "as the formatter property key.deserializer")
    .option("--value-deserializer <class>", "as the formatter property value.deserializer")
    .option("--isolation-level <level>", "read_uncommitted (the default) or read_committed")
    .option("--skip-message-on-error", "go on after a record that cannot be printed")
    .option(
      "--consumer-property <name=value>",
      "a consumer setting in Kafka's words; may be repeated",
      collect,
    )
    .option("--command-property <name=value>", "the new spelling of --consumer-property", collect)
    .option("--consumer.config <file>", "file with consumer settings")
    .option("--command-config <file>", "the new spelling of --consumer.config");
  const options = parseOptions<ConsumerArguments>(command, args);
  checkArguments(options);
  // Kafka's default, which means no limit, can be given, too.
  const { timeoutMs, ...others } = options;
  return timeoutMs === undefined || timeoutMs < 0 ? others : options;
}

/** In the order and words of Kafka. */
function checkArguments(options: ConsumerArguments): void {
  if (options.topic === undefined) throw new UsageError(`Missing required argument "[topic]"`);
  if (options.offset !== undefined && options.partition === undefined) {
    throw new UsageError("The partition is required when offset is specified.");
  }
  if (options.fromBeginning === true && options.offset !== undefined) {
    throw new UsageError("Options from-beginning and offset cannot be specified together.");
  }
  if (options.group !== undefined && options.partition !== undefined) {
    throw new UsageError("Options group and partition cannot be specified together.");
  }
  checkFormatter(options);
  startOf(options);
}

/** Throws `UsageError` for a formatter that is not there. */
export function checkFormatter({ formatter }: FormatterArguments): void {
  if (formatter !== undefined && !/(^|\.)DefaultMessageFormatter$/.test(formatter)) {
    throw new UsageError(`Formatter "${formatter}" is not known`);
  }
}

/** Where to start without a committed offset. */
export function startOf(options: Pick<ConsumerArguments, "offset" | "fromBeginning">): number | OffsetSpec {
  const { offset } = options;
  if (offset === undefined) return options.fromBeginning === true ? "earliest" : "latest";
  const word = offset.toLowerCase();
  if (word === "earliest" || word === "latest") return word;
  if (/^\d+$/.test(offset) && Number.isSafeInteger(Number(offset))) return Number(offset);
  throw new UsageError(
    `The provided offset value '${offset}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long.`,
  );
}

/** The client's options; flags over properties in Kafka's words. Throws `UsageError`. */
export function consumerOptions(
  options: ConsumerArguments,
  properties: PropertyReader,
  servers: string,
): ConsumerOptions & { groupId: string | undefined } {
  const configuredReset = properties.oneOf("auto.offset.reset", OFFSET_RESETS);
  const configuredIsolation = properties.oneOf("isolation.level", ISOLATION_LEVELS);
  const flags = new PropertyReader(
    new Map(options.isolationLevel === undefined ? [] : [["isolation-level", options.isolationLevel]]),
  );
  const configuredGroup = properties.text("group.id");
  return {
    bootstrapServers: servers,
    clientId: properties.text("client.id") ?? "console-consumer",
    groupId: options.partition === undefined ? options.group ?? configuredGroup : undefined,
    groupInstanceId: properties.text("group.instance.id"),
    offsetReset: options.fromBeginning === true ? "earliest" : configuredReset ?? "latest",
    isolationLevel: flags.oneOf("isolation-level", ISOLATION_LEVELS) ?? configuredIsolation,
    autoCommit: properties.boolean("enable.auto.commit"),
    autoCommitIntervalMs: properties.integer("auto.commit.interval.ms"),
    sessionTimeoutMs: properties.integer("session.timeout.ms"),
    heartbeatIntervalMs: properties.integer("heartbeat.interval.ms"),
    pollIntervalMaxMs: properties.integer("max.poll.interval.ms"),
    fetchMinBytes: properties.integer("fetch.min.bytes"),
    fetchMaxWaitMs: properties.integer("fetch.max.wait.ms"),
    fetchMaxBytes: properties.integer("fetch.max.bytes"),
    partitionFetchMaxBytes: properties.integer("max.partition.fetch.bytes"),
    requestTimeoutMs: properties.integer("request.timeout.ms"),
    callTimeoutMs: CALL_TIMEOUT_MS,
  };
}

/** The command. It ends by itself with `--max-messages` or `--timeout-ms`, else when the signal is aborted. */
export async function consoleConsumer(
  args: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const options = parseConsumerArguments(args);
  const formatter = new MessageFormatter(await formatterProperties(options, terminal));
  const properties = new PropertyReader(
    await clientProperties(options.commandConfig ?? options["consumer.config"], [
      ...(options.consumerProperty ?? []),
      ...(options.commandProperty ?? []),
    ], terminal),
  );
  const configured = properties.text("bootstrap.servers");
  const isGiven = options.bootstrapServer !== undefined || options.zookeeper !== undefined ||
    options.brokerList !== undefined;
  const servers = !isGiven && configured !== undefined ? configured : bootstrapServers(options, terminal);
  const client = consumerOptions(options, properties, servers);
  const consumer = new Consumer(terminal.env, client);
  for (const name of properties.unused()) terminal.writeError(`Consumer property "${name}" is not used`);

  const printer = new Printer(consumer, formatter, terminal, options);
  try {
    if (client.groupId !== undefined) consumer.subscribe([options.topic]);
    else if (!await assign(consumer, options, client, terminal, signal)) return 0;
    await printer.run(signal);
    return 0;
  } catch (error) {
    if (signal.aborted) return 0;
    throw error;
  } finally {
    await consumer.close();
    terminal.writeError(`Processed a total of ${printer.count} messages`);
  }
}

/** What the flags of the formatter say, over its file. */
export async function formatterProperties(
  options: FormatterArguments,
  terminal: Terminal,
): Promise<Map<string, string>> {
  const properties = options.formatterConfig === undefined
    ? new Map<string, string>()
    : await readProperties(options.formatterConfig, terminal);
  const { keyDeserializer, valueDeserializer } = options;
  if (keyDeserializer !== undefined) properties.set("key.deserializer", keyDeserializer);
  if (valueDeserializer !== undefined) properties.set("value.deserializer", valueDeserializer);
  const pairs = propertiesOf([...(options.property ?? []), ...(options.formatterProperty ?? [])]);
  for (const [name, value] of pairs) properties.set(name, value);
  return properties;
}

/** Assigns the partitions, waiting for the topic as long as `--timeout-ms` allows. False when it did not come. */
async function assign(
  consumer: Consumer,
  options: ConsumerArguments,
  client: ConsumerOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<boolean> {
  const { topic, partition, timeoutMs } = options;
  if (partition !== undefined) {
    consumer.assign([{ topic, partition, start: startOf(options) }]);
    return true;
  }
  const start = client.offsetReset === "earliest" ? "earliest" : "latest";
  const endsAtMs = terminal.env.mono() + (timeoutMs ?? Infinity);
  for (let isFirst = true;; isFirst = false) {
    const leftMs = Math.max(endsAtMs - terminal.env.mono(), 0);
    try {
      await consumer.assignTopic(topic, { start, signal, timeoutMs: Math.min(leftMs, CALL_TIMEOUT_MS) });
      return true;
    } catch (error) {
      const mayCome = (error instanceof BrokerError && error.retriable) || error instanceof TimeoutError;
      if (!mayCome || signal.aborted) throw error;
      if (terminal.env.mono() >= endsAtMs || leftMs < CALL_TIMEOUT_MS) return false;
      if (isFirst) terminal.writeError(`Waiting for topic ${topic}: ${error.message}`);
    }
  }
}

/** Prints what the consumer gives. */
class Printer {
  count = 0;
  readonly #consumer: Consumer;
  readonly #formatter: MessageFormatter;
  readonly #terminal: Terminal;
  readonly #options: ConsumerArguments;

  constructor(
    consumer: Consumer,
    formatter: MessageFormatter,
    terminal: Terminal,
    options: ConsumerArguments,
  ) {
    this.#consumer = consumer;
    this.#formatter = formatter;
    this.#terminal = terminal;
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { maxMessages = -1, timeoutMs } = this.#options;
    while (maxMessages < 0 || this.count < maxMessages) {
      const recordsMax = maxMessages < 0
        ? POLL_RECORDS_MAX
        : Math.min(POLL_RECORDS_MAX, maxMessages - this.count);
      const records = await this.#consumer.poll({ recordsMax, signal, timeoutMs });
      if (records.length === 0) return;
      const failure = this.#format(records);
      try {
        await this.#terminal.writeOut(this.#formatter.take());
      } catch {
        this.#giveBack(records);
        this.#terminal.writeError("Unable to write to standard out, closing consumer.");
        return;
      }
      this.count += records.length;
      if (failure !== null) throw failure;
    }
  }

  /** Gives the failure that ends the command after what was formatted before is printed. */
  #format(records: readonly ConsumedRecord[]): Error | null {
    for (const record of records) {
      try {
        this.#formatter.add(record);
      } catch (error) {
        const where = `${record.topic}-${record.partition} at offset ${record.offset}`;
        const message = `Cannot print record of ${where}: ${error instanceof Error ? error.message : error}`;
        if (this.#options.skipMessageOnError !== true) return new UsageError(message, { cause: error });
        this.#terminal.writeError(message);
      }
    }
    return null;
  }

  /** So that records which nobody saw are not committed. */
  #giveBack(records: readonly ConsumedRecord[]): void {
    for (const { topic, partition, offset } of records.toReversed()) {
      this.#consumer.seek(topic, partition, offset);
    }
  }
}

if (import.meta.main) {
  const signal = interruption();
  await runProcess((args, terminal) => consoleConsumer(args, terminal, signal));
}
