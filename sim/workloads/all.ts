/** Every workload; `sim/run.ts` takes them in turn unless told one by name. */
import { compaction } from "./compaction.ts";
import { consumerProtocol } from "./consumer_protocol.ts";
import { copyJob } from "./copy_job.ts";
import { groupChurn } from "./group_churn.ts";
import { produceConsume } from "./produce_consume.ts";
import { queueWork } from "./queue_work.ts";
import { retention } from "./retention.ts";
import { topicChurn } from "./topic_churn.ts";
import type { Workload } from "./workload.ts";

export const workloads: readonly Workload[] = [
  produceConsume,
  groupChurn,
  topicChurn,
  retention,
  copyJob,
  queueWork,
  compaction,
  consumerProtocol,
];
