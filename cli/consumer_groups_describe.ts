/** `kafka-consumer-groups.sh --describe`: offsets and lag, members, or state of one group. */
import {
  type GroupDescription,
  type GroupMemberDescription,
  type GroupOffset,
  type TopicPartitions,
} from "../client/mod.ts";
import { partitionKey } from "../client/topic_partition.ts";
import { utf8 } from "./command_line.ts";
import type { GroupsContext, GroupsOptions } from "./consumer_groups.ts";
import { type Column, table, widthOf } from "./table.ts";

const NOTHING = "-";

/** Prints one group. Throws what the client throws, for example GROUP_ID_NOT_FOUND. */
export async function describeGroup(
  groupId: string,
  options: GroupsOptions,
  context: GroupsContext,
): Promise<void> {
  const { admin, terminal } = context;
  const group = await admin.describeGroup(groupId);
  const remark = remarkOn(group);
  if (remark !== null) terminal.writeError(`\n${remark}`);
  if (options.state !== undefined) {
    await terminal.writeOut(utf8(`\n${stateTable(group, options.verbose === true)}`));
  } else if (options.members === true) {
    await terminal.writeOut(utf8(`\n${membersTable(group, options.verbose === true)}`));
  } else {
    const rows = await offsetRows(group, context);
    if (rows.length > 0) await terminal.writeOut(utf8(`\n${offsetsTable(rows, options.verbose === true)}`));
  }
}

function remarkOn({ groupId, state }: GroupDescription): string | null {
  switch (state) {
    case "Empty":
      return `Consumer group '${groupId}' has no active members.`;
    case "PreparingRebalance":
    case "CompletingRebalance":
    case "Assigning":
    case "Reconciling":
      return `Warning: Consumer group '${groupId}' is rebalancing.`;
    default:
      return null;
  }
}

/** One partition of the table, or a member without partitions. */
interface OffsetRow {
  readonly group: string;
  readonly topic: string;
  readonly partition: string;
  readonly leaderEpoch: string;
  readonly current: string;
  readonly end: string;
  readonly lag: string;
  readonly consumerId: string;
  readonly host: string;
  readonly clientId: string;
}

async function offsetRows(group: GroupDescription, { admin }: GroupsContext): Promise<OffsetRow[]> {
  const committed = await admin.offsets(group.groupId);
  const byKey = new Map(committed.map((each) => [partitionKey(each.topic, each.partition), each]));
  const owned = group.members.flatMap((member) =>
    flat(member.assignment).map((each) => ({ ...each, member: member as GroupMemberDescription | null }))
  );
  const ownedKeys = new Set(owned.map(({ topic, partition }) => partitionKey(topic, partition)));
  const others = flat(committed.map(({ topic, partition }) => ({ topic, partitions: [partition] })))
    .filter(({ topic, partition }) => !ownedKeys.has(partitionKey(topic, partition)))
    .map((each) => ({ ...each, member: null }));
  const all = [...owned, ...others];
  const ends = await admin.findOffsets(
    all.map(({ topic, partition }) => ({ topic, partition, spec: "latest" })),
  );
  const idle = group.members.filter(({ assignment }) => flat(assignment).length === 0);
  return [
    ...all.map(({ topic, partition, member }) => {
      const key = partitionKey(topic, partition);
      return offsetRow({
        group,
        topic,
        partition,
        member,
        committed: byKey.get(key),
        end: ends.get(key)?.offset,
      });
    }),
    ...idle.map((member): OffsetRow => ({
      ...memberCells(group, member),
      topic: NOTHING,
      partition: NOTHING,
      leaderEpoch: NOTHING,
      current: NOTHING,
      end: NOTHING,
      lag: NOTHING,
    })),
  ];
}

function offsetRow({ group, topic, partition, member, committed, end }: {
  readonly group: GroupDescription;
  readonly topic: string;
  readonly partition: number;
  readonly member: GroupMemberDescription | null;
  readonly committed: GroupOffset | undefined;
  readonly end: number | undefined;
}): OffsetRow {
  const lag = committed === undefined || end === undefined
    ? NOTHING
    : String(Math.max(0, end - committed.offset));
  return {
    ...memberCells(group, member),
    topic,
    partition: String(partition),
    leaderEpoch: committed === undefined || committed.leaderEpoch < 0
      ? NOTHING
      : String(committed.leaderEpoch),
    current: committed === undefined ? NOTHING : String(committed.offset),
    end: end === undefined ? NOTHING : String(end),
    lag,
  };
}

function memberCells({ groupId }: GroupDescription, member: GroupMemberDescription | null) {
  return {
    group: groupId,
    consumerId: member?.memberId ?? NOTHING,
    host: member?.host ?? NOTHING,
    clientId: member?.clientId ?? NOTHING,
  };
}

function offsetsTable(rows: readonly OffsetRow[], isVerbose: boolean): string {
  const width = (of: (row: OffsetRow) => string) => widthOf(rows.map(of));
  const columns: Column[] = [
    { title: "GROUP", width: width(({ group }) => group) },
    { title: "TOPIC", width: width(({ topic }) => topic) },
    { title: "PARTITION", width: 10 },
    ...(isVerbose ? [{ title: "LEADER-EPOCH", width: 15 }] : []),
    { title: "CURRENT-OFFSET", width: 15 },
    { title: "LOG-END-OFFSET", width: 15 },
    { title: "LAG", width: 15 },
    { title: "CONSUMER-ID", width: width(({ consumerId }) => consumerId) },
    { title: "HOST", width: width(({ host }) => host) },
    { title: "CLIENT-ID", width: null },
  ];
  return table(
    columns,
    rows.map((row) => [
      row.group,
      row.topic,
      row.partition,
      ...(isVerbose ? [row.leaderEpoch] : []),
      row.current,
      row.end,
      row.lag,
      row.consumerId,
      row.host,
      row.clientId,
    ]),
  );
}

function membersTable({ groupId, type, members }: GroupDescription, isVerbose: boolean): string {
  const hasInstances = members.some(({ instanceId }) => instanceId !== null);
  const isMixed = members.some(({ isUpgraded }) => isUpgraded === false);
  const width = (of: (member: GroupMemberDescription) => string, minimum?: number) =>
    widthOf(members.map(of), minimum);
  const partitions = (topics: readonly TopicPartitions[] | null) =>
    topics === null ? NOTHING : partitionsText(topics);
  const epoch = ({ memberEpoch }: GroupMemberDescription) =>
    memberEpoch === null ? NOTHING : String(memberEpoch);
  const columns: (Column & { readonly cell: (member: GroupMemberDescription) => string })[] = [
    { title: "GROUP", width: widthOf([groupId]), cell: () => groupId },
    { title: "CONSUMER-ID", width: width(({ memberId }) => memberId), cell: ({ memberId }) => memberId },
    ...(hasInstances
      ? [{
        title: "GROUP-INSTANCE-ID",
        width: width(({ instanceId }) => instanceId ?? "", 17),
        cell: ({ instanceId }: GroupMemberDescription) => instanceId ?? "",
      }]
      : []),
    { title: "HOST", width: width(({ host }) => host), cell: ({ host }) => host },
    { title: "CLIENT-ID", width: width(({ clientId }) => clientId), cell: ({ clientId }) => clientId },
    // Kafka pads the last column, too.
    {
      title: "#PARTITIONS",
      width: isVerbose ? 15 : 16,
      cell: ({ assignment }) => String(flat(assignment).length),
    },
  ];
  if (isVerbose) {
    columns.push(
      { title: "CURRENT-EPOCH", width: 15, cell: epoch },
      {
        title: "CURRENT-ASSIGNMENT",
        width: width(({ assignment }) => partitions(assignment), 20),
        cell: ({ assignment }) => partitions(assignment),
      },
      { title: "TARGET-EPOCH", width: 15, cell: epoch },
      {
        title: "TARGET-ASSIGNMENT",
        width: width(({ targetAssignment }) => partitions(targetAssignment), 20),
        cell: ({ targetAssignment }) => partitions(targetAssignment),
      },
    );
    if (type === "Consumer" && isMixed) {
      columns.push({
        title: "UPGRADED",
        width: null,
        cell: ({ isUpgraded }) => String(isUpgraded ?? NOTHING),
      });
    }
  }
  return table(columns, members.map((member) => columns.map(({ cell }) => cell(member))));
}

function stateTable(group: GroupDescription, isVerbose: boolean): string {
  const { groupId, state, assignor, members, groupEpoch, targetAssignmentEpoch } = group;
  const { hostname, port, nodeId } = group.coordinator;
  const coordinator = `${hostname}:${port}  (${nodeId})`;
  return table([
    { title: "GROUP", width: widthOf([groupId]) },
    { title: "COORDINATOR (ID)", width: widthOf([coordinator], 25) },
    { title: "ASSIGNMENT-STRATEGY", width: 20 },
    { title: "STATE", width: 20 },
    ...(isVerbose
      ? [{ title: "GROUP-EPOCH", width: 15 }, { title: "TARGET-ASSIGNMENT-EPOCH", width: 25 }]
      : []),
    { title: "#MEMBERS", width: null },
  ], [[
    groupId,
    coordinator,
    assignor === "" ? NOTHING : assignor,
    state,
    ...(isVerbose ? [String(groupEpoch ?? NOTHING), String(targetAssignmentEpoch ?? NOTHING)] : []),
    String(members.length),
  ]]);
}

function flat(topics: readonly TopicPartitions[]): { topic: string; partition: number }[] {
  return topics
    .flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
    .sort((a, b) => a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1);
}

/** `topic:0,1;other:2`. */
function partitionsText(topics: readonly TopicPartitions[]): string {
  return [...topics]
    .sort((a, b) => (a.topic < b.topic ? -1 : 1))
    .map(({ topic, partitions }) => `${topic}:${[...partitions].sort((a, b) => a - b).join(",")}`)
    .join(";");
}
