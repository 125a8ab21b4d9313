/**
 * kafka-consumer-groups.sh: lists, describes and deletes consumer groups, and resets or deletes their offsets. Flags,
 * output and messages are those of Kafka's ConsumerGroupCommand, which scripts parse.
 */
import { BrokerError, GroupAdmin, type TopicPartition } from "../client/mod.ts";
import { parseRegex, RegexError } from "../lib/parse_regex.ts";
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
import { groupCommandReason, javaExceptionText } from "./java_exception.ts";
import { describeGroup } from "./consumer_groups_describe.ts";
import { partitionsOf, resetOffsets, scenarioFault } from "./consumer_groups_reset.ts";
import { runProcess } from "./real_terminal.ts";
import { table } from "./table.ts";

const ACTIONS = ["list", "describe", "delete", "resetOffsets", "deleteOffsets", "validateRegex"] as const;
type Action = typeof ACTIONS[number];

/** As Kafka's tool names them. */
const STATES = [
  "Assigning",
  "Stable",
  "CompletingRebalance",
  "Reconciling",
  "Empty",
  "Dead",
  "PreparingRebalance",
] as const;
const TYPES = ["Consumer", "Classic"] as const;

type FlagAction = Exclude<Action, "validateRegex">;

export interface GroupsOptions extends ServerOptions, Partial<Record<FlagAction, boolean>> {
  readonly validateRegex?: string;
  readonly commandConfig?: string;
  readonly group?: string[];
  readonly allGroups?: boolean;
  readonly topic?: string[];
  readonly allTopics?: boolean;
  /** With a value for `--list` only. */
  readonly state?: string | boolean;
  readonly type?: string | boolean;
  readonly members?: boolean;
  readonly offsets?: boolean;
  readonly verbose?: boolean;
  readonly timeout?: number;
  readonly dryRun?: boolean;
  readonly execute?: boolean;
  readonly export?: boolean;
  readonly fromFile?: string;
  readonly toOffset?: number;
  readonly shiftBy?: number;
  readonly toDatetime?: string;
  readonly byDuration?: string;
  readonly toEarliest?: boolean;
  readonly toLatest?: boolean;
  readonly toCurrent?: boolean;
}

/** What the arguments ask for. */
export interface GroupsRequest {
  readonly action: Action;
  readonly options: GroupsOptions;
}

/** How long to look for a broker and a coordinator, milliseconds. */
const CALL_TIMEOUT_MS = 30_000;

/** Reads the arguments. Throws `UsageError`. */
export function parseGroupsArguments(args: readonly string[]): GroupsRequest {
  const command = newCommand(
    "kafka-consumer-groups.sh",
    "Lists, describes and deletes consumer groups, and resets or deletes their offsets.",
  )
    .option(
      "--bootstrap-server <servers>",
      "HOST:PORT of a broker, or several with commas (also: KAVKA_BOOTSTRAP)",
    )
    .option("--list", "list groups; with --state or --type, also those")
    .option("--describe", "show offsets and lag (or --members, --state) of groups")
    .option("--delete", "delete groups without members")
    .option("--reset-offsets", "set offsets of groups without members; --dry-run is the default")
    .option("--delete-offsets", "forget offsets of topics that the group does not read")
    .option("--validate-regex <expression>", "whether a group can subscribe with this regular expression")
    .option("--group <group>", "the group; may be repeated", collect)
    .option("--all-groups", "all groups")
    .option("--topic <topic>", "a topic, or TOPIC:0,1,2 for some of its partitions; may be repeated", collect)
    .option("--all-topics", "all topics that the group has offsets for")
    .option("--state [states]", "with --list: states to show; with --describe: state and coordinator")
    .option("--type [types]", "with --list: types to show, classic or consumer")
    .option("--members", "with --describe: the members")
    .option("--offsets", "with --describe: offsets and lag, the default")
    .option("--verbose", "with --describe: more columns")
    .option("--timeout <ms>", "how long to wait for the group's coordinator", integerOption(1))
    .option("--dry-run", "show what would be done")
    .option("--execute", "do it")
    .option("--export", "print new offsets as CSV")
    .option("--from-file <file>", "new offsets from a CSV file")
    .option("--to-offset <offset>", "to this offset", integerOption())
    .option("--shift-by <count>", "forward, or backward if negative", integerOption())
    .option("--to-datetime <datetime>", "to the first record at or after YYYY-MM-DDThh:mm:ss.sss")
    .option("--by-duration <duration>", "to the first record of the last PnDTnHnMnS")
    .option("--to-earliest", "to the beginning")
    .option("--to-latest", "to the end")
    .option("--to-current", "to where it is")
    .option("--command-config <file>", "settings of the client");
  const options = parseOptions<GroupsOptions>(command, args);
  const actions = ACTIONS.filter((action) => options[action] !== undefined);
  const [action] = actions;
  if (action === undefined || actions.length > 1) {
    throw new UsageError(
      "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets, " +
        "--validate-regex.",
    );
  }
  if (action === "validateRegex") return { action, options };
  const hasGroups = options.group !== undefined || options.allGroups === true;
  if (action !== "list" && !hasGroups) {
    throw new UsageError(
      action === "deleteOffsets"
        ? 'Missing required argument "[group]"'
        : "Option takes one of these options: [all-groups], [group]",
    );
  }
  if (options.group !== undefined && options.allGroups === true) {
    throw new UsageError('Option "[group]" can\'t be used with option "[all-groups]"');
  }
  if (action === "describe") {
    const views = [options.members, options.offsets, options.state].filter((view) => view !== undefined);
    if (views.length > 1) {
      throw new UsageError(
        "Option [describe] takes at most one of these options: [members], [offsets], [state]",
      );
    }
  }
  if (action === "deleteOffsets" && (options.topic === undefined || options.group?.length !== 1)) {
    throw new UsageError("Option [delete-offsets] takes the following options: [topic], [group]");
  }
  if (options.dryRun === true && options.execute === true) {
    throw new UsageError("Option [reset-offsets] only accepts one of [execute] and [dry-run]");
  }
  if (action === "resetOffsets") {
    const fault = scenarioFault(options);
    if (fault !== null) throw new UsageError(fault);
  }
  if (action === "list") {
    checkWords(options.state, STATES, "state");
    checkWords(options.type, TYPES, "types");
  }
  return { action, options };
}

/** The words of a list with commas, as `Stable` and `stable` alike. */
function wordsOf(value: string | boolean | undefined): string[] {
  if (typeof value !== "string") return [];
  return value.split(",").map((word) => word.trim()).filter((word) => word !== "");
}

function checkWords(value: string | boolean | undefined, known: readonly string[], what: string): void {
  const isKnown = (word: string) => known.some((each) => each.toLowerCase() === word.toLowerCase());
  if (wordsOf(value).every(isKnown)) return;
  const plural = what.endsWith("s") ? what : `${what}s`;
  throw new UsageError(`Invalid ${what} list '${value}'. Valid ${plural} are: ${known.join(", ")}`);
}

/** The command. */
export async function consumerGroups(args: readonly string[], terminal: Terminal): Promise<number> {
  const { action, options } = parseGroupsArguments(args);
  if (action === "validateRegex") {
    await terminal.writeOut(utf8(validateRegex(options.validateRegex ?? "")));
    return 0;
  }
  const servers = bootstrapServers(options, terminal);
  const client = await commandClientOptions(servers, options.commandConfig, terminal);
  using admin = new GroupAdmin(terminal.env, {
    ...client,
    callTimeoutMs: options.timeout ?? client.callTimeoutMs ?? CALL_TIMEOUT_MS,
  });
  try {
    await execute(action, options, { admin, terminal });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    await terminal.writeOut(
      utf8(`\nError: Executing consumer group command failed due to ${groupCommandReason(error)}\n`),
    );
  }
  // As Kafka's tool, whose scripts read what is printed: only wrong arguments are another code.
  return 0;
}

function validateRegex(expression: string): string {
  try {
    parseRegex(expression);
    return `The regular expression \`${expression}\` is valid.\n`;
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    return `The regular expression \`${expression}\` is invalid: ${error.message}.\n`;
  }
}

/** What the actions work with. */
export interface GroupsContext {
  readonly admin: GroupAdmin;
  readonly terminal: Terminal;
}

async function execute(action: FlagAction, options: GroupsOptions, context: GroupsContext): Promise<void> {
  const { admin, terminal } = context;
  if (action === "list") {
    await terminal.writeOut(utf8(await list(options, admin)));
    return;
  }
  // Share groups have a command of their own.
  const listed = async () => (await admin.listGroups()).filter(({ type }) => type !== "Share");
  const groupIds = options.group ?? (await listed()).map(({ groupId }) => groupId);
  switch (action) {
    case "describe":
      for (const groupId of groupIds) await describeGroup(groupId, options, context);
      return;
    case "delete":
      return await deleteAll(groupIds, context);
    case "resetOffsets":
      return await resetOffsets(groupIds, options, context);
    case "deleteOffsets":
      return await deleteOffsets(groupIds[0] ?? "", options.topic ?? [], context);
  }
}

async function list(options: GroupsOptions, admin: GroupAdmin): Promise<string> {
  const found = await admin.listGroups({ states: wordsOf(options.state), types: wordsOf(options.type) });
  const groups = found.filter(({ type }) => type !== "Share");
  const showsType = options.type !== undefined;
  const showsState = options.state !== undefined;
  if (!showsType && !showsState) return groups.map(({ groupId }) => `${groupId}\n`).join("");
  const width = Math.max(15, ...groups.map(({ groupId }) => groupId.length)) + 10;
  return table(
    [
      { title: "GROUP", width },
      ...(showsType ? [{ title: "TYPE", width: 20 }] : []),
      ...(showsState ? [{ title: "STATE", width: 20 }] : []),
    ],
    groups.map(({ groupId, type, state }) => [
      groupId,
      ...(showsType ? [type] : []),
      ...(showsState ? [state] : []),
    ]),
  );
}

async function deleteAll(groupIds: readonly string[], { admin, terminal }: GroupsContext): Promise<void> {
  const deleted: string[] = [];
  const failed: string[] = [];
  for (const groupId of groupIds) {
    try {
      await admin.deleteGroup(groupId);
      deleted.push(groupId);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      failed.push(`* Group '${groupId}' could not be deleted due to: ${javaExceptionText(error)}\n`);
    }
  }
  const names = (ids: readonly string[]) => ids.map((id) => `'${id}'`).join(", ");
  const lines = failed.length === 0
    ? `Deletion of requested consumer groups (${names(deleted)}) was successful.\n`
    : `\nError: Deletion of some consumer groups failed:\n${failed.join("")}` +
      (deleted.length > 0 ? `\nThese consumer groups were deleted successfully: ${names(deleted)}\n` : "");
  await terminal.writeOut(utf8(lines));
}

async function deleteOffsets(
  groupId: string,
  topics: readonly string[],
  { admin, terminal }: GroupsContext,
): Promise<void> {
  const partitions: TopicPartition[] = [];
  const rows: string[][] = [];
  for (const topic of topics) {
    try {
      partitions.push(...await partitionsOf([topic], admin));
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      rows.push([topic.split(":")[0] ?? topic, "-", `Error: ${javaExceptionText(error)}`]);
    }
  }
  let head = `Request succeeded for deleting offsets from group ${groupId}.`;
  try {
    const results = partitions.length === 0 ? [] : await admin.deleteOffsets(groupId, partitions);
    for (const { topic, partition, error } of results) {
      const status = error === null ? "Successful" : `Error: ${javaExceptionText(error)}`;
      rows.push([topic, String(partition), status]);
      if (error !== null) head = "\nError: Encounter some partition level error, see the follow-up details:";
    }
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    head = `\nError: ${deleteOffsetsFault(groupId, error)}`;
    for (const { topic, partition } of partitions) {
      rows.push([topic, String(partition), `Error: ${javaExceptionText(error)}`]);
    }
  }
  const width = Math.max(15, ...rows.map(([topic = ""]) => topic.length));
  const body = table(
    [{ title: "TOPIC", width }, { title: "PARTITION", width: 10 }, { title: "STATUS", width: 15 }],
    rows,
  );
  await terminal.writeOut(utf8(`${head}\n\n${body}`));
}

function deleteOffsetsFault(groupId: string, error: BrokerError): string {
  switch (error.error) {
    case "INVALID_GROUP_ID":
      return `'${groupId}' is not valid.`;
    case "NON_EMPTY_GROUP":
      return `Deleting offsets of a consumer group '${groupId}' is forbidden if the group is not empty.`;
    default:
      return error.message;
  }
}

if (import.meta.main) await runProcess(consumerGroups);
