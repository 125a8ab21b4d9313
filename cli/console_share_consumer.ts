/**
 * kafka-console-share-consumer.sh: takes records from a queue and prints them. Flags, output and messages are those of
 * Kafka's ConsoleShareConsumer; the consumer is this project's.
 */
import { ShareConsumer, type SharedRecord } from "../client/mod.ts";
import { checkSecurity } from "./command_config.ts";
import {
  bootstrapServers,
  collect,
  integerOption,
  newCommand,
  parseOptions,
  type ServerOptions,
  type Terminal,
  UsageError,
} from "./command_line.ts";
import { checkFormatter, type FormatterArguments, formatterProperties } from "./console_consumer.ts";
import { MessageFormatter } from "./message_formatter.ts";
import { clientProperties, PropertyReader } from "./properties_file.ts";
import { interruption, runProcess } from "./real_terminal.ts";

interface ShareConsumerArguments extends ServerOptions, FormatterArguments {
  readonly topic: string;
  readonly group?: string;
  readonly maxMessages?: number;
  readonly timeoutMs?: number;
  readonly release?: boolean;
  readonly reject?: boolean;
  readonly rejectMessageOnError?: boolean;
  readonly consumerProperty?: string[];
  readonly commandProperty?: string[];
  readonly consumerConfig?: string;
  readonly commandConfig?: string;
}

/** As Kafka's tool names it. */
const DEFAULT_GROUP = "console-share-consumer";
const CALL_TIMEOUT_MS = 10_000;

/** Reads the arguments. Throws `UsageError`. */
export function parseShareConsumerArguments(args: readonly string[]): ShareConsumerArguments {
  const command = newCommand("kafka-console-share-consumer.sh", "Takes records from a queue and prints them.")
    .option(
      "--bootstrap-server <servers>",
      "HOST:PORT of a broker, or several with commas (also: KAVKA_BOOTSTRAP)",
    )
    .option("--topic <name>", "the topic")
    .option("--group <id>", `the share group; default ${DEFAULT_GROUP}`)
    .option("--max-messages <count>", "end after so many records", integerOption())
    .option("--timeout-ms <ms>", "end when no record came for so long", integerOption())
    .option("--release", "give the records back, for others")
    .option("--reject", "records are for nobody")
    .option("--reject-message-on-error", "go on after a record that cannot be printed, and reject it")
    .option(
      "--formatter-property <name=value>",
      "print.timestamp, print.partition, print.offset, print.delivery, print.epoch, print.headers, print.key, " +
        "print.value, key.separator, line.separator, headers.separator, null.literal, key.deserializer, " +
        "value.deserializer; may be repeated",
      collect,
    )
    .option("--property <name=value>", "the old spelling of --formatter-property", collect)
    .option("--formatter-config <file>", "file with formatter properties")
    .option("--formatter <class>", "only DefaultMessageFormatter")
    .option("--key-deserializer <class>", "as the formatter property key.deserializer")
    .option("--value-deserializer <class>", "as the formatter property value.deserializer")
    .option(
      "--command-property <name=value>",
      "a consumer setting in Kafka's words; may be repeated",
      collect,
    )
    .option("--consumer-property <name=value>", "the old spelling of --command-property", collect)
    .option("--command-config <file>", "file with consumer settings")
    .option("--consumer-config <file>", "the old spelling of --command-config");
  const options = parseOptions<ShareConsumerArguments>(command, args);
  if (options.topic === undefined) throw new UsageError(`Missing required argument "[topic]"`);
  if (options.release === true && options.reject === true) {
    throw new UsageError("At most one of --reject and --release may be specified.");
  }
  checkFormatter(options);
  return options;
}

/** The command. It ends by itself with `--max-messages` or `--timeout-ms`, else when the signal is aborted. */
export async function consoleShareConsumer(
  args: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const options = parseShareConsumerArguments(args);
  const formatter = new MessageFormatter(await formatterProperties(options, terminal));
  const properties = new PropertyReader(
    await clientProperties(
      options.commandConfig ?? options.consumerConfig,
      [...options.consumerProperty ?? [], ...options.commandProperty ?? []],
      terminal,
    ),
  );
  checkSecurity(properties);
  const consumer = new ShareConsumer(terminal.env, {
    bootstrapServers: bootstrapServers(options, terminal),
    clientId: properties.text("client.id") ?? "console-share-consumer",
    groupId: options.group ?? properties.text("group.id") ?? DEFAULT_GROUP,
    fetchMinBytes: properties.integer("fetch.min.bytes"),
    fetchMaxWaitMs: properties.integer("fetch.max.wait.ms"),
    fetchMaxBytes: properties.integer("fetch.max.bytes"),
    fetchRecordsMax: properties.integer("max.poll.records"),
    requestTimeoutMs: properties.integer("request.timeout.ms"),
    callTimeoutMs: CALL_TIMEOUT_MS,
  });
  for (const name of properties.unused()) terminal.writeError(`Consumer property "${name}" is not used`);
  const printer = new SharePrinter(consumer, formatter, { options, terminal });
  try {
    consumer.subscribe([options.topic]);
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

/** Prints what the consumer gives, and says of each record what becomes of it. */
class SharePrinter {
  count = 0;
  readonly #consumer: ShareConsumer;
  readonly #formatter: MessageFormatter;
  readonly #terminal: Terminal;
  readonly #options: ShareConsumerArguments;

  constructor(
    consumer: ShareConsumer,
    formatter: MessageFormatter,
    given: { readonly options: ShareConsumerArguments; readonly terminal: Terminal },
  ) {
    this.#consumer = consumer;
    this.#formatter = formatter;
    this.#options = given.options;
    this.#terminal = given.terminal;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { maxMessages = -1, timeoutMs = -1 } = this.#options;
    while (maxMessages < 0 || this.count < maxMessages) {
      const records = await this.#consumer.poll({
        signal,
        recordsMax: maxMessages < 0 ? undefined : maxMessages - this.count,
        timeoutMs: timeoutMs < 0 ? undefined : timeoutMs,
      });
      if (records.length === 0) return;
      const bad = new Set<SharedRecord>();
      const failure = this.#format(records, bad);
      try {
        await this.#terminal.writeOut(this.#formatter.take());
      } catch {
        for (const record of records) this.#consumer.acknowledge(record, "release");
        this.#terminal.writeError("Unable to write to standard out, closing consumer.");
        return;
      }
      const outcome = this.#options.release === true
        ? "release"
        : this.#options.reject === true
        ? "reject"
        : "accept";
      for (const record of records) this.#consumer.acknowledge(record, bad.has(record) ? "reject" : outcome);
      this.count += records.length;
      if (failure !== null) throw failure;
    }
  }

  /** Gives the failure that ends the command after what was formatted before is printed. */
  #format(records: SharedRecord[], bad: Set<SharedRecord>): Error | null {
    for (const [index, record] of records.entries()) {
      try {
        this.#formatter.add(record);
      } catch (error) {
        const where = `${record.topic}-${record.partition} at offset ${record.offset}`;
        const message = `Cannot print record of ${where}: ${error instanceof Error ? error.message : error}`;
        if (this.#options.rejectMessageOnError !== true) {
          for (const left of records.splice(index)) this.#consumer.acknowledge(left, "release");
          return new UsageError(message, { cause: error });
        }
        bad.add(record);
        this.#terminal.writeError(message);
      }
    }
    return null;
  }
}

if (import.meta.main) {
  const signal = interruption();
  await runProcess((args, terminal) => consoleShareConsumer(args, terminal, signal));
}
