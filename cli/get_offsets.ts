/**
 * kafka-get-offsets.sh: first, last and other offsets of partitions. Flags, output and messages are those of Kafka's
 * GetOffsetShell.
 */
import { Admin, type OffsetSpec, type TopicPartition } from "../client/mod.ts";
import { partitionKey } from "../client/topic_partition.ts";
import { commandClientOptions } from "./command_config.ts";
import {
  bootstrapServers,
  newCommand,
  parseOptions,
  type ServerOptions,
  type Terminal,
  UsageError,
  utf8,
} from "./command_line.ts";
import { runProcess } from "./real_terminal.ts";
import { topicMatcher } from "./topic_filter.ts";

interface GetOffsetsOptions extends ServerOptions {
  readonly topic?: string;
  readonly partitions?: string;
  readonly topicPartitions?: string;
  readonly time: string;
  readonly excludeInternalTopics?: boolean;
  readonly commandConfig?: string;
}

/** What the arguments ask for. */
export interface GetOffsetsRequest {
  readonly options: GetOffsetsOptions;
  readonly spec: OffsetSpec;
  readonly isWanted: (partition: TopicPartition) => boolean;
}

/** Names and numbers of `--time`; Kafka's number is the index's negative. */
const NAMED_TIMES = [
  "latest",
  "earliest",
  "max-timestamp",
  "earliest-local",
  "latest-tiered",
  "earliest-pending-upload",
] as const;

/** Reads the arguments. Throws `UsageError`. */
export function parseGetOffsetsArguments(args: readonly string[]): GetOffsetsRequest {
  const command = newCommand("kafka-get-offsets.sh", "Shows offsets of partitions: TOPIC:PARTITION:OFFSET.")
    .option(
      "--bootstrap-server <servers>",
      "HOST:PORT of a broker, or several with commas (also: KAVKA_BOOTSTRAP)",
    )
    .option("--topic <pattern>", "topics, as a regular expression; without it all")
    .option("--partitions <numbers>", "numbers of partitions, with commas; without it all")
    .option(
      "--topic-partitions <list>",
      "patterns with commas: TOPIC, TOPIC:0, TOPIC:0-3 (without 3), TOPIC:5-, TOPIC:-3, :0",
    )
    .option(
      "--time <time>",
      "milliseconds since 1970, or -1/latest, -2/earliest, -3/max-timestamp, -4/earliest-local, " +
        "-5/latest-tiered, -6/earliest-pending-upload",
      "latest",
    )
    .option("--exclude-internal-topics", "leave internal topics out")
    .option("--command-config <file>", "settings of the client");
  const options = parseOptions<GetOffsetsOptions>(command, args);
  if (
    options.topicPartitions !== undefined &&
    (options.topic !== undefined || options.partitions !== undefined)
  ) {
    throw new UsageError("--topic-partitions cannot be used with --topic or --partitions");
  }
  const spec = specOf(options.time);
  const isWanted = options.topicPartitions !== undefined
    ? matchesAny(options.topicPartitions.split(",").map(ruleOf))
    : matchesAny([{
      topic: topicMatcher(options.topic ?? ".*"),
      partition: partitionsIn(options.partitions),
    }]);
  return { options, spec, isWanted };
}

function specOf(time: string): OffsetSpec {
  const named = NAMED_TIMES.find((name) => name === time);
  if (named !== undefined) return named;
  if (!/^[+-]?\d{1,19}$/.test(time)) {
    throw new UsageError(
      `Malformed time argument ${time}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / ` +
        "-4 or earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format timestamp",
    );
  }
  const timestamp = Number(time);
  return NAMED_TIMES[-timestamp - 1] ?? { timestamp };
}

interface Rule {
  readonly topic: (name: string) => boolean;
  readonly partition: (number: number) => boolean;
}

function matchesAny(rules: readonly Rule[]): GetOffsetsRequest["isWanted"] {
  return ({ topic, partition }) => rules.some((rule) => rule.topic(topic) && rule.partition(partition));
}

/** One of the patterns of `--topic-partitions`. */
function ruleOf(text: string): Rule {
  const match = /^([^:,]*)(?::(?:([0-9]*)|(?:([0-9]*)-([0-9]*))))?$/.exec(text);
  if (match === null) throw new UsageError(`Invalid rule specification: ${text}`);
  const [, topic = "", only = "", lower = "", upper = ""] = match;
  const from = only === "" ? Number(lower) : Number(only);
  const to = only !== "" ? from + 1 : upper === "" ? Infinity : Number(upper);
  return {
    topic: topicMatcher(topic === "" ? ".*" : topic),
    partition: (number) => number >= from && number < to,
  };
}

function partitionsIn(list: string | undefined): (partition: number) => boolean {
  if (list === undefined || list === "") return () => true;
  const texts = list.split(",");
  if (!texts.every((text) => /^\d{1,9}$/.test(text))) {
    throw new UsageError(
      `--partitions expects a comma separated list of numeric partition ids, but received: ${list}`,
    );
  }
  const wanted = new Set(texts.map(Number));
  return (partition) => wanted.has(partition);
}

/** The command. */
export async function getOffsets(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const request = parseGetOffsetsArguments(args);
    const servers = bootstrapServers(request.options, terminal);
    const client = await commandClientOptions(servers, request.options.commandConfig, terminal);
    using admin = new Admin(terminal.env, client);
    await show(request, admin, terminal);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    terminal.writeError(`Error occurred: ${error.message}`);
    return 1;
  }
}

async function show(request: GetOffsetsRequest, admin: Admin, terminal: Terminal): Promise<void> {
  const { options, spec, isWanted } = request;
  const partitions = (await admin.describeTopics(null))
    .filter(({ isInternal }) => !(isInternal && options.excludeInternalTopics === true))
    .flatMap(({ name, partitions }) => partitions.map(({ partition }) => ({ topic: name, partition })))
    .filter(isWanted);
  if (partitions.length === 0) {
    throw new UsageError("Could not match any topic-partitions with the specified filters");
  }
  const offsets = await findOffsets(partitions, spec, admin, terminal);
  const lines = partitions
    .map((each) => ({ ...each, offset: offsets.get(partitionKey(each.topic, each.partition)) ?? -1 }))
    .filter(({ offset }) => offset >= 0)
    .map(({ topic, partition, offset }) => ({
      name: `${topic}-${partition}`,
      line: `${topic}:${partition}:${offset}\n`,
    }))
    // As text, like Kafka: partition 10 before partition 2.
    .sort((a, b) => a.name < b.name ? -1 : 1);
  await terminal.writeOut(utf8(lines.map(({ line }) => line).join("")));
}

/** A partition that cannot be asked is named and left out. */
async function findOffsets(
  partitions: readonly TopicPartition[],
  spec: OffsetSpec,
  admin: Admin,
  terminal: Terminal,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const ask = async (some: readonly TopicPartition[]) => {
    for (const [key, { offset }] of await admin.findOffsets(some.map((each) => ({ ...each, spec })))) {
      found.set(key, offset);
    }
  };
  try {
    await ask(partitions);
  } catch {
    // One by one, so that the failure of one is not that of all.
    for (const each of partitions) {
      try {
        await ask([each]);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        terminal.writeError(
          `Skip getting offsets for topic-partition ${each.topic}-${each.partition} due to error: ${reason}`,
        );
      }
    }
  }
  return found;
}

if (import.meta.main) await runProcess(getOffsets);
