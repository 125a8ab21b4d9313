/**
 * Offsets that a transaction commits: pending from TxnOffsetCommit to the transaction's marker, which makes them the
 * group's offsets or drops them. Readers that ask for stable offsets are told to come again meanwhile (KIP-447).
 * Source: KIP-98, KIP-447; Kafka's OffsetMetadataManager.commitTransactionalOffset, replayEndTransactionMarker.
 */
import type {
  GroupError,
  GroupTransactionEnd,
  OffsetToCommit,
  TxnOffsetCommitRequest,
} from "../group_commands.ts";
import { groupIdError } from "../group_config.ts";
import type { GroupState, RequestId } from "../group_state.ts";
import type { GroupTurn } from "../group_turn.ts";
import { commitFault as memberFault, recordGroup } from "./commit.ts";

/** The host has verified that the group is in the producer's open transaction. Errors as those of OffsetCommit. */
export function decideTxnOffsetCommit(
  turn: GroupTurn,
  request: TxnOffsetCommitRequest,
  requestId: RequestId,
): void {
  const { state, config, now } = turn;
  const error = commitFault(state, request);
  if (error !== "NONE") return turn.reply(requestId, { error, offsetErrors: [] });
  const { producerId, producerEpoch } = request;
  const isTooLarge = ({ metadata }: OffsetToCommit) => metadata.length > config.offsetMetadataBytesMax;
  const offsetErrors = request.offsets.map((offset): GroupError =>
    isTooLarge(offset) ? "OFFSET_METADATA_TOO_LARGE" : "NONE"
  );
  const offsets = request.offsets.filter((offset) => !isTooLarge(offset))
    .map((offset) => ({ ...offset, committedAtMs: now.wallMs }));
  if (offsets.length > 0) {
    recordGroup(turn);
    turn.emit({ type: "offsetsPending", producerId, producerEpoch, offsets });
  }
  turn.reply(requestId, { error: "NONE", offsetErrors });
}

function commitFault(state: GroupState, request: TxnOffsetCommitRequest): GroupError {
  const { generationId, memberId, groupInstanceId, producerId, producerEpoch } = request;
  const groupIdFault = groupIdError(state.groupId, true);
  if (groupIdFault !== "NONE") return groupIdFault;
  const pending = state.pendingOffsets.get(producerId);
  if (pending !== undefined && producerEpoch < pending.producerEpoch) return "INVALID_PRODUCER_EPOCH";
  // A producer that does not say which member it commits for is fenced by its epoch alone.
  if (generationId < 0 && memberId === "" && groupInstanceId === null) return "NONE";
  const fault = memberFault(state, request);
  if (fault === "GROUP_ID_NOT_FOUND") return "ILLEGAL_GENERATION";
  // Unlike OffsetCommit it is taken while the generation is being assigned: the transaction fences well enough.
  return fault === "REBALANCE_IN_PROGRESS" ? "NONE" : fault;
}

/** The transaction of the producer has ended; NONE also when it has nothing pending here: it was done before. */
export function decideTransactionEnd(
  turn: GroupTurn,
  { producerId, producerEpoch, committed }: GroupTransactionEnd,
  requestId: RequestId,
): void {
  const pending = turn.state.pendingOffsets.get(producerId);
  if (pending === undefined) return turn.reply(requestId, { error: "NONE" });
  if (producerEpoch < pending.producerEpoch) {
    return turn.reply(requestId, { error: "INVALID_PRODUCER_EPOCH" });
  }
  const offsets = [...pending.offsets.values()];
  turn.emit({ type: "transactionEnded", producerId, committed, offsets });
  turn.reply(requestId, { error: "NONE" });
}
