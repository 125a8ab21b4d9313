/** `kafka-consumer-groups.sh --reset-offsets`: new offsets for groups without members, shown, exported or set. */
import { BrokerError, type GroupAdmin, type OffsetSpec, type TopicPartition } from "../client/mod.ts";
import { partitionKey } from "../client/topic_partition.ts";
import { UsageError, utf8 } from "./command_line.ts";
import type { GroupsContext, GroupsOptions } from "./consumer_groups.ts";
import { table, widthOf } from "./table.ts";

const SCENARIOS = [
  "toOffset",
  "shiftBy",
  "toDatetime",
  "byDuration",
  "toEarliest",
  "toLatest",
  "toCurrent",
  "fromFile",
] as const;

interface NewOffset extends TopicPartition {
  readonly groupId: string;
  readonly offset: number;
}

/** Resets the groups; returns the exit code. */
export async function resetOffsets(
  groupIds: readonly string[],
  options: GroupsOptions,
  context: GroupsContext,
): Promise<number> {
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
  let code = 0;
  for (const groupId of groupIds) {
    const state = await stateOf(groupId, admin);
    if (state !== "Empty" && state !== "Dead") {
      code = 1;
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
  if (plan.length > 0 || code === 0) {
    const printed = options.export === true ? csvOf(plan, groupIds.length > 1) : `\n${planTable(plan)}`;
    await terminal.writeOut(utf8(printed));
  }
  return code;
}

/** The partitions that `TOPIC` and `TOPIC:0,1` stand for. Throws `UsageError` for topics that do not exist. */
export async function partitionsOf(topics: readonly string[], admin: GroupAdmin): Promise<TopicPartition[]> {
  const partitions: TopicPartition[] = [];
  for (const argument of topics) {
    const [name = "", list] = argument.split(":");
    if (list !== undefined) {
      for (const text of list.split(",")) {
        if (!/^\d{1,9}$/.test(text)) throw new UsageError(`Invalid partition "${text}" in ${argument}`);
        partitions.push({ topic: name, partition: Number(text) });
      }
      continue;
    }
    const topic = await admin.topic(name);
    if (topic === null) throw new UsageError(`Topic ${name} does not exist`);
    for (const { partition } of topic.partitions) partitions.push({ topic: name, partition });
  }
  return partitions;
}

function checkReset(options: GroupsOptions): void {
  const scenarios = SCENARIOS.filter((name) => options[name] !== undefined);
  if (scenarios.length !== 1) {
    throw new UsageError(
      "Option [reset-offsets] requires one of the following scenarios: [by-duration], [from-file], [shift-by], " +
        "[to-current], [to-datetime], [to-earliest], [to-latest], [to-offset]",
    );
  }
  const hasScope = options.topic !== undefined || options.allTopics === true;
  if (!hasScope && options.fromFile === undefined) {
    throw new UsageError("One of the reset scopes should be defined: --all-topics, --topic.");
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
  return partitions.map(({ topic, partition }) => {
    const key = partitionKey(topic, partition);
    const offset = found.get(key)?.offset ?? -1;
    if (offset >= 0) return { groupId, topic, partition, offset };
    terminal.writeError(
      `\nWarn: Partition ${partition} from topic ${topic} is empty. Falling back to latest known offset.`,
    );
    return { groupId, topic, partition, offset: ends.get(key)?.offset ?? 0 };
  });
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

/** `YYYY-MM-DDThh:mm:ss.sss` with `Z`, an offset like `+02:00`, or nothing, which is UTC. */
export function timestampOf(datetime: string): number {
  const form = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(Z|[+-]\d{2}:?\d{2})?$/.exec(datetime);
  const timestamp = form === null ? NaN : Date.parse(form[1] === undefined ? `${datetime}Z` : datetime);
  if (Number.isNaN(timestamp)) {
    throw new UsageError(`Error parsing timestamp. It does not contain YYYY-MM-DDThh:mm:ss.sss: ${datetime}`);
  }
  return timestamp;
}

/** `PnDTnHnMnS`, as Java's Duration reads it. */
export function durationMs(text: string): number {
  const form = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,9})?)S)?)?$/i.exec(text);
  const [days, hours, minutes, seconds] = (form ?? []).slice(1).map((part) => Number(part ?? 0));
  if (form === null || /[PT]$/i.test(text)) {
    throw new UsageError(`Text cannot be parsed to a Duration: ${text}`);
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
      throw new UsageError(`Invalid line in the file of offsets: ${line.slice(0, 200)}`);
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
    throw new UsageError(`Cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
