/**
 * kafka-topics.sh: creates, lists, describes and deletes topics. Flags, output and messages are those of Kafka's
 * TopicCommand, which scripts parse.
 */
import { Admin, BrokerError, type ConfigEntry, type TopicMetadata } from "../client/mod.ts";
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
  utf8,
} from "./command_line.ts";
import { runProcess } from "./real_terminal.ts";

const ACTIONS = ["create", "list", "describe", "delete"] as const;
type Action = typeof ACTIONS[number];

interface TopicsOptions extends ServerOptions, Partial<Record<Action, boolean>> {
  readonly topic?: string;
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly config?: string[];
  readonly ifExists?: boolean;
  readonly ifNotExists?: boolean;
  readonly excludeInternal?: boolean;
}

/** What the arguments ask for. */
export interface TopicsRequest {
  readonly action: Action;
  readonly options: TopicsOptions;
}

/** How long to look for a broker, milliseconds. */
const CALL_TIMEOUT_MS = 10_000;
const REPLICATION_FACTOR_MAX = 32_767;
const NO_TOPIC_ID = "00000000-0000-0000-0000-000000000000";

/** Reads the arguments. Throws `UsageError`. */
export function parseTopicsArguments(args: readonly string[]): TopicsRequest {
  const command = newCommand("kafka-topics.sh", "Creates, lists, describes and deletes topics.")
    .option(
      "--bootstrap-server <servers>",
      "HOST:PORT of a broker, or several with commas (also: KAVKA_BOOTSTRAP)",
    )
    .option("--zookeeper <connect>", "the old spelling: a broker on the same host is asked instead")
    .option("--create", "create a topic")
    .option("--list", "list topics, one a line")
    .option("--describe", "show partitions, leaders and settings")
    .option("--delete", "delete topics")
    .option("--topic <name>", "the topic; a regular expression, except for --create")
    .option("--partitions <count>", "number of partitions; without it the broker's default", integerOption())
    .option(
      "--replication-factor <count>",
      "number of replicas; without it the broker's default",
      integerOption(),
    )
    .option("--config <name=value>", "a setting of the new topic; may be repeated", collect)
    .option("--if-exists", "no error when the topic does not exist")
    .option("--if-not-exists", "no error when the topic exists")
    .option("--exclude-internal", "leave internal topics out")
    .option("--command-config <file>", "accepted for compatibility");
  const options = parseOptions<TopicsOptions>(command, args);
  const actions = ACTIONS.filter((action) => options[action] === true);
  const [action] = actions;
  if (action === undefined || actions.length > 1) {
    throw new UsageError("Command must include exactly one action: --list, --describe, --create or --delete");
  }
  if ((action === "create" || action === "delete") && options.topic === undefined) {
    throw new UsageError(`Missing required argument "[topic]"`);
  }
  return { action, options };
}

/** The command. */
export async function topics(args: readonly string[], terminal: Terminal): Promise<number> {
  const request = parseTopicsArguments(args);
  const servers = bootstrapServers(request.options, terminal);
  try {
    using admin = new Admin(terminal.env, { bootstrapServers: servers, callTimeoutMs: CALL_TIMEOUT_MS });
    await terminal.writeOut(utf8(await execute(request, admin)));
    return 0;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    terminal.writeError(`Error while executing topic command : ${message}`);
    return 1;
  }
}

/** Does it and returns what to print. */
function execute({ action, options }: TopicsRequest, admin: Admin): Promise<string> {
  switch (action) {
    case "create":
      return create(options, admin);
    case "list":
      return list(options, admin);
    case "describe":
      return describe(options, admin);
    case "delete":
      return remove(options, admin);
  }
}

async function create(options: TopicsOptions, admin: Admin): Promise<string> {
  const name = options.topic ?? "";
  const { partitions, replicationFactor } = options;
  if (partitions !== undefined && partitions < 1) {
    throw new UsageError("The partitions must be greater than 0");
  }
  if (
    replicationFactor !== undefined && (replicationFactor < 1 || replicationFactor > REPLICATION_FACTOR_MAX)
  ) {
    throw new UsageError(`The replication factor must be between 1 and ${REPLICATION_FACTOR_MAX} inclusive`);
  }
  const configs = Object.fromEntries(propertiesOf(options.config));
  try {
    await admin.createTopic({ name, partitionCount: partitions, replicationFactor, configs });
  } catch (error) {
    const exists = error instanceof BrokerError && error.error === "TOPIC_ALREADY_EXISTS";
    if (exists && options.ifNotExists === true) return "";
    throw error;
  }
  const warning = /[._]/.test(name)
    ? "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. " +
      "To avoid issues it is best to use either, but not both.\n"
    : "";
  return `${warning}Created topic ${name}.\n`;
}

async function list(options: TopicsOptions, admin: Admin): Promise<string> {
  const found = await findTopics({ ...options, ifExists: true }, admin);
  return found.map((topic) => `${topic.name}\n`).join("");
}

async function describe(options: TopicsOptions, admin: Admin): Promise<string> {
  const found = await findTopics(options, admin);
  if (found.length === 0) return "";
  const configs = await admin.describeConfigs("topic", found.map((topic) => topic.name));
  return found.map((topic) => formatTopic(topic, configs.get(topic.name) ?? [])).join("");
}

async function remove(options: TopicsOptions, admin: Admin): Promise<string> {
  const found = await findTopics(options, admin);
  if (found.length === 0) return "";
  for (const { error } of await admin.deleteTopics(found.map((topic) => topic.name))) {
    if (error !== null) throw error;
  }
  return "";
}

/** The topics whose whole name matches. */
async function findTopics(options: TopicsOptions, admin: Admin): Promise<TopicMetadata[]> {
  const matches = topicMatcher(options.topic);
  const found = (await admin.describeTopics(null)).filter((topic) =>
    matches(topic.name) && !(options.excludeInternal === true && topic.isInternal)
  );
  if (found.length === 0 && options.topic !== undefined && options.ifExists !== true) {
    throw new UsageError(`Topic '${options.topic}' does not exist as expected`);
  }
  return found;
}

/** As Kafka reads `--topic`: a regular expression for the whole name, in which a comma means "or". */
export function topicMatcher(pattern: string | undefined): (name: string) => boolean {
  if (pattern === undefined) return () => true;
  try {
    const expression = new RegExp(
      `^(?:${pattern.trim().replaceAll(",", "|").replace(/^["']+|["']+$/g, "")})$`,
      "u",
    );
    return (name) => expression.test(name);
  } catch (error) {
    throw new UsageError(`${pattern} is an invalid regex`, { cause: error });
  }
}

/** The description of a topic: one line, and one for each partition. */
export function formatTopic(topic: TopicMetadata, configs: readonly ConfigEntry[]): string {
  const set = configs.filter((config) => !config.isDefault).map(({ name, value }) => `${name}=${value}`);
  const head = [
    `Topic: ${topic.name}`,
    ...(topic.topicId === NO_TOPIC_ID ? [] : [`TopicId: ${topicIdText(topic.topicId)}`]),
    `PartitionCount: ${topic.partitions.length}`,
    `ReplicationFactor: ${topic.partitions[0]?.replicas.length ?? 0}`,
    `Configs: ${set.join(",")}`,
  ];
  const lines = topic.partitions.map((partition) =>
    [
      "",
      `Topic: ${topic.name}`,
      `Partition: ${partition.partition}`,
      `Leader: ${partition.leader < 0 ? "none" : partition.leader}`,
      `Replicas: ${partition.replicas.join(",")}`,
      `Isr: ${partition.isr.join(",")}`,
      // Only DescribeTopicPartitions tells; this is what Kafka prints for brokers without it.
      "Elr: N/A",
      "LastKnownElr: N/A",
    ].join("\t")
  );
  return `${[head.join("\t"), ...lines].join("\n")}\n`;
}

/** A UUID as Kafka prints it: its 16 bytes in base64url. */
export function topicIdText(uuid: string): string {
  const bytes = uuid.replaceAll("-", "").match(/../g)?.map((hex) => parseInt(hex, 16)) ?? [];
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

if (import.meta.main) await runProcess(topics);
