/** The last act of a workload: everything is read from the start, by a consumer that no fault disturbs. */
import { Consumer } from "../../client/mod.ts";
import { untilDone, type WorkloadContext } from "./workload.ts";

export interface TopicToRead {
  readonly topic: string;
  readonly partitionCount: number;
}

const POLL_TIMEOUT_MS = 5_000;

/** Reads all partitions up to the ends that ListOffsets tells, as polls of one process; returns how many records there were. */
export async function readAll(
  context: WorkloadContext,
  { topic, partitionCount }: TopicToRead,
  nameOf: (topic: string, partition: number) => string,
): Promise<number> {
  const { history } = context;
  const process = context.openProcess(`reader-${topic}`, { mayDie: false });
  const { name } = process;
  const consumer = new Consumer(process.env, {
    bootstrapServers: context.bootstrapServers,
    offsetReset: "none",
    fetchMaxWaitMs: 100,
  });
  const partitions = Array.from({ length: partitionCount }, (_, partition) => ({ topic, partition }));
  const ends = await untilDone(context, () => consumer.offsets(partitions, "latest"));
  const starts = await untilDone(context, () => consumer.offsets(partitions, "earliest"));
  const left = new Map(ends.map(({ partition, offset }) => [partition, offset]));
  for (const { partition, offset } of starts) {
    if (offset >= (left.get(partition) ?? 0)) left.delete(partition);
  }
  const placed = history.begin(name);
  consumer.assign(partitions.map((each) => ({ ...each, start: "earliest" as const })));
  placed("ok", { kind: "assign", to: partitions.map((each) => nameOf(topic, each.partition)) });
  let recordCount = 0;
  while (left.size > 0) {
    const end = history.begin(name);
    const records = await untilDone(context, () => consumer.poll({ timeoutMs: POLL_TIMEOUT_MS }));
    history.poll(end, nameOf, records);
    recordCount += records.length;
    for (const { partition, offset } of records) {
      if (offset + 1 >= (left.get(partition) ?? Infinity)) left.delete(partition);
    }
  }
  await consumer.close();
  return recordCount;
}
