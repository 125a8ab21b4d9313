/** `kafka-share-groups.sh --reset-offsets`: new start offsets for a group without members, shown or set. */
import { BrokerError, type OffsetSpec } from "../client/mod.ts";
import { partitionKey } from "../client/topic_partition.ts";
import { UsageError, utf8 } from "./command_line.ts";
import { partitionsOf, timestampOf } from "./consumer_groups_reset.ts";
import type { ShareGroupsContext, ShareGroupsOptions } from "./share_groups.ts";
import { table, widthOf } from "./table.ts";

/** Resets the group. Throws a `BrokerError`, for example NON_EMPTY_GROUP. */
export async function resetShareOffsets(
  groupId: string,
  options: ShareGroupsOptions,
  { admin, terminal }: ShareGroupsContext,
): Promise<void> {
  const isActive = await admin.describeGroup(groupId).then(
    ({ members }) => members.length > 0,
    (error) => {
      // Offsets can be set before there is a group.
      if (error instanceof BrokerError && error.error === "GROUP_ID_NOT_FOUND") return false;
      throw error;
    },
  );
  if (isActive) throw new UsageError(`Share group '${groupId}' is not empty.`);
  const partitions = options.topic !== undefined
    ? await partitionsOf(options.topic, admin)
    : (await admin.offsets(groupId)).map(({ topic, partition }) => ({ topic, partition }));
  const found = await admin.findOffsets(partitions.map((each) => ({ ...each, spec: specOf(options) })));
  const ends = await admin.findOffsets(partitions.map((each) => ({ ...each, spec: "latest" })));
  const plan: { topic: string; partition: number; offset: number }[] = [];
  for (const { topic, partition } of partitions) {
    const key = partitionKey(topic, partition);
    const offset = found.get(key)?.offset ?? -1;
    if (offset < 0) {
      await terminal.writeOut(utf8(
        `\nWarn: Partition ${partition} from topic ${topic} is empty. Falling back to latest known offset.\n`,
      ));
    }
    plan.push({ topic, partition, offset: offset >= 0 ? offset : ends.get(key)?.offset ?? 0 });
  }
  if (options.execute === true) {
    for (const { error } of await admin.setOffsets(groupId, plan)) if (error !== null) throw error;
  }
  const columns = [
    { title: "GROUP", width: widthOf([groupId]) },
    { title: "TOPIC", width: widthOf(plan.map(({ topic }) => topic)) },
    { title: "PARTITION", width: 10 },
    { title: "NEW-OFFSET", width: null },
  ];
  const rows = plan.map((
    { topic, partition, offset },
  ) => [groupId, topic, String(partition), String(offset)]);
  await terminal.writeOut(utf8(`\n${table(columns, rows)}`));
}

function specOf(options: ShareGroupsOptions): OffsetSpec {
  if (options.toDatetime !== undefined) return { timestamp: timestampOf(options.toDatetime) };
  return options.toEarliest === true ? "earliest" : "latest";
}
