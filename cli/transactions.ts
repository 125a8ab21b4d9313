/**
 * kafka-transactions.sh: lists and describes transactions, shows a partition's producers, finds and aborts transactions
 * that hang, and forces an end. Commands, flags and output are those of Kafka's TransactionsCommand, which scripts parse.
 */
import {
  BrokerError,
  ClientError,
  type ProducerDescription,
  TransactionAdmin,
  type TransactionDescription,
} from "../client/mod.ts";
import {
  bootstrapServers,
  integerOption,
  newCommand,
  parseOptions,
  type ServerOptions,
  type Terminal,
  UsageError,
  utf8,
} from "./command_line.ts";
import { runProcess } from "./real_terminal.ts";

const COMMANDS = [
  "list",
  "describe",
  "describe-producers",
  "abort",
  "find-hanging",
  "forceTerminateTransaction",
] as const;
type CommandName = typeof COMMANDS[number];

/** Of the whole tool; with a value each. */
const GLOBAL_OPTIONS: readonly string[] = ["--bootstrap-server", "--command-config"];
const TRANSACTION_TIMEOUT_MINUTES = 15;
const MINUTE_MS = 60_000;

export interface TransactionsOptions extends ServerOptions {
  readonly durationFilter?: number;
  readonly transactionalIdPattern?: string;
  readonly transactionalId?: string;
  readonly brokerId?: number;
  readonly topic?: string;
  readonly partition?: number;
  readonly startOffset?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly coordinatorEpoch?: number;
  readonly maxTransactionTimeout?: number;
}

/** What the arguments ask for. */
export interface TransactionsRequest {
  readonly command: CommandName;
  readonly options: TransactionsOptions;
}

/** Reads the arguments. Throws `UsageError`. */
export function parseTransactionsArguments(args: readonly string[]): TransactionsRequest {
  let at = 0;
  while (GLOBAL_OPTIONS.includes(args[at] ?? "")) at += 2;
  const name = args[at];
  if (name === undefined || name.startsWith("-")) {
    // Help, the version, or an option that does not exist.
    parseOptions(overview(), args);
    throw new UsageError("too few arguments");
  }
  const command = COMMANDS.find((each) => each === name);
  if (command === undefined) {
    throw new UsageError(
      `invalid choice: '${name}' (choose from ${COMMANDS.map((c) => `'${c}'`).join(",")})`,
    );
  }
  const rest = [...args.slice(0, at), ...args.slice(at + 1)];
  const options = parseOptions<TransactionsOptions>(optionsOf(command), rest);
  checkOptions(command, options);
  return { command, options };
}

function overview() {
  return newCommand(
    "kafka-transactions.sh",
    "Shows the transactional state of producers, and finds and ends transactions that hang.\n\n" +
      `Commands: ${COMMANDS.join(", ")}; each takes --help.`,
  ).option("--bootstrap-server <servers>", "HOST:PORT of a broker (also: KAVKA_BOOTSTRAP)")
    .option("--command-config <file>", "accepted for compatibility");
}

function optionsOf(name: CommandName) {
  const command = newCommand(`kafka-transactions.sh ${name}`, DESCRIPTIONS[name])
    .option("--bootstrap-server <servers>", "HOST:PORT of a broker (also: KAVKA_BOOTSTRAP)")
    .option("--command-config <file>", "accepted for compatibility");
  switch (name) {
    case "list":
      return command
        .option("--duration-filter <ms>", "only transactions that run longer", integerOption())
        .option("--transactional-id-pattern <pattern>", "only ids that match the regular expression");
    case "describe":
      return command.option("--transactional-id <id>", "the transactional id");
    case "forceTerminateTransaction":
      return command.option("--transactionalId <id>", "the transactional id");
    case "describe-producers":
      return command
        .option("--broker-id <id>", "a broker other than the leader", integerOption(0))
        .option("--topic <topic>", "the topic")
        .option("--partition <partition>", "the partition", integerOption(0));
    case "abort":
      return command
        .option("--topic <topic>", "the topic")
        .option("--partition <partition>", "the partition", integerOption(0))
        .option("--start-offset <offset>", "where the transaction begins", integerOption(0))
        .option("--producer-id <id>", "its producer, in place of the offset", integerOption(0))
        .option("--producer-epoch <epoch>", "the producer's epoch", integerOption(0, 0x7fff))
        .option("--coordinator-epoch <epoch>", "the coordinator's epoch", integerOption());
    case "find-hanging":
      return command
        .option("--broker-id <id>", "look on this broker", integerOption(0))
        .option(
          "--max-transaction-timeout <minutes>",
          "longest timeout that producers have",
          integerOption(0),
        )
        .option("--topic <topic>", "look in this topic")
        .option("--partition <partition>", "and in this partition of it", integerOption(0));
  }
}

const DESCRIPTIONS: Readonly<Record<CommandName, string>> = {
  list: "Lists transactions.",
  describe: "Describes the state of a transactional id.",
  "describe-producers": "Describes the producers of a partition.",
  abort: "Aborts a transaction that hangs.",
  "find-hanging": "Finds transactions that hang.",
  forceTerminateTransaction: "Aborts the open transaction of a transactional id and fences its producer.",
};

function checkOptions(command: CommandName, options: TransactionsOptions): void {
  const want = (flag: string, value: unknown) => {
    if (value === undefined) throw new UsageError(`argument ${flag} is required`);
  };
  switch (command) {
    case "list":
      return;
    case "describe":
      return want("--transactional-id", options.transactionalId);
    case "forceTerminateTransaction":
      return want("--transactionalId", options.transactionalId);
    case "describe-producers":
    case "abort":
      want("--topic", options.topic);
      want("--partition", options.partition);
      if (command === "describe-producers" || options.startOffset !== undefined) return;
      if (options.producerId === undefined) {
        throw new UsageError(
          "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or above) " +
            "or with --producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)",
        );
      }
      for (const flag of ["producer-epoch", "coordinator-epoch"] as const) {
        const value = flag === "producer-epoch" ? options.producerEpoch : options.coordinatorEpoch;
        if (value === undefined) throw new UsageError(`Missing required argument --${flag}`);
      }
      return;
    case "find-hanging":
      if (options.topic === undefined && options.brokerId === undefined) {
        throw new UsageError(
          "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search",
        );
      }
      if (options.partition !== undefined && options.topic === undefined) {
        throw new UsageError("The --partition argument requires --topic to be provided");
      }
  }
}

/** The command. */
export async function transactions(args: readonly string[], terminal: Terminal): Promise<number> {
  const { command, options } = parseTransactionsArguments(args);
  using admin = new TransactionAdmin(terminal.env, { bootstrapServers: bootstrapServers(options, terminal) });
  const context: Context = { admin, options, nowMs: Math.floor(terminal.env.now()) };
  try {
    const rows = await ACTIONS[command](context);
    if (rows !== null) await terminal.writeOut(utf8(prettyTable(rows)));
    return 0;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    terminal.writeError(error.message);
    return 1;
  }
}

interface Context {
  readonly admin: TransactionAdmin;
  readonly options: TransactionsOptions;
  readonly nowMs: number;
}

/** What is shown in place of a table; null when nothing is. */
type Rows = readonly (readonly string[])[];

/** In Kafka's words, without a stack. */
class Refused extends Error {
  override readonly name = "Refused";
}

/** Runs `work`; a failure is told as `what`. */
async function orRefuse<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    throw new Refused(`${what}: ${error.message}`, { cause: error });
  }
}

const ACTIONS: Readonly<Record<CommandName, (context: Context) => Promise<Rows | null>>> = {
  list,
  describe,
  "describe-producers": describeProducers,
  abort,
  "find-hanging": findHanging,
  forceTerminateTransaction: forceTerminate,
};

async function list({ admin, options }: Context): Promise<Rows> {
  const listings = await orRefuse(
    "Failed to list transactions",
    () =>
      admin.listTransactions({
        durationMs: options.durationFilter,
        pattern: options.transactionalIdPattern,
      }),
  );
  return [
    ["TransactionalId", "Coordinator", "ProducerId", "TransactionState"],
    ...listings.map((each) => [
      each.transactionalId,
      String(each.coordinator),
      String(each.producerId),
      each.state,
    ]),
  ];
}

async function describe({ admin, options, nowMs }: Context): Promise<Rows> {
  const id = options.transactionalId ?? "";
  const found = await orRefuse(
    `Failed to describe transaction state of transactional-id \`${id}\``,
    () => admin.describeTransaction(id),
  );
  return [
    [
      "CoordinatorId",
      "TransactionalId",
      "ProducerId",
      "ProducerEpoch",
      "TransactionState",
      "TransactionTimeoutMs",
      "CurrentTransactionStartTimeMs",
      "TransactionDurationMs",
      "TopicPartitions",
    ],
    [
      String(found.coordinator),
      id,
      String(found.producerId),
      String(found.producerEpoch),
      found.state,
      String(found.timeoutMs),
      found.startedMs === null ? "None" : String(found.startedMs),
      found.startedMs === null ? "None" : String(nowMs - found.startedMs),
      found.partitions.map(({ topic, partition }) => `${topic}-${partition}`).join(","),
    ],
  ];
}

async function describeProducers({ admin, options }: Context): Promise<Rows> {
  const { topic = "", partition = 0, brokerId } = options;
  const where = brokerId === undefined ? "leader" : `broker ${brokerId}`;
  const producers = await orRefuse(
    `Failed to describe producers for partition ${topic}-${partition} on ${where}`,
    () => admin.describeProducers({ topic, partition }, { brokerId }),
  );
  return [
    [
      "ProducerId",
      "ProducerEpoch",
      "LatestCoordinatorEpoch",
      "LastSequence",
      "LastTimestamp",
      "CurrentTransactionStartOffset",
    ],
    ...producers.map((each) => [
      String(each.producerId),
      String(each.producerEpoch),
      String(each.coordinatorEpoch ?? -1),
      String(each.lastSequence),
      String(each.lastTimestamp),
      String(each.transactionStartOffset ?? "None"),
    ]),
  ];
}

async function abort({ admin, options }: Context): Promise<null> {
  const { topic = "", partition = 0, startOffset } = options;
  let named = {
    producerId: options.producerId ?? -1,
    producerEpoch: options.producerEpoch ?? -1,
    // Before the first marker none is known; 0 is below or at every epoch that there is.
    coordinatorEpoch: Math.max(0, options.coordinatorEpoch ?? 0),
  };
  if (startOffset !== undefined) {
    const producers = await orRefuse(
      `Failed to validate producer state for partition ${topic}-${partition}`,
      () => admin.describeProducers({ topic, partition }),
    );
    const found = producers.find((each) => each.transactionStartOffset === startOffset);
    if (found === undefined) {
      throw new Refused(
        `Could not find any open transactions starting at offset ${startOffset} on partition ${topic}-${partition}`,
      );
    }
    named = { ...found, coordinatorEpoch: found.coordinatorEpoch ?? 0 };
  }
  const { producerId, producerEpoch, coordinatorEpoch } = named;
  await orRefuse(
    `Failed to abort transaction of producer ${producerId} (epoch ${producerEpoch}) in ${topic}-${partition}`,
    () => admin.abortTransaction({ topic, partition, producerId, producerEpoch, coordinatorEpoch }),
  );
  return null;
}

interface OpenTransaction {
  readonly topic: string;
  readonly partition: number;
  readonly producer: ProducerDescription;
}

async function findHanging({ admin, options, nowMs }: Context): Promise<Rows> {
  const { topic, partition, brokerId } = options;
  const oldestMs = nowMs - (options.maxTransactionTimeout ?? TRANSACTION_TIMEOUT_MINUTES) * MINUTE_MS;
  const places = topic !== undefined && partition !== undefined ? [{ topic, partition }] : await orRefuse(
    "Failed to list topics",
    () => admin.partitions(topic === undefined ? null : [topic], { brokerId }),
  );
  const candidates: OpenTransaction[] = [];
  for (const place of places) {
    const producers = await orRefuse(
      `Failed to describe producers for ${places.length} partitions`,
      () => admin.describeProducers(place, { brokerId }),
    );
    for (const producer of producers) {
      const isOld = producer.lastTimestamp < oldestMs;
      if (producer.transactionStartOffset !== null && isOld) candidates.push({ ...place, producer });
    }
  }
  const hanging = candidates.length === 0 ? [] : await withoutCoordinator(candidates, admin);
  return [
    [
      "Topic",
      "Partition",
      "ProducerId",
      "ProducerEpoch",
      "CoordinatorEpoch",
      "StartOffset",
      "LastTimestamp",
      "Duration(min)",
    ],
    ...hanging.map(({ topic, partition, producer }) => [
      topic,
      String(partition),
      String(producer.producerId),
      String(producer.producerEpoch),
      String(producer.coordinatorEpoch ?? -1),
      String(producer.transactionStartOffset ?? -1),
      String(producer.lastTimestamp),
      String(Math.floor((nowMs - producer.lastTimestamp) / MINUTE_MS)),
    ]),
  ];
}

/** Those of which no coordinator will ever write the marker. */
async function withoutCoordinator(
  candidates: readonly OpenTransaction[],
  admin: TransactionAdmin,
): Promise<OpenTransaction[]> {
  const producerIds = [...new Set(candidates.map(({ producer }) => producer.producerId))];
  const listings = await orRefuse(
    `Failed to list transactions for ${producerIds.length} producers`,
    () => admin.listTransactions({ producerIds }),
  );
  const known = new Map<number, TransactionDescription>();
  for (const { transactionalId, producerId } of listings) {
    try {
      known.set(producerId, await admin.describeTransaction(transactionalId));
    } catch (error) {
      // Forgotten meanwhile: nobody will end it.
      if (!(error instanceof BrokerError) || error.error !== "TRANSACTIONAL_ID_NOT_FOUND") throw error;
    }
  }
  return candidates.filter(({ topic, partition, producer }) =>
    known.get(producer.producerId)?.partitions
      .some((each) => each.topic === topic && each.partition === partition) !== true
  );
}

async function forceTerminate({ admin, options }: Context): Promise<null> {
  const id = options.transactionalId ?? "";
  await orRefuse(
    `Failed to force terminate transactionalId \`${id}\``,
    () => admin.forceTerminateTransaction(id),
  );
  return null;
}

/** Columns as wide as their longest cell, each followed by a tab, as Kafka's ToolsUtils prints them. */
export function prettyTable(rows: Rows): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    rows.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0)
  );
  const line = (row: readonly string[]) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0) + "\t").join("");
  return rows.map((row) => line(row) + "\n").join("");
}

if (import.meta.main) await runProcess(transactions);
