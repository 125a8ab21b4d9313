/**
 * One turn of the machine: the state, the time, and what was decided so far, in order. The files of `classic/` and
 * `offsets/` are functions over a turn; the host carries out what it collected.
 */
import { emptyMetadataImage, type MetadataImage } from "../cluster/metadata_image.ts";
import { invariant } from "../../lib/invariant.ts";
import { applyGroupEvent, type GroupEvent } from "./group_event.ts";
import type { GroupConfig } from "./group_config.ts";
import type { GroupResult, JoinGroupResult, SyncGroupResult } from "./group_commands.ts";
import { type ClassicMember, type GroupState, noBytes, type RequestId } from "./group_state.ts";

export type GroupTopics = Pick<MetadataImage, "version" | "topicsByName" | "topicsById">;

export interface GroupNow {
  /** Monotonic: sessions and deadlines. */
  readonly monoMs: number;
  /** Wall clock: for what is stored and shown. */
  readonly wallMs: number;
  /** A random UUID that was never used, for a new member's id. */
  readonly uuid: string;
}

export interface GroupReply {
  readonly requestId: RequestId;
  readonly result: GroupResult;
}

export class GroupTurn {
  readonly state: GroupState;
  readonly config: GroupConfig;
  readonly now: GroupNow;
  /** The topics there are; version 0 while that is not known. */
  readonly topics: GroupTopics;
  readonly replies: GroupReply[] = [];
  /** Already applied; the host stores them before any reply of this turn leaves. */
  readonly events: GroupEvent[] = [];

  constructor(
    state: GroupState,
    config: GroupConfig,
    now: GroupNow,
    topics: GroupTopics = emptyMetadataImage,
  ) {
    this.state = state;
    this.config = config;
    this.now = now;
    this.topics = topics;
  }

  /** Applies an event and leaves it to the host to store. */
  emit(event: GroupEvent): void {
    applyGroupEvent(this.state, event, this.now.monoMs);
    this.events.push(event);
  }

  reply(requestId: RequestId, result: GroupResult): void {
    this.replies.push({ requestId, result });
  }

  /** Answers a member's parked join, if it has one. */
  completeJoin(member: ClassicMember, result: JoinGroupResult): void {
    if (member.awaitingJoin === null) return;
    this.reply(member.awaitingJoin, result);
    member.awaitingJoin = null;
  }

  /** Answers a member's parked sync, if it has one; whether it had. */
  completeSync(member: ClassicMember, result: SyncGroupResult): boolean {
    if (member.awaitingSync === null) return false;
    this.reply(member.awaitingSync, result);
    member.awaitingSync = null;
    return true;
  }

  /** Parks a join in the member's place; an earlier one of the same member was given up by its client. */
  parkJoin(member: ClassicMember, requestId: RequestId): void {
    this.completeJoin(member, joinError("REBALANCE_IN_PROGRESS", member.stored.memberId));
    member.awaitingJoin = requestId;
  }

  parkSync(member: ClassicMember, requestId: RequestId): void {
    this.completeSync(member, syncError("REBALANCE_IN_PROGRESS"));
    member.awaitingSync = requestId;
  }

  /** The member was heard of: whatever it sent counts as a heartbeat for those who watch, not for its session. */
  touch(member: ClassicMember): void {
    member.lastHeartbeatMs = this.now.monoMs;
  }

  /** Gives the member a full session, or `timeoutMs`, from now on. */
  restartSession(member: ClassicMember, timeoutMs = member.stored.sessionTimeoutMs): void {
    member.sessionDeadlineMs = this.wakeAfter(timeoutMs);
  }

  /** Sees to it that the machine is woken in `ms`; returns when that is. */
  wakeAfter(ms: number): number {
    invariant(ms >= 0, `Cannot wake in the past: ${ms} ms`);
    const atMs = this.now.monoMs + ms;
    this.state.wakeAtMs = Math.min(this.state.wakeAtMs, atMs);
    return atMs;
  }
}

/** A JoinGroup answer without a generation. */
export function joinError(error: JoinGroupResult["error"], memberId: string): JoinGroupResult {
  return {
    error,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: "",
    skipAssignment: false,
    memberId,
    members: [],
  };
}

export function syncError(error: SyncGroupResult["error"]): SyncGroupResult {
  return { error, protocolType: null, protocolName: null, assignment: noBytes };
}
