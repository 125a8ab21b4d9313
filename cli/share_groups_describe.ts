/** `kafka-share-groups.sh --describe`: start offsets, members, or state of one group. */
import type { ShareGroupDescription, ShareGroupOffset, TopicPartitions } from "../client/mod.ts";
import { utf8 } from "./command_line.ts";
import type { ShareGroupsContext, ShareGroupsOptions } from "./share_groups.ts";
import { type Column, table, widthOf } from "./table.ts";

const NOTHING = "-";

/** Prints one group. Throws what the client throws, for example GROUP_ID_NOT_FOUND. */
export async function describeShareGroup(
  groupId: string,
  options: ShareGroupsOptions,
  { admin, terminal }: ShareGroupsContext,
): Promise<void> {
  const group = await admin.describeGroup(groupId);
  const isVerbose = options.verbose === true;
  if (options.members === true || options.state !== undefined) {
    if (group.members.length === 0) terminal.writeError(`\nShare group '${groupId}' has no active members.`);
    if (options.state !== undefined) await terminal.writeOut(utf8(`\n${stateTable(group, isVerbose)}`));
    else if (group.members.length > 0) {
      await terminal.writeOut(utf8(`\n${membersTable(group, isVerbose)}`));
    }
    return;
  }
  const offsets = await admin.offsets(groupId);
  await terminal.writeOut(utf8(
    offsets.length === 0
      ? `\nShare group '${groupId}' has no offset information.\n`
      : `\n${offsetsTable(groupId, offsets, isVerbose)}`,
  ));
}

function offsetsTable(groupId: string, offsets: readonly ShareGroupOffset[], isVerbose: boolean): string {
  const sorted = offsets.toSorted((a, b) =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1
  );
  return table(
    [
      { title: "GROUP", width: widthOf([groupId]) },
      { title: "TOPIC", width: widthOf(sorted.map(({ topic }) => topic)) },
      { title: "PARTITION", width: 10 },
      ...(isVerbose ? [{ title: "LEADER-EPOCH", width: 13 }] : []),
      { title: "START-OFFSET", width: 13 },
      { title: "LAG", width: null },
    ],
    sorted.map(({ topic, partition, leaderEpoch, startOffset, lag }) => [
      groupId,
      topic,
      String(partition),
      ...(isVerbose ? [leaderEpoch < 0 ? NOTHING : String(leaderEpoch)] : []),
      String(startOffset ?? NOTHING),
      String(lag ?? NOTHING),
    ]),
  );
}

function membersTable({ groupId, members }: ShareGroupDescription, isVerbose: boolean): string {
  const columns: Column[] = [
    { title: "GROUP", width: widthOf([groupId]) },
    { title: "CONSUMER-ID", width: widthOf(members.map(({ memberId }) => memberId)) },
    { title: "HOST", width: widthOf(members.map(({ host }) => host)) },
    { title: "CLIENT-ID", width: widthOf(members.map(({ clientId }) => clientId)) },
    { title: "#PARTITIONS", width: 12 },
    ...(isVerbose ? [{ title: "MEMBER-EPOCH", width: 13 }] : []),
    { title: "ASSIGNMENT", width: null },
  ];
  return table(
    columns,
    members.map(({ memberId, host, clientId, memberEpoch, assignment }) => [
      groupId,
      memberId,
      host,
      clientId,
      String(assignment.reduce((sum, { partitions }) => sum + partitions.length, 0)),
      ...(isVerbose ? [String(memberEpoch)] : []),
      assignment.length === 0 ? NOTHING : partitionsText(assignment),
    ]),
  );
}

function stateTable(group: ShareGroupDescription, isVerbose: boolean): string {
  const { groupId, state, members, groupEpoch, targetAssignmentEpoch } = group;
  const { hostname, port, nodeId } = group.coordinator;
  const coordinator = `${hostname}:${port}  (${nodeId})`;
  return table([
    { title: "GROUP", width: widthOf([groupId]) },
    { title: "COORDINATOR (ID)", width: widthOf([coordinator], 25) },
    { title: "STATE", width: 15 },
    ...(isVerbose ? [{ title: "GROUP-EPOCH", width: 12 }, { title: "ASSIGNMENT-EPOCH", width: 17 }] : []),
    { title: "#MEMBERS", width: null },
  ], [[
    groupId,
    coordinator,
    state,
    ...(isVerbose ? [String(groupEpoch), String(targetAssignmentEpoch)] : []),
    String(members.length),
  ]]);
}

/** `topic:0,1;other:2`. */
function partitionsText(topics: readonly TopicPartitions[]): string {
  return topics.toSorted((a, b) => (a.topic < b.topic ? -1 : 1))
    .map(({ topic, partitions }) => `${topic}:${partitions.toSorted((a, b) => a - b).join(",")}`)
    .join(";");
}
