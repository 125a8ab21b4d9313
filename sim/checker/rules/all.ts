/** All rules, in the order in which a report names them: what loses or spoils data first. */

import type { Rule } from "../rule.ts";
import { compactionLost, compactionResurrected } from "./compaction.ts";
import { consumeCounts } from "./consume_counts.ts";
import { copyMultiset } from "./copy.ts";
import { cycleRules } from "./cycles.ts";
import { duplicate } from "./duplicate.ts";
import { errorCodes } from "./error_codes.ts";
import { groupOffsetBack, groupOffsetUnrequested } from "./group_offsets.ts";
import { inconsistentOffsets } from "./inconsistent_offsets.ts";
import { appendRealtime, fetchInexact, latestOffsetStale, prefixDivergence } from "./linearizable.ts";
import { lostWrite, unseen } from "./lost.ts";
import { intNonmonotonicPoll, intPollSkip, nonmonotonicPoll, pollSkip } from "./polls.ts";
import { abortedRead, foreignTopicId, precommittedRead, unwrittenRead } from "./reads.ts";
import { realtimeLag } from "./realtime_lag.ts";
import { epochOrder, replicaDivergence } from "./replicas.ts";
import { intNonmonotonicSend, intSendSkip, nonmonotonicSend } from "./sends.ts";
import { truncatedAcked } from "./truncated_acked.ts";
import { highWatermarkFell, lastStableOffsetFell, logStartFell, watermarkOrder } from "./watermarks.ts";

export const rules: readonly Rule[] = [
  lostWrite,
  unseen,
  compactionLost,
  compactionResurrected,
  copyMultiset,
  truncatedAcked,
  inconsistentOffsets,
  duplicate,
  abortedRead,
  precommittedRead,
  unwrittenRead,
  foreignTopicId,
  appendRealtime,
  latestOffsetStale,
  fetchInexact,
  prefixDivergence,
  replicaDivergence,
  epochOrder,
  highWatermarkFell,
  lastStableOffsetFell,
  logStartFell,
  watermarkOrder,
  pollSkip,
  nonmonotonicPoll,
  intPollSkip,
  intNonmonotonicPoll,
  nonmonotonicSend,
  intNonmonotonicSend,
  intSendSkip,
  consumeCounts,
  groupOffsetBack,
  groupOffsetUnrequested,
  errorCodes,
  realtimeLag,
  ...cycleRules,
];
