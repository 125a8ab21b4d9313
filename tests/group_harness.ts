/**
 * What the machine's tests are written with: a group, a clock, and clients' requests with defaults. After every step
 * the invariants of the state are checked, and that each request is answered at most once.
 */
import assert from "node:assert/strict";
import { emptyMetadataImage } from "../core/cluster/metadata_image.ts";
import type {
  GroupCommand,
  GroupResult,
  JoinGroupRequest,
  JoinGroupResult,
  OffsetCommitRequest,
  OffsetCommitResult,
  SyncGroupRequest,
  SyncGroupResult,
} from "../core/group/group_commands.ts";
import { type GroupConfig, groupConfigDefaults } from "../core/group/group_config.ts";
import type { OffsetFact, PendingOffsetFact } from "../core/group/group_event.ts";
import { decideGroup, restoreGroup, resumeGroup, tickGroup } from "../core/group/group_machine.ts";
import type { ConsumerGroupRecord } from "../core/group/modern/consumer_group_record.ts";
import type { GroupRecord, GroupState } from "../core/group/group_state.ts";
import { type GroupTopics, GroupTurn } from "../core/group/group_turn.ts";

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** An answer that may still come. */
export interface Pending<R> {
  readonly requestId: number;
  /** undefined while parked. */
  readonly answer: R | undefined;
  /** The answer; fails the test while parked. */
  readonly now: R;
}

export class GroupHarness {
  state: GroupState;
  monoMs = 1_000;
  readonly config: GroupConfig;
  topics: GroupTopics = emptyMetadataImage;
  /** What a store would hold: the folded events. */
  readonly stored: {
    record: GroupRecord | null;
    consumerRecord: ConsumerGroupRecord | null;
    offsets: Map<string, OffsetFact>;
  } = {
    record: null,
    consumerRecord: null,
    offsets: new Map(),
  };
  readonly storedPending = new Map<string, PendingOffsetFact>();
  readonly answers = new Map<number, GroupResult>();
  #lastRequestId = 0;
  #uuidCount = 0;

  constructor(config: Partial<GroupConfig> = {}, groupId = "g") {
    this.config = { ...groupConfigDefaults, ...config };
    this.state = restoreGroup(groupId, { record: null, offsets: [] }, this.monoMs);
  }

  send<R extends GroupResult>(command: GroupCommand): Pending<R> {
    const requestId = ++this.#lastRequestId;
    this.#turn((turn) => decideGroup(turn, command, requestId));
    const answers = this.answers;
    return {
      requestId,
      get answer() {
        return answers.get(requestId) as R | undefined;
      },
      get now() {
        const answer = answers.get(requestId);
        assert(answer !== undefined, `${command.type} is parked`);
        return answer as R;
      },
    };
  }

  /** A dynamic consumer whose first join is accepted at once, unless `request` says otherwise. */
  join(request: Partial<JoinGroupRequest> = {}): Pending<JoinGroupResult> {
    return this.send({
      type: "joinGroup",
      client: { clientId: "client", clientHost: "/127.0.0.1" },
      memberId: "",
      groupInstanceId: null,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: bytesOf("m") }],
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      requireKnownMemberId: false,
      supportsSkippingAssignment: true,
      reason: null,
      ...request,
    });
  }

  sync(joined: JoinGroupResult, request: Partial<SyncGroupRequest> = {}): Pending<SyncGroupResult> {
    return this.send({
      type: "syncGroup",
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupInstanceId: null,
      protocolType: null,
      protocolName: null,
      assignments: joined.members.map(({ memberId }) => ({
        memberId,
        assignment: bytesOf(`for ${memberId}`),
      })),
      ...request,
    });
  }

  heartbeat(memberId: string, generationId: number, groupInstanceId: string | null = null): string {
    return this.send<{ error: string } & GroupResult>({
      type: "heartbeat",
      memberId,
      generationId,
      groupInstanceId,
    })
      .now.error;
  }

  /** The answer's error, then one for each member. */
  leave(...members: { readonly memberId: string; readonly groupInstanceId?: string }[]): string[] {
    const { error, members: left } =
      this.send<{ error: string; members: { error: string }[] } & GroupResult>({
        type: "leaveGroup",
        members: members.map(({ memberId, groupInstanceId = null }) => ({
          memberId,
          groupInstanceId,
          reason: null,
        })),
      }).now;
    return [error, ...left.map((member) => member.error)];
  }

  commit(request: Partial<OffsetCommitRequest> = {}): OffsetCommitResult {
    return this.send<OffsetCommitResult>({
      type: "offsetCommit",
      generationId: -1,
      memberId: "",
      groupInstanceId: null,
      offsets: [{ topic: "t", topicId: "id-t", partition: 0, offset: 7, leaderEpoch: 0, metadata: "" }],
      ...request,
    }).now;
  }

  /** `count` members in a stable generation; the first one leads. */
  stable(count: number, request: Partial<JoinGroupRequest> = {}): JoinGroupResult[] {
    const joins = Array.from({ length: count }, () => this.join(request));
    this.advance(this.config.initialRebalanceDelayMs);
    this.advance(this.config.initialRebalanceDelayMs);
    const joined = joins.map(({ now }) => now);
    for (const result of [...joined].reverse()) this.sync(result);
    assert.equal(this.state.phase, "Stable");
    return joined;
  }

  /** Lets time pass; every deadline on the way is carried out at its time. */
  advance(ms: number): void {
    const untilMs = this.monoMs + ms;
    for (let ticks = 0; this.state.wakeAtMs <= untilMs; ticks++) {
      assert(ticks < 10_000, "Deadlines never end");
      this.monoMs = Math.max(this.monoMs, this.state.wakeAtMs);
      this.#turn(tickGroup);
    }
    this.monoMs = untilMs;
  }

  /** Everything but the stored facts is lost. */
  restart(): void {
    const { record, consumerRecord, offsets } = this.stored;
    const groupId = this.state.groupId;
    this.state = restoreGroup(
      groupId,
      {
        record,
        consumerRecord,
        offsets: [...offsets.values()],
        pendingOffsets: [...this.storedPending.values()],
      },
      this.monoMs,
    );
    this.#turn(resumeGroup);
  }

  #turn(act: (turn: GroupTurn) => void): void {
    const uuid = `uuid${++this.#uuidCount}`;
    const turn = new GroupTurn(this.state, this.config, {
      monoMs: this.monoMs,
      wallMs: 5_000_000 + this.monoMs,
      uuid,
    }, this.topics);
    const generationBefore = this.state.generationId;
    let isRemoved = false;
    act(turn);
    for (const event of turn.events) {
      switch (event.type) {
        case "groupRecorded":
          this.stored.record = event.record;
          this.stored.consumerRecord = null;
          break;
        case "consumerGroupRecorded":
          this.stored.record = null;
          this.stored.consumerRecord = event.record;
          isRemoved = true;
          break;
        case "groupRemoved":
          this.stored.record = null;
          this.stored.consumerRecord = null;
          isRemoved = true;
          break;
        case "offsetsCommitted":
          for (const fact of event.offsets) {
            this.stored.offsets.set(`${fact.topicId}/${fact.partition}`, fact);
          }
          break;
        case "offsetsPending":
          for (const fact of event.offsets) {
            const { producerId, producerEpoch } = event;
            const key = `${producerId}/${fact.topicId}/${fact.partition}`;
            this.storedPending.set(key, { producerId, producerEpoch, fact });
          }
          break;
        case "transactionEnded":
          for (const fact of event.offsets) {
            if (event.committed) this.stored.offsets.set(`${fact.topicId}/${fact.partition}`, fact);
            this.storedPending.delete(`${event.producerId}/${fact.topicId}/${fact.partition}`);
          }
          break;
        case "offsetsDeleted":
          for (const { topicId, partition } of event.partitions) {
            this.stored.offsets.delete(`${topicId}/${partition}`);
          }
      }
    }
    for (const { requestId, result } of turn.replies) {
      assert(!this.answers.has(requestId), `Request ${requestId} was answered twice`);
      this.answers.set(requestId, result);
    }
    assert(isRemoved || this.state.generationId >= generationBefore, "The generation went back");
    assertInvariants(this.state);
    assert.equal(this.stored.record, this.state.record, "What is stored is what the state says is stored");
    assert.equal(
      this.stored.consumerRecord,
      this.state.consumer?.record ?? null,
      "the same of the other kind",
    );
  }
}

/** What holds between any two commands. */
export function assertInvariants(state: GroupState): void {
  const { phase, members, pendingSync, pendingMembers } = state;
  const isPreparing = phase === "PreparingRebalance";
  assert.equal(state.joinTimer !== null, isPreparing, `join timer in ${phase}`);
  if (state.initialRebalance) assert(isPreparing);
  assert.equal(state.record?.generationId ?? 0, state.generationId, "a generation is stored when it starts");
  if (members.size > 0) assert(members.has(state.leaderId ?? ""), "the leader is a member");
  if (phase === "Empty") assert.equal(members.size, 0);
  if (phase === "Stable" || phase === "CompletingRebalance") assert(members.size > 0);
  if (phase === "Stable" || phase === "CompletingRebalance") {
    const stored = Array.from(members.values(), (member) => member.stored);
    assert.equal(state.record?.members.length, stored.length);
    for (const member of state.record?.members ?? []) {
      assert(stored.includes(member), "every member is stored");
    }
    assert.equal(state.record?.assigned, phase === "Stable");
  }
  if (pendingSync.size > 0) assert(Number.isFinite(state.syncDeadlineMs), "unsynced members have a deadline");
  let instanceCount = 0;
  for (const [memberId, member] of members) {
    const { stored, awaitingJoin, awaitingSync } = member;
    assert.equal(stored.memberId, memberId);
    assert(!pendingMembers.has(memberId), "a member is not also pending");
    if (stored.groupInstanceId !== null) {
      instanceCount++;
      assert.equal(state.memberIdByInstanceId.get(stored.groupInstanceId), memberId);
    }
    assert(awaitingJoin === null || isPreparing, `a join is parked in ${phase}`);
    assert(awaitingSync === null || phase === "CompletingRebalance", `a sync is parked in ${phase}`);
    if (phase === "CompletingRebalance") {
      assert.equal(pendingSync.has(memberId), awaitingSync === null, "each member has synced or has yet to");
    }
    if (phase === "CompletingRebalance" || phase === "Stable") {
      assert(stored.protocols.some(({ name }) => name === state.protocolName), "all support the protocol");
    }
    const mayWait = awaitingJoin !== null || awaitingSync !== null;
    assert(mayWait || Number.isFinite(member.sessionDeadlineMs), "who waits for nothing has a session");
    assert(state.wakeAtMs <= member.sessionDeadlineMs, "the machine wakes for a session");
  }
  assert.equal(state.memberIdByInstanceId.size, instanceCount);
  for (const memberId of pendingSync) assert(members.has(memberId), "who has to sync is a member");
  for (const deadlineMs of pendingMembers.values()) assert(state.wakeAtMs <= deadlineMs);
  assert(state.wakeAtMs <= Math.min(state.syncDeadlineMs, state.joinTimer?.atMs ?? Infinity));
}
