/**
 * kafka-topics.sh: creates, lists, describes, alters and deletes topics. Flags, output and messages are those of Kafka's
 * TopicCommand, which scripts parse.
 */
import { Admin, BrokerError, type TopicMetadata } from "../client/mod.ts";
import { commandClientOptions } from "./command_config.ts";
import {
  bootstrapServers,
  collect,
  integerOption,
  newCommand,
  parseOptions,
  type ServerOptions,
  type Terminal,
  UsageError,
  utf8,
} from "./command_line.ts";
import { runProcess } from "./real_terminal.ts";
import { topicMatcher } from "./topic_filter.ts";
import { type DescribeFilter, describeTopics, topicIdText } from "./topics_describe.ts";

const ACTIONS = ["create", "list", "alter", "describe", "delete"] as const;
type Action = typeof ACTIONS[number];

interface TopicsOptions extends ServerOptions, DescribeFilter, Partial<Record<Action, boolean>> {
  readonly topic?: string;
  readonly topicId?: string;
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly replicaAssignment?: string;
  readonly config?: string[];
  readonly deleteConfig?: string;
  readonly ifExists?: boolean;
  readonly ifNotExists?: boolean;
  readonly excludeInternal?: boolean;
  readonly commandConfig?: string;
}

/** What the arguments ask for. */
export interface TopicsRequest {
  readonly action: Action;
  readonly options: TopicsOptions;
}

/** How long to look for a broker, milliseconds. */
const CALL_TIMEOUT_MS = 10_000;
const REPLICATION_FACTOR_MAX = 32_767;
const NO_TOPIC_ID_TEXT = "AAAAAAAAAAAAAAAAAAAAAA";

/** Reads the arguments. Throws `UsageError`. */
export function parseTopicsArguments(args: readonly string[]): TopicsRequest {
  const command = newCommand("kafka-topics.sh", "Creates, lists, describes, alters and deletes topics.")
    .option(
      "--bootstrap-server <servers>",
      "HOST:PORT of a broker, or several with commas (also: KAVKA_BOOTSTRAP)",
    )
    .option("--zookeeper <connect>", "the old spelling: a broker on the same host is asked instead")
    .option("--create", "create a topic")
    .option("--list", "list topics, one a line")
    .option("--describe", "show partitions, leaders and settings")
    .option("--alter", "add partitions; settings are changed by kafka-configs.sh")
    .option("--delete", "delete topics")
    .option("--topic <name>", "the topic; a regular expression, except for --create")
    .option("--topic-id <id>", "with --describe: the topic with this id")
    .option("--partitions <count>", "number of partitions; without it the broker's default", integerOption())
    .option(
      "--replication-factor <count>",
      "number of replicas; without it the broker's default",
      integerOption(),
    )
    .option("--replica-assignment <list>", "brokers of each partition: 1:2,2:1 for two partitions")
    .option("--config <name=value>", "a setting of the new topic; may be repeated", collect)
    .option("--delete-config <name>", "no longer does anything, as in Kafka")
    .option("--if-exists", "no error when the topic does not exist")
    .option("--if-not-exists", "no error when the topic exists")
    .option("--exclude-internal", "leave internal topics out")
    .option("--under-replicated-partitions", "with --describe: partitions with too few replicas in sync")
    .option("--unavailable-partitions", "with --describe: partitions without a live leader")
    .option("--under-min-isr-partitions", "with --describe: partitions below min.insync.replicas")
    .option("--at-min-isr-partitions", "with --describe: partitions at min.insync.replicas")
    .option("--topics-with-overrides", "with --describe: only topics with settings of their own")
    .option(
      "--partition-size-limit-per-response <count>",
      "with --describe: how many partitions to ask for at once",
      integerOption(1),
    )
    .option("--command-config <file>", "settings of the client");
  const options = parseOptions<TopicsOptions>(command, args);
  const actions = ACTIONS.filter((action) => options[action] === true);
  const [action] = actions;
  if (action === undefined || actions.length > 1) {
    throw new UsageError(
      "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
    );
  }
  checkCombination(action, options);
  return { action, options };
}

/** As Kafka's tool, in its words. */
function checkCombination(action: Action, options: TopicsOptions): void {
  const require = (isThere: boolean, option: string) => {
    if (!isThere) throw new UsageError(`Missing required argument "[${option}]"`);
  };
  const exclude = (option: string, isThere: boolean, other: string) => {
    if (isThere) throw new UsageError(`Option "[${option}]" can't be used with option "[${other}]"`);
  };
  if (action === "describe" && options.ifExists === true) {
    if (options.topic === undefined && options.topicId === undefined) {
      throw new UsageError("--topic or --topic-id is required to describe a topic");
    }
  }
  if (action !== "list" && action !== "describe") require(options.topic !== undefined, "topic");
  if (action === "alter") {
    if (options.config !== undefined) {
      throw new UsageError(
        `Option combination "[[config], [bootstrap-server]]" can't be used with option "[alter]" ` +
          "(To alter topic configurations, the kafka-configs tool can be used.)",
      );
    }
    require(options.partitions !== undefined, "partitions");
  }
  if (action !== "create") {
    exclude("config", options.config !== undefined, action);
    exclude("replication-factor", options.replicationFactor !== undefined, action);
    exclude("if-not-exists", options.ifNotExists !== undefined, action);
    if (action !== "alter") {
      exclude("partitions", options.partitions !== undefined, action);
      exclude("replica-assignment", options.replicaAssignment !== undefined, action);
    }
  } else if (options.replicaAssignment !== undefined) {
    exclude("replica-assignment", options.partitions !== undefined, "partitions");
    exclude("replica-assignment", options.replicationFactor !== undefined, "replication-factor");
  }
  if (action === "create" || action === "list") exclude("if-exists", options.ifExists !== undefined, action);
  if (action !== "list" && action !== "describe") {
    exclude("exclude-internal", options.excludeInternal !== undefined, action);
  }
  const filters = REPORTS.filter(([name]) => options[name] !== undefined);
  const [filter] = filters;
  if (filter === undefined) return;
  if (action !== "describe") exclude(filter[1], true, action);
  if (filters[1] !== undefined) exclude(filter[1], true, filters[1][1]);
}

const REPORTS = [
  ["underReplicatedPartitions", "under-replicated-partitions"],
  ["underMinIsrPartitions", "under-min-isr-partitions"],
  ["atMinIsrPartitions", "at-min-isr-partitions"],
  ["unavailablePartitions", "unavailable-partitions"],
  ["topicsWithOverrides", "topics-with-overrides"],
] as const;

/** The command. */
export async function topics(args: readonly string[], terminal: Terminal): Promise<number> {
  const request = parseTopicsArguments(args);
  const { options } = request;
  const servers = bootstrapServers(options, terminal);
  if (options.deleteConfig !== undefined) {
    terminal.writeError(
      "delete-config option is no longer supported and deprecated since version 4.0. " +
        "The config will be fully removed in future releases.",
    );
  }
  const client = await commandClientOptions(servers, options.commandConfig, terminal, {
    callTimeoutMs: CALL_TIMEOUT_MS,
  });
  try {
    using admin = new Admin(terminal.env, client);
    await terminal.writeOut(utf8(await execute(request, admin)));
    return 0;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // Where Kafka prints it: scripts look for it there.
    await terminal.writeOut(utf8(`Error while executing topic command : ${message}\n`));
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
    case "alter":
      return alter(options, admin);
    case "describe":
      return describe(options, admin);
    case "delete":
      return remove(options, admin);
  }
}

async function create(options: TopicsOptions, admin: Admin): Promise<string> {
  const name = options.topic ?? "";
  const { partitions, replicationFactor } = options;
  const configs = topicConfigs(options.config);
  const assignments = assignmentOf(options.replicaAssignment);
  if (
    replicationFactor !== undefined && (replicationFactor < 1 || replicationFactor > REPLICATION_FACTOR_MAX)
  ) {
    throw new UsageError(`The replication factor must be between 1 and ${REPLICATION_FACTOR_MAX} inclusive`);
  }
  if (partitions !== undefined && partitions < 1) {
    throw new UsageError("The partitions must be greater than 0");
  }
  const warning = /[._]/.test(name)
    ? "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. " +
      "To avoid issues it is best to use either, but not both.\n"
    : "";
  try {
    await admin.createTopic({ name, partitionCount: partitions, replicationFactor, assignments, configs });
  } catch (error) {
    const exists = error instanceof BrokerError && error.error === "TOPIC_ALREADY_EXISTS";
    if (exists && options.ifNotExists === true) return warning;
    throw error;
  }
  return `${warning}Created topic ${name}.\n`;
}

function topicConfigs(pairs: readonly string[] = []): Record<string, string> {
  return Object.fromEntries(pairs.map((pair) => {
    const parts = pair.split(/\s*=\s*/);
    // As Java's split: empty strings at the end do not count.
    if (parts.length !== 2 || parts[1] === "") {
      throw new UsageError(
        'requirement failed: Invalid topic config: all configs to be added must be in the format "key=val".',
      );
    }
    return parts.map((part) => part.trim()) as [string, string];
  }));
}

/** `1:2,2:1`: the brokers of each partition. */
export function assignmentOf(text: string | undefined): number[][] | undefined {
  if (text === undefined || text === "") return undefined;
  const lists = text.split(",").map((list) =>
    list.split(":").map((broker) => {
      if (!/^\s*\d{1,9}\s*$/.test(broker)) throw new UsageError(`For input string: "${broker.trim()}"`);
      return Number(broker);
    })
  );
  for (const [partition, brokers] of lists.entries()) {
    const duplicates = new Set(brokers.filter((broker, index) => brokers.indexOf(broker) !== index));
    if (duplicates.size > 0) {
      throw new UsageError(
        `Partition replica lists may not contain duplicate entries: ${[...duplicates].join(",")}`,
      );
    }
    if (brokers.length !== lists[0]?.length) {
      throw new UsageError(
        `Partition ${partition} has different replication factor: [${brokers.join(", ")}]`,
      );
    }
  }
  return lists;
}

async function list(options: TopicsOptions, admin: Admin): Promise<string> {
  const found = await findTopics({ ...options, ifExists: true }, admin);
  return `${found.map((topic) => topic.name).join("\n")}\n`;
}

async function alter(options: TopicsOptions, admin: Admin): Promise<string> {
  const total = options.partitions ?? 0;
  const assignment = assignmentOf(options.replicaAssignment);
  for (const { name, partitions } of await findTopics(options, admin)) {
    const added = assignment?.slice(partitions.length);
    await admin.createPartitions(name, total, added === undefined ? {} : { assignments: added });
  }
  return "";
}

async function describe(options: TopicsOptions, admin: Admin): Promise<string> {
  if (options.topicId === undefined || options.topicId === NO_TOPIC_ID_TEXT) {
    const found = await findTopics(options, admin);
    return await describeTopics(found.map(({ name }) => name), options, admin);
  }
  const found = (await admin.describeTopics(null)).find(({ topicId }) =>
    topicIdText(topicId) === options.topicId
  );
  if (found === undefined && options.ifExists !== true) {
    throw new UsageError(`TopicId '${options.topicId}' does not exist as expected`);
  }
  return await describeTopics(found === undefined ? [] : [found.name], options, admin);
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

if (import.meta.main) await runProcess(topics);
