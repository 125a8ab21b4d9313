/**
 * Puts stored batches back into a log as they were: at their offsets, in their transactions, with the gaps that compaction left as
 * batches without records. Pure: what is to be appended, from the assigned head; the partition's actor stages it.
 * Producers' sequences do not come back: a restored log is a new one to its producers.
 */
import type { LogHead } from "../core/partition/log_head.ts";
import { decideAppend } from "../core/partition/append.ts";
import {
  decideMarker,
  type OpenTransactions,
  type TransactionChange,
} from "../core/partition/transactions.ts";
import { invariant } from "../lib/invariant.ts";
import { readControlBatch } from "../protocol/records/control_record.ts";
import {
  assignOffsets,
  type BatchHeader,
  buildBatch,
  emptyBatch,
  hasValidCrc,
  readBatchHeader,
  spanOffsets,
} from "../protocol/records/record_batch.ts";
import type { LogAppend } from "../storage/partition_log.ts";

/** Offsets that one batch may span. */
const SPAN_MAX = 0x7fff_ffff;

export interface RestoreTarget {
  /** The assigned head. */
  readonly head: LogHead;
  /** The assigned transactions; changed. */
  readonly open: OpenTransactions;
  readonly leaderEpoch: number;
  readonly nowMs: number;
}

/** The appends of one batch and of the gap before it, or why it cannot be put there. */
export function planRestore(batch: Uint8Array, target: RestoreTarget): readonly LogAppend[] | string {
  const { open, leaderEpoch, nowMs } = target;
  if (!hasValidCrc(batch)) return "A batch is damaged";
  const header = readBatchHeader(batch);
  const { baseOffset, lastOffsetDelta } = header;
  if (baseOffset < target.head.logEndOffset || lastOffsetDelta < 0) {
    return `Offset ${baseOffset} is there already: somebody else writes to the topic`;
  }
  const appends = planGap(target.head, baseOffset, target);
  const head = appends.at(-1)?.headAfter ?? target.head;
  const transaction = transactionOf(batch, header, open, nowMs);
  if (transaction !== null) open.apply(transaction);
  appends.push(appendOf(batch, head, { leaderEpoch, nowMs, transaction }));
  return appends;
}

/** What brings the log end to `endOffset`: batches without records; none when it is there. */
export function planGap(
  head: LogHead,
  endOffset: number,
  { leaderEpoch, nowMs }: { readonly leaderEpoch: number; readonly nowMs: number },
): LogAppend[] {
  const appends: LogAppend[] = [];
  for (let end = head; end.logEndOffset < endOffset;) {
    const span = Math.min(SPAN_MAX, endOffset - end.logEndOffset);
    const gap = appendOf(gapBatch(span), end, { leaderEpoch, nowMs, transaction: null });
    appends.push(gap);
    end = gap.headAfter;
  }
  return appends;
}

function appendOf(
  bytes: Uint8Array,
  head: LogHead,
  { leaderEpoch, nowMs, transaction }: {
    readonly leaderEpoch: number;
    readonly nowMs: number;
    readonly transaction: TransactionChange | null;
  },
): LogAppend {
  const { lastOffsetDelta, maxTimestamp } = readBatchHeader(bytes);
  const facts = {
    recordCount: lastOffsetDelta + 1,
    maxTimestamp,
    sizeInBytes: bytes.length,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
  };
  const decision = decideAppend(head, facts, null, leaderEpoch, nowMs);
  invariant(decision.type === "append", "A batch in no sequence is always appended");
  assignOffsets(bytes, decision.baseOffset, leaderEpoch);
  return {
    baseOffset: decision.baseOffset,
    lastOffset: decision.lastOffset,
    leaderEpoch,
    bytes,
    maxTimestamp,
    ...(maxTimestamp < 0 && { appendedMs: nowMs }),
    producer: null,
    ...(transaction !== null && { transaction }),
    headAfter: decision.head,
  };
}

/** What the batch opens or ends. */
function transactionOf(
  batch: Uint8Array,
  header: BatchHeader,
  open: OpenTransactions,
  nowMs: number,
): TransactionChange | null {
  const { producerId, producerEpoch, baseOffset } = header;
  if (!header.isTransactional) return null;
  if (!header.isControl) {
    if (open.firstOffsetOf(producerId) !== null) return null;
    return { type: "opened", producerId, firstOffset: baseOffset };
  }
  const marker = header.recordCount === 0 ? null : readControlBatch(batch);
  if (marker === null) return null;
  const { type, coordinatorEpoch } = marker;
  const end = { producerId, producerEpoch, coordinatorEpoch, committed: type === "COMMIT" };
  const decision = decideMarker(open, null, end, baseOffset, nowMs);
  return decision.type === "append" ? decision.change : null;
}

/** A batch without records that spans so many offsets. */
function gapBatch(span: number): Uint8Array {
  const batch = emptyBatch(buildBatch({ records: [{ key: null, value: null, headers: [], timestamp: -1 }] }));
  spanOffsets(batch, span);
  return batch;
}
