/** `kafka-consumer-groups.sh --reset-offsets`: new offsets for groups without members, shown, exported or set. */
import { BrokerError, type GroupAdmin, type OffsetSpec, type TopicPartition } from "../client/mod.ts";
import { partitionKey } from "../client/topic_partition.ts";
import { errorCode } from "../protocol/errors.ts";
import { UsageError, utf8 } from "./command_line.ts";
import type { GroupsContext, GroupsOptions } from "./consumer_groups.ts";
import { table, widthOf } from "./table.ts";

/** In the order in which Kafka looks for two of them. */
const SCENARIOS = [
  ["toOffset", "to-offset"],
  ["toDatetime", "to-datetime"],
  ["byDuration", "by-duration"],
  ["toEarliest", "to-earliest"],
  ["toLatest", "to-latest"],
  ["toCurrent", "to-current"],
  ["shiftBy", "shift-by"],
  ["fromFile", "from-file"],
] as const;

interface NewOffset extends TopicPartition {
  readonly groupId: string;
  readonly offset: number;
}

/** Resets the groups. */
export async function resetOffsets(
  groupIds: readonly string[],
  options: GroupsOptions,
  context: GroupsContext,
): Promise<void> {
  checkReset(options);
  const { admin, terminal } = context;
  if (options.execute !== true && options.dryRun !== true) {
    terminal.writeError(
      "WARN: No action will be performed as the --execute option is missing. " +
        "Add the --dry-run option to keep this behaviour without this warning.",
    );
  }
  const fromFile = options.fromFile === undefined
    ? null
    : parseCsv(await readText(options.fromFile, context), groupIds);
  const plan: NewOffset[] = [];
  let isRefused = false;
  for (const groupId of groupIds) {
    const state = await stateOf(groupId, admin);
    if (state !== "Empty" && state !== "Dead") {
      isRefused = true;
      await terminal.writeOut(utf8(
        `\nError: Assignments can only be reset if the group '${groupId}' is inactive, but the current state is ` +
          `${state}.\n`,
      ));
      continue;
    }
    const offsets = await newOffsets(groupId, options, { context, fromFile });
    if (options.execute === true) await admin.setOffsets(groupId, offsets);
    plan.push(...offsets);
  }
  plan.sort((a, b) =>
    compare(a.groupId, b.groupId) || compare(a.topic, b.topic) || a.partition - b.partition
  );
  if (plan.length > 0 || !isRefused) {
    const printed = options.export === true ? csvOf(plan, groupIds.length > 1) : `\n${planTable(plan)}`;
    await terminal.writeOut(utf8(printed));
  }
}

/** The partitions that `TOPIC` and `TOPIC:0,1` stand for. Throws a `BrokerError` for topics that do not exist. */
export async function partitionsOf(
  topics: readonly string[],
  admin: Pick<GroupAdmin, "topic">,
): Promise<TopicPartition[]> {
  const partitions: TopicPartition[] = [];
  for (const argument of topics) {
    const [name = "", list] = argument.split(":");
    if (list !== undefined) {
      for (const text of list.split(",")) {
        if (!/^\d{1,9}$/.test(text)) {
          throw new UsageError(`Invalid partition '${text}' specified in topic arg '${argument}''`);
        }
        partitions.push({ topic: name, partition: Number(text) });
      }
      continue;
    }
    const topic = await admin.topic(name);
    if (topic === null) throw new BrokerError(errorCode("UNKNOWN_TOPIC_OR_PARTITION"));
    for (const { partition } of topic.partitions) partitions.push({ topic: name, partition });
  }
  return partitions;
}

/** What is wrong with the choice of a scenario, in Kafka's words; null for nothing. */
export function scenarioFault(options: GroupsOptions): string | null {
  const [first, second] = SCENARIOS.filter(([name]) => options[name] !== undefined);
  if (first === undefined || second === undefined) return null;
  return `Option "[${first[1]}]" can't be used with option "[${second[1]}]"`;
}

function checkReset(options: GroupsOptions): void {
  const hasScope = options.topic !== undefined || options.allTopics === true;
  if (!hasScope && options.fromFile === undefined) {
    throw new UsageError("One of the reset scopes should be defined: --all-topics, --topic.");
  }
  if (!SCENARIOS.some(([name]) => options[name] !== undefined)) {
    throw new UsageError(
      `Option '[reset-offsets]' requires one of the following scenarios: ${
        SCENARIOS.map(([, option]) => `[${option}]`).join(", ")
      }`,
    );
  }
}

async function stateOf(groupId: string, admin: GroupAdmin): Promise<string> {
  try {
    return (await admin.describeGroup(groupId)).state;
  } catch (error) {
    // Offsets can be set before there is a group.
    if (error instanceof BrokerError && error.error === "GROUP_ID_NOT_FOUND") return "Dead";
    throw error;
  }
}

interface Sources {
  readonly context: GroupsContext;
  readonly fromFile: ReadonlyMap<string, readonly NewOffset[]> | null;
}

async function newOffsets(
  groupId: string,
  options: GroupsOptions,
  { context, fromFile }: Sources,
): Promise<NewOffset[]> {
  const { admin } = context;
  const committed = new Map(
    (await admin.offsets(groupId)).map((each) => [partitionKey(each.topic, each.partition), each.offset]),
  );
  if (fromFile !== null) {
    const wanted = fromFile.get(groupId) ?? [];
    return await within(wanted, wanted.map(({ offset }) => offset), { groupId, context });
  }
  const partitions = options.topic !== undefined
    ? await partitionsOf(options.topic, admin)
    : (await admin.offsets(groupId)).map(({ topic, partition }) => ({ topic, partition }));
  if (options.topic !== undefined) await checkExistence(partitions, admin);
  const spec = specOf(options, context);
  if (spec !== null) return await find(partitions, spec, { groupId, context });
  const ends = await admin.findOffsets(partitions.map((each) => ({ ...each, spec: "latest" })));
  const wanted = partitions.map(({ topic, partition }) => {
    const key = partitionKey(topic, partition);
    const current = committed.get(key);
    if (options.toOffset !== undefined) return options.toOffset;
    if (options.toCurrent === true) return current ?? ends.get(key)?.offset ?? 0;
    if (current === undefined) {
      throw new UsageError(
        `Cannot shift offset for partition ${topic}-${partition} since there is no current committed offset`,
      );
    }
    return current + (options.shiftBy ?? 0);
  });
  return await within(partitions, wanted, { groupId, context });
}

/** Throws `ResetError` that names the partitions that are not there. */
async function checkExistence(partitions: readonly TopicPartition[], admin: GroupAdmin): Promise<void> {
  const missing: string[] = [];
  for (const [topic, group] of Map.groupBy(partitions, (each) => each.topic)) {
    const count = (await admin.topic(topic))?.partitions.length ?? 0;
    missing.push(
      ...group.filter(({ partition }) => partition >= count).map(({ partition }) => `${topic}-${partition}`),
    );
  }
  if (missing.length > 0) throw new ResetError(`The partitions "${missing.join(",")}" do not exist`);
}

/** Where the log is asked, and nothing else. */
function specOf(options: GroupsOptions, { terminal }: GroupsContext): OffsetSpec | null {
  if (options.toEarliest === true) return "earliest";
  if (options.toLatest === true) return "latest";
  if (options.toDatetime !== undefined) return { timestamp: timestampOf(options.toDatetime) };
  if (options.byDuration !== undefined) {
    return { timestamp: Math.floor(terminal.env.now()) - durationMs(options.byDuration) };
  }
  return null;
}

interface Target {
  readonly groupId: string;
  readonly context: GroupsContext;
}

async function find(
  partitions: readonly TopicPartition[],
  spec: OffsetSpec,
  { groupId, context: { admin, terminal } }: Target,
): Promise<NewOffset[]> {
  const found = await admin.findOffsets(partitions.map((each) => ({ ...each, spec })));
  const ends = await admin.findOffsets(partitions.map((each) => ({ ...each, spec: "latest" })));
  const offsets: NewOffset[] = [];
  for (const { topic, partition } of partitions) {
    const key = partitionKey(topic, partition);
    const offset = found.get(key)?.offset ?? -1;
    if (offset < 0) {
      await terminal.writeOut(utf8(
        `\nWarn: Partition ${partition} from topic ${topic} is empty. Falling back to latest known offset.\n`,
      ));
    }
    offsets.push({ groupId, topic, partition, offset: offset >= 0 ? offset : ends.get(key)?.offset ?? 0 });
  }
  return offsets;
}

/** Keeps offsets within the log, as Kafka does, and says so. */
async function within(
  partitions: readonly TopicPartition[],
  wanted: readonly number[],
  { groupId, context: { admin, terminal } }: Target,
): Promise<NewOffset[]> {
  const begins = await admin.findOffsets(partitions.map((each) => ({ ...each, spec: "earliest" })));
  const ends = await admin.findOffsets(partitions.map((each) => ({ ...each, spec: "latest" })));
  return partitions.map(({ topic, partition }, index) => {
    const key = partitionKey(topic, partition);
    const begin = begins.get(key)?.offset ?? 0;
    const end = ends.get(key)?.offset ?? 0;
    const offset = wanted[index] ?? 0;
    if (offset > end) {
      terminal.writeError(
        `WARN: New offset (${offset}) is higher than latest offset for topic partition ${topic}-${partition}. ` +
          `Value will be set to ${end}`,
      );
    } else if (offset < begin) {
      terminal.writeError(
        `WARN: New offset (${offset}) is lower than earliest offset for topic partition ${topic}-${partition}. ` +
          `Value will be set to ${begin}`,
      );
    }
    return { groupId, topic, partition, offset: Math.min(Math.max(offset, begin), end) };
  });
}

/** What a person wrote cannot be used; the command says so and ends as any that failed. */
class ResetError extends Error {
  override readonly name = "ResetError";
}

/** `YYYY-MM-DDThh:mm:ss.sss` with `Z`, an offset like `+02:00`, or nothing, which is UTC. Throws `ResetError`. */
export function timestampOf(datetime: string): number {
  const form = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(Z|[+-]\d{2}:?\d{2})?$/.exec(datetime);
  const timestamp = form === null ? NaN : Date.parse(form[1] === undefined ? `${datetime}Z` : datetime);
  if (Number.isNaN(timestamp)) {
    throw new ResetError(
      datetime.includes("T")
        ? `java.text.ParseException: Unparseable date: "${datetime}"`
        : "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 format",
    );
  }
  return timestamp;
}

/** `PnDTnHnMnS`, as Java's Duration reads it. Throws `ResetError`. */
export function durationMs(text: string): number {
  const form = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,9})?)S)?)?$/i.exec(text);
  const [days, hours, minutes, seconds] = (form ?? []).slice(1).map((part) => Number(part ?? 0));
  if (form === null || /[PT]$/i.test(text)) {
    throw new ResetError("Text cannot be parsed to a Duration");
  }
  const total = (((days ?? 0) * 24 + (hours ?? 0)) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0);
  return Math.round(total * 1_000);
}

/** Lines of `topic,partition,offset`, for several groups with the group in front. */
export function parseCsv(
  text: string,
  groupIds: readonly string[],
): ReadonlyMap<string, readonly NewOffset[]> {
  const byGroup = new Map<string, NewOffset[]>();
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === "") continue;
    const cells = line.split(",").map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
    const [groupId, topic, partition, offset] = cells.length === 3 ? [groupIds[0], ...cells] : cells;
    const isValid = (cells.length === 4 || (cells.length === 3 && groupIds.length === 1)) &&
      /^\d{1,9}$/.test(partition ?? "") && /^\d{1,16}$/.test(offset ?? "");
    if (!isValid || groupId === undefined || topic === undefined) {
      throw new ResetError(`Invalid line in the file of offsets: ${line.slice(0, 200)}`);
    }
    const offsets = byGroup.get(groupId) ?? [];
    offsets.push({ groupId, topic, partition: Number(partition), offset: Number(offset) });
    byGroup.set(groupId, offsets);
  }
  return byGroup;
}

export function csvOf(plan: readonly NewOffset[], hasGroups: boolean): string {
  const lines = plan.map(({ groupId, topic, partition, offset }) =>
    [...(hasGroups ? [groupId] : []), topic, partition, offset].join(",") + "\n"
  );
  return `${lines.join("")}\n`;
}

function planTable(plan: readonly NewOffset[]): string {
  return table(
    [
      { title: "GROUP", width: widthOf(plan.map(({ groupId }) => groupId)) },
      { title: "TOPIC", width: widthOf(plan.map(({ topic }) => topic)) },
      { title: "PARTITION", width: 10 },
      { title: "NEW-OFFSET", width: null },
    ],
    plan.map(({ groupId, topic, partition, offset }) => [groupId, topic, String(partition), String(offset)]),
  );
}

async function readText(path: string, { terminal }: GroupsContext): Promise<string> {
  try {
    return await terminal.env.files.readText(path);
  } catch (error) {
    throw new ResetError(`java.io.IOException: Unable to read file ${path}`, { cause: error });
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
