/**
 * kafka-share-groups.sh: lists, describes and deletes share groups, and resets or deletes their offsets. Flags, output and
 * messages are those of Kafka's ShareGroupCommand.
 */
import { BrokerError, ShareGroupAdmin } from "../client/mod.ts";
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
import { runProcess } from "./real_terminal.ts";
import { describeShareGroup } from "./share_groups_describe.ts";
import { resetShareOffsets } from "./share_groups_reset.ts";
import { table, widthOf } from "./table.ts";

const ACTIONS = ["list", "describe", "delete", "resetOffsets", "deleteOffsets"] as const;
type Action = typeof ACTIONS[number];
const STATES = ["Stable", "Dead", "Empty"] as const;
const SCENARIOS = [["toDatetime", "to-datetime"], ["toEarliest", "to-earliest"], [
  "toLatest",
  "to-latest",
]] as const;

export interface ShareGroupsOptions extends ServerOptions, Partial<Record<Action, boolean>> {
  readonly group?: string[];
  readonly allGroups?: boolean;
  readonly topic?: string[];
  readonly allTopics?: boolean;
  /** With a value for `--list` only. */
  readonly state?: string | true;
  readonly members?: boolean;
  readonly offsets?: boolean;
  readonly verbose?: boolean;
  readonly timeout?: number;
  readonly dryRun?: boolean;
  readonly execute?: boolean;
  readonly toDatetime?: string;
  readonly toEarliest?: boolean;
  readonly toLatest?: boolean;
  readonly commandConfig?: string;
}

/** What the actions work with. */
export interface ShareGroupsContext {
  readonly admin: ShareGroupAdmin;
  readonly terminal: Terminal;
}

const CALL_TIMEOUT_MS = 30_000;

/** Reads the arguments. Throws `UsageError`. */
export function parseShareGroupsArguments(
  args: readonly string[],
): { readonly action: Action; readonly options: ShareGroupsOptions } {
  const command = newCommand(
    "kafka-share-groups.sh",
    "Lists, describes and deletes share groups, and resets or deletes their offsets.",
  )
    .option(
      "--bootstrap-server <servers>",
      "HOST:PORT of a broker, or several with commas (also: KAVKA_BOOTSTRAP)",
    )
    .option("--list", "list share groups; with --state, also their states")
    .option("--describe", "show start offsets (or --members, --state) of groups")
    .option("--delete", "delete groups without members")
    .option("--reset-offsets", "set start offsets of a group without members")
    .option("--delete-offsets", "forget topics of a group without members")
    .option("--group <group>", "the share group; may be repeated", collect)
    .option("--all-groups", "all share groups")
    .option("--topic <topic>", "a topic, or TOPIC:0,1,2 for some of its partitions; may be repeated", collect)
    .option("--all-topics", "all topics that the group has offsets for")
    .option("--state [states]", "with --list: states to show; with --describe: state and coordinator")
    .option("--members", "with --describe: the members")
    .option("--offsets", "with --describe: start offsets, the default")
    .option("--verbose", "with --describe: more columns")
    .option("--timeout <ms>", "how long to wait for the group's coordinator", integerOption(1))
    .option("--dry-run", "show what would be done")
    .option("--execute", "do it")
    .option("--to-datetime <datetime>", "to the first record at or after YYYY-MM-DDThh:mm:ss.sss")
    .option("--to-earliest", "to the beginning")
    .option("--to-latest", "to the end")
    .option("--command-config <file>", "settings of the client");
  const options = parseOptions<ShareGroupsOptions>(command, args);
  const actions = ACTIONS.filter((action) => options[action] === true);
  const [action] = actions;
  if (action === undefined || actions.length > 1) {
    throw new UsageError(
      "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets.",
    );
  }
  const fault = faultOf(action, options);
  if (fault !== null) throw new UsageError(fault);
  return { action, options };
}

/** What is wrong with the combination, in Kafka's words. */
function faultOf(action: Action, options: ShareGroupsOptions): string | null {
  const hasGroup = options.group !== undefined;
  const hasAllGroups = options.allGroups === true;
  switch (action) {
    case "list": {
      const { state } = options;
      const words = typeof state === "string"
        ? state.split(",").map((word) => word.trim().toLowerCase())
        : [];
      const isKnown = words.every((word) => STATES.some((known) => known.toLowerCase() === word));
      return isKnown ? null : `Invalid state list '${state}'. Valid states are: ${STATES.join(", ")}`;
    }
    case "describe": {
      if (!hasGroup && !hasAllGroups) {
        return "Option [describe] takes one of these options: [all-groups], [group]";
      }
      const views = [options.members, options.offsets, options.state].filter((view) => view !== undefined);
      if (views.length > 1) {
        return "Option [describe] takes at most one of these options: [members], [offsets], [state]";
      }
      if (typeof options.state === "string") return "Option [describe] does not take a value for [state]";
      break;
    }
    case "delete":
      if (!hasGroup && !hasAllGroups) return "Option [delete] takes the options [group] or [all-groups]";
      if (hasGroup && hasAllGroups) return "Option [delete] takes either [group] or [all-groups], not both.";
      break;
    case "deleteOffsets":
      if (!hasGroup || options.topic === undefined) {
        return "Option [delete-offsets] takes the following options: [group], [topic]";
      }
      break;
    case "resetOffsets": {
      if (options.dryRun === true && options.execute === true) {
        return "Option [reset-offsets] only accepts one of [execute] and [dry-run]";
      }
      if (options.dryRun !== true && options.execute !== true) {
        return "Option [reset-offsets] takes the option: [execute] or [dry-run]";
      }
      if (!hasGroup) return "Option [reset-offsets] takes the option: [group]";
      if (options.topic === undefined && options.allTopics !== true) {
        return "Option [reset-offsets] takes one of these options: [all-topics], [topic]";
      }
      const [first, second] = SCENARIOS.filter(([name]) => options[name] !== undefined);
      if (first === undefined) {
        return "Option [reset-offsets] takes one of these options: [to-datetime], [to-earliest], [to-latest]";
      }
      if (second !== undefined) return `Option "[${first[1]}]" can't be used with option "[${second[1]}]"`;
    }
  }
  return hasGroup && hasAllGroups ? 'Option "[group]" can\'t be used with option "[all-groups]"' : null;
}

/** The command. */
export async function shareGroups(args: readonly string[], terminal: Terminal): Promise<number> {
  const { action, options } = parseShareGroupsArguments(args);
  const servers = bootstrapServers(options, terminal);
  const client = await commandClientOptions(servers, options.commandConfig, terminal);
  using admin = new ShareGroupAdmin(terminal.env, {
    ...client,
    callTimeoutMs: options.timeout ?? client.callTimeoutMs ?? CALL_TIMEOUT_MS,
  });
  try {
    await execute(action, options, { admin, terminal });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    await terminal.writeOut(
      utf8(`\nError: Executing share group command failed due to ${groupCommandReason(error)}\n`),
    );
  }
  // As Kafka's tool, whose scripts read what is printed: only wrong arguments are another code.
  return 0;
}

async function execute(
  action: Action,
  options: ShareGroupsOptions,
  context: ShareGroupsContext,
): Promise<void> {
  const { admin, terminal } = context;
  if (action === "list") {
    await terminal.writeOut(utf8(await list(options, admin)));
    return;
  }
  const groupIds = options.group ?? (await admin.listGroups()).map(({ groupId }) => groupId);
  switch (action) {
    case "describe":
      for (const groupId of groupIds) await describeShareGroup(groupId, options, context);
      return;
    case "delete":
      return await deleteAll(groupIds, context);
    case "resetOffsets":
      return await resetShareOffsets(groupIds[0] ?? "", options, context);
    case "deleteOffsets":
      return await deleteOffsets(groupIds[0] ?? "", options.topic ?? [], context);
  }
}

async function list({ state }: ShareGroupsOptions, admin: ShareGroupAdmin): Promise<string> {
  const states = typeof state === "string" ? state.split(",").map((word) => word.trim()) : [];
  const groups = await admin.listGroups(states);
  if (state === undefined) return groups.map(({ groupId }) => `${groupId}\n`).join("");
  return table(
    [{ title: "GROUP", width: widthOf(groups.map(({ groupId }) => groupId)) }, {
      title: "STATE",
      width: null,
    }],
    groups.map((group) => [group.groupId, group.state]),
  );
}

async function deleteAll(
  groupIds: readonly string[],
  { admin, terminal }: ShareGroupsContext,
): Promise<void> {
  const known = new Set((await admin.listGroups()).map(({ groupId }) => groupId));
  const deleted: string[] = [];
  const failed: string[] = [];
  for (const groupId of groupIds) {
    try {
      if (known.has(groupId)) {
        await admin.deleteGroup(groupId);
        deleted.push(groupId);
      } else {
        failed.push(
          `* Group '${groupId}' could not be deleted due to: ` +
            `java.lang.IllegalArgumentException: Group '${groupId}' is not a share group.\n`,
        );
      }
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      failed.push(`* Group '${groupId}' could not be deleted due to: ${javaExceptionText(error)}\n`);
    }
  }
  const names = (ids: readonly string[]) => ids.map((id) => `'${id}'`).join(", ");
  const lines = failed.length === 0
    ? `Deletion of requested share groups (${names(deleted)}) was successful.\n`
    : `\nError: Deletion of some share groups failed:\n${failed.join("")}` +
      (deleted.length > 0 ? `\nThese share groups were deleted successfully: ${names(deleted)}\n` : "");
  await terminal.writeOut(utf8(lines));
}

async function deleteOffsets(
  groupId: string,
  topics: readonly string[],
  { admin, terminal }: ShareGroupsContext,
): Promise<void> {
  let head = "";
  let rows: string[][];
  try {
    const outcomes = await admin.deleteOffsets(groupId, topics);
    rows = outcomes.map((
      { topic, error },
    ) => [topic, error === null ? "Successful" : `Error: ${error.message}`]);
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    head = `\nError: ${error.message}\n`;
    rows = topics.map((topic) => [topic, `Error: ${error.message}`]);
  }
  const columns = [{ title: "TOPIC", width: widthOf(topics) }, { title: "STATUS", width: null }];
  await terminal.writeOut(utf8(`${head}\n${table(columns, rows)}`));
}

if (import.meta.main) await runProcess(shareGroups);
