/**
 * kafka-console-producer.sh: sends the lines of standard input, one record a line. Flags are those of Kafka's
 * ConsoleProducer. Unlike it, the exit code tells whether every record was acknowledged.
 */
import {
  BrokerError,
  type ClientError,
  Producer,
  type ProducerOptions,
  RecordTooLargeError,
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
import { LineReader } from "./line_reader.ts";
import { LineSplitter } from "./line_splitter.ts";
import { clientProperties, PropertyReader, readProperties } from "./properties_file.ts";
import { interruption, realTerminal, runProcess } from "./real_terminal.ts";

interface ProducerArguments extends ServerOptions {
  readonly topic: string;
  readonly property?: string[];
  readonly readerProperty?: string[];
  readonly readerConfig?: string;
  readonly compressionCodec?: string | true;
  readonly requestRequiredAcks?: string;
  readonly sync?: boolean;
  readonly batchSize?: number;
  readonly maxPartitionMemoryBytes?: number;
  readonly timeout?: number;
  readonly requestTimeoutMs?: number;
  readonly retryBackoffMs?: number;
  readonly maxBlockMs?: number;
  readonly maxMemoryBytes?: number;
  readonly metadataExpiryMs?: number;
  readonly producerProperty?: string[];
  readonly commandProperty?: string[];
  readonly "producer.config"?: string;
  readonly commandConfig?: string;
}

/** Lines to send: chunks of bytes, until null. A chunk is not used again by whoever gave it. */
export interface LineInput {
  read(): Promise<Uint8Array | null>;
  /** Called before each read; shows a prompt when a person types. */
  prompt(): Promise<void>;
}

const COMPRESSIONS = { none: "none", gzip: "gzip", snappy: "snappy", lz4: "lz4", zstd: "zstd" } as const;
const ACKS = { all: "all", "-1": "all", "1": 1, "0": 0 } as const;
const LINE_BYTES_MAX = 64 * 1024 * 1024;
/** How long to look for broker and topic, milliseconds. */
const BLOCK_MS = 10_000;
/** A person who types waits for the answer, a file fills its batches anyway. */
const LINGER_MS = 20;
/** Between looks at the buffer. */
const RECORDS_PER_PAUSE = 256;
const CLOSE_AFTER_FAILURE_MS = 1_000;
/** More failures than this are only counted. */
const SHOWN_FAILURES_MAX = 10;

/** Reads the arguments. Throws `UsageError`. */
export function parseProducerArguments(args: readonly string[]): ProducerArguments {
  const integer = integerOption(0);
  const command = newCommand("kafka-console-producer.sh", "Sends the lines of standard input to a topic.")
    .option(
      "--bootstrap-server <servers>",
      "HOST:PORT of a broker, or several with commas (also: KAVKA_BOOTSTRAP)",
    )
    .option("--broker-list <servers>", "the old spelling of --bootstrap-server")
    .option("--topic <name>", "the topic")
    .option(
      "--reader-property <name=value>",
      "parse.key, key.separator, parse.headers, headers.delimiter, " +
        "headers.separator, headers.key.separator, null.marker, ignore.error; may be repeated",
      collect,
    )
    .option("--property <name=value>", "the old spelling of --reader-property", collect)
    .option("--reader-config <file>", "file with reader properties")
    .option("--compression-codec [codec]", "none, gzip (when named without a codec), snappy, lz4 or zstd")
    .option("--request-required-acks <acks>", "all (or -1), 1 or 0; default all")
    .option("--sync", "send the next record only when this one is acknowledged")
    .option("--batch-size <bytes>", "size at which a batch is full; default 65536", integer)
    .option("--max-partition-memory-bytes <bytes>", "the old spelling of --batch-size", integer)
    .option("--timeout <ms>", `how long a batch waits for more lines; default ${LINGER_MS}`, integer)
    .option("--request-timeout-ms <ms>", "deadline of one request; default 30000", integer)
    .option("--retry-backoff-ms <ms>", "pause before the first retry; default 100", integer)
    .option("--max-block-ms <ms>", `how long to look for broker and topic; default ${BLOCK_MS}`, integer)
    .option("--max-memory-bytes <bytes>", "limit of what is not acknowledged yet; default 33554432", integer)
    .option("--metadata-expiry-ms <ms>", "age at which metadata is read again; default 300000", integer)
    .option(
      "--producer-property <name=value>",
      "a producer setting in Kafka's words; may be repeated",
      collect,
    )
    .option("--command-property <name=value>", "the new spelling of --producer-property", collect)
    .option("--producer.config <file>", "file with producer settings")
    .option("--command-config <file>", "the new spelling of --producer.config")
    .option(
      "--message-send-max-retries <count>",
      "accepted, without effect: delivery.timeout.ms ends retries",
      integer,
    )
    .option("--socket-buffer-size <bytes>", "accepted, without effect", integer)
    .option("--line-reader <class>", "accepted, without effect");
  const options = parseOptions<ProducerArguments>(command, args);
  if (options.topic === undefined) throw new UsageError(`Missing required argument "[topic]"`);
  return options;
}

/** The client's options; properties in Kafka's words first, flags over them. Throws `UsageError`. */
export function producerOptions(
  options: ProducerArguments,
  properties: PropertyReader,
  servers: string,
): ProducerOptions {
  const flags = new PropertyReader(flagProperties(options));
  const acks = flags.oneOf("acks", ACKS) ?? properties.oneOf("acks", ACKS);
  const compression = flags.oneOf("compression.type", COMPRESSIONS) ??
    properties.oneOf("compression.type", COMPRESSIONS);
  const propertyLinger = properties.integer("linger.ms");
  const propertyBatch = properties.integer("batch.size");
  return {
    bootstrapServers: servers,
    clientId: properties.text("client.id") ?? "console-producer",
    acks,
    compression,
    idempotent: properties.boolean("enable.idempotence"),
    lingerMs: options.timeout ?? propertyLinger ?? LINGER_MS,
    batchBytesMax: options.batchSize ?? options.maxPartitionMemoryBytes ?? propertyBatch,
    requestTimeoutMs: options.requestTimeoutMs ?? properties.integer("request.timeout.ms"),
    retryBackoffMs: options.retryBackoffMs ?? properties.integer("retry.backoff.ms"),
    callTimeoutMs: options.maxBlockMs ?? properties.integer("max.block.ms") ?? BLOCK_MS,
    bufferBytesMax: options.maxMemoryBytes ?? properties.integer("buffer.memory"),
    metadataMaxAgeMs: options.metadataExpiryMs ?? properties.integer("metadata.max.age.ms"),
    deliveryTimeoutMs: properties.integer("delivery.timeout.ms"),
    requestBytesMax: properties.integer("max.request.size"),
  };
}

/** Flags whose values need the same checks as properties. */
function flagProperties(options: ProducerArguments): Map<string, string> {
  const flags = new Map<string, string>();
  const { requestRequiredAcks, compressionCodec } = options;
  if (requestRequiredAcks !== undefined) flags.set("acks", requestRequiredAcks);
  if (compressionCodec !== undefined) {
    flags.set("compression.type", compressionCodec === true ? "gzip" : compressionCodec);
  }
  return flags;
}

/** The command. */
export async function consoleProducer(
  args: readonly string[],
  terminal: Terminal,
  input: LineInput,
  signal?: AbortSignal,
): Promise<number> {
  const options = parseProducerArguments(args);
  const readerProperties = options.readerConfig === undefined
    ? new Map<string, string>()
    : await readProperties(options.readerConfig, terminal);
  const pairs = propertiesOf([...(options.property ?? []), ...(options.readerProperty ?? [])]);
  for (const [name, value] of pairs) readerProperties.set(name, value);
  const reader = new LineReader(readerProperties);
  const properties = new PropertyReader(
    await clientProperties(options.commandConfig ?? options["producer.config"], [
      ...(options.producerProperty ?? []),
      ...(options.commandProperty ?? []),
    ], terminal),
  );
  const configured = properties.text("bootstrap.servers");
  const servers = options.bootstrapServer === undefined && options.brokerList === undefined && configured
    ? configured
    : bootstrapServers(options, terminal);
  const producer = new Producer(terminal.env, producerOptions(options, properties, servers));
  for (const name of properties.unused()) terminal.writeError(`Producer property "${name}" is not used`);
  return await new LineProducer(producer, options, reader, terminal).run(input, signal);
}

/** Sends lines and keeps count of what became of them. */
class LineProducer {
  readonly #producer: Producer;
  readonly #topic: string;
  readonly #sync: boolean;
  readonly #reader: LineReader;
  readonly #terminal: Terminal;
  #failureCount = 0;
  /** Set when going on makes no sense, for example because no broker answers. */
  #isHopeless = false;
  #sentCount = 0;

  constructor(producer: Producer, options: ProducerArguments, reader: LineReader, terminal: Terminal) {
    this.#producer = producer;
    this.#topic = options.topic;
    this.#sync = options.sync === true;
    this.#reader = reader;
    this.#terminal = terminal;
  }

  async run(input: LineInput, signal?: AbortSignal): Promise<number> {
    const splitter = new LineSplitter(LINE_BYTES_MAX);
    const interrupted = whenAborted(signal);
    let badInput: Error | null = null;
    try {
      while (!this.#isHopeless) {
        await input.prompt();
        const chunk = await Promise.race([input.read(), interrupted]);
        if (chunk === null) break;
        await this.#sendAll(splitter.push(chunk));
      }
      if (!this.#isHopeless) await this.#sendAll(splitter.end());
    } catch (error) {
      // What was read before is delivered all the same.
      badInput = error instanceof Error ? error : new Error(String(error));
    }
    await this.#producer.close(this.#isHopeless ? { timeoutMs: CLOSE_AFTER_FAILURE_MS } : {});
    if (badInput !== null) this.#terminal.writeError(badInput.message);
    if (this.#failureCount > 0) {
      this.#terminal.writeError(`${this.#failureCount} of ${this.#sentCount} records were not acknowledged`);
    }
    return badInput === null && this.#failureCount === 0 ? 0 : 1;
  }

  async #sendAll(lines: readonly Uint8Array[]): Promise<void> {
    for (const line of lines) {
      if (this.#isHopeless) return;
      if (this.#sentCount % RECORDS_PER_PAUSE === 0) await this.#producer.ready();
      this.#sentCount++;
      const delivery = this.#producer.send({ topic: this.#topic, ...this.#reader.read(line) }).then(
        undefined,
        (error: ClientError) => this.#countFailure(error),
      );
      if (this.#sync) await delivery;
    }
  }

  #countFailure(error: ClientError): void {
    this.#failureCount++;
    // These are about the record; anything else will befall the next one, too.
    const isAboutRecord = error instanceof RecordTooLargeError ||
      (error instanceof BrokerError &&
        (error.error === "MESSAGE_TOO_LARGE" || error.error === "INVALID_RECORD"));
    if (!isAboutRecord && this.#isHopeless) return;
    if (!isAboutRecord) this.#isHopeless = true;
    if (this.#failureCount <= SHOWN_FAILURES_MAX) {
      this.#terminal.writeError(`Error when sending message to topic ${this.#topic}: ${error.message}`);
    }
  }
}

/** Null once the signal is aborted. */
function whenAborted(signal: AbortSignal | undefined): Promise<null> {
  return new Promise((resolve) => {
    if (signal?.aborted) resolve(null);
    signal?.addEventListener("abort", () => resolve(null), { once: true });
  });
}

const READ_BYTES = 64 * 1024;

/** Standard input; with a prompt when both ends are a terminal. */
export function standardInput(terminal: Terminal): LineInput {
  const isTyped = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  const prompt = new TextEncoder().encode(">");
  return {
    read: async () => {
      const buffer = new Uint8Array(READ_BYTES);
      const count = await Deno.stdin.read(buffer);
      return count === null ? null : buffer.subarray(0, count);
    },
    prompt: async () => {
      if (isTyped) await terminal.writeOut(prompt);
    },
  };
}

if (import.meta.main) {
  const input = standardInput(realTerminal());
  const signal = interruption();
  await runProcess((args, terminal) => consoleProducer(args, terminal, input, signal));
}
