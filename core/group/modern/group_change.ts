/**
 * A change of a consumer group in the making: members come, go and move on, epochs rise, targets are made anew, and at
 * the end all of it is one stored fact. Source: KIP-848; Kafka's GroupMetadataManager and TargetAssignmentBuilder.
 */
import { invariant } from "../../../lib/invariant.ts";
import { serverAssignors } from "../assignors/assignors.ts";
import type { GroupTurn } from "../group_turn.ts";
import { type Assignment, hasPartition, noPartitions, sameAssignment } from "./assignment.ts";
import type { ConsumerGroupRecord, ConsumerMember, SubscribedTopic } from "./consumer_group_record.ts";
import type { ConsumerGroupState } from "./consumer_group_state.ts";
import { reconcile } from "./reconcile.ts";
import { sameTopics, subscribedTopicIds, subscribedTopicsOf } from "./subscriptions.ts";

export class GroupChange {
  readonly #turn: GroupTurn;
  readonly #group: ConsumerGroupState;
  /** A copy from the first change on: most heartbeats change nothing. */
  #changed: Map<string, ConsumerMember> | null = null;
  #record: Omit<ConsumerGroupRecord, "members" | "changedAtMs">;
  #isChanged = false;

  constructor(turn: GroupTurn, group: ConsumerGroupState) {
    this.#turn = turn;
    this.#group = group;
    this.#record = group.record;
  }

  set(member: ConsumerMember): void {
    if (this.#members.get(member.memberId) === member) return;
    this.#copy().set(member.memberId, member);
    this.#isChanged = true;
  }

  remove(memberId: string): void {
    if (this.#copy().delete(memberId)) this.#isChanged = true;
  }

  /** Calls for a new assignment. */
  bump(): void {
    this.#update({ groupEpoch: this.#record.groupEpoch + 1 });
  }

  /** Looks whether what the group reads has changed, which calls for a new assignment. */
  refreshTopics(isSubscriptionChanged: boolean): void {
    const { topics } = this.#turn;
    // Before the topics are known none of them is missing.
    if (topics.version === 0) return;
    if (!isSubscriptionChanged && this.#group.topicsVersion === topics.version) return;
    this.#group.topicsVersion = topics.version;
    const subscribedTopics = subscribedTopicsOf(this.#group, this.#members.values(), topics);
    if (sameTopics(subscribedTopics, this.#record.subscribedTopics)) return;
    this.#update({ subscribedTopics });
    if (!isSubscriptionChanged) this.bump();
  }

  /** Makes the targets anew if that is due. */
  assign(): void {
    const { groupEpoch, assignmentEpoch, subscribedTopics } = this.#record;
    if (groupEpoch === assignmentEpoch) return;
    const assignorName = this.#preferredAssignor();
    const targets = this.#targets(assignorName, subscribedTopics);
    for (const member of this.#members.values()) {
      const target = targets.get(member.memberId) ?? noPartitions;
      if (!sameAssignment(target, member.target)) this.set({ ...member, target });
    }
    this.#update({ assignmentEpoch: groupEpoch, assignorName });
  }

  /** Takes the member as far as it can go now. */
  reconcile(memberId: string, owned: Assignment | null): ConsumerMember {
    const member = this.#members.get(memberId);
    invariant(member !== undefined, `Cannot reconcile a member that does not exist: ${memberId}`);
    const next = reconcile(member, {
      assignmentEpoch: this.#record.assignmentEpoch,
      owned,
      isTaken: (topicId, partition) => this.#isTaken(memberId, topicId, partition),
    });
    this.set(next);
    return next;
  }

  /** Stores what has changed, if anything has. */
  commit(): void {
    if (!this.#isChanged) return;
    const record = {
      ...this.#record,
      changedAtMs: this.#turn.now.wallMs,
      members: [...this.#members.values()],
    };
    this.#turn.emit({ type: "consumerGroupRecorded", record });
  }

  get #members(): ReadonlyMap<string, ConsumerMember> {
    return this.#changed ?? this.#group.members;
  }

  #copy(): Map<string, ConsumerMember> {
    return this.#changed ??= new Map(this.#group.members);
  }

  #update(changes: Partial<ConsumerGroupRecord>): void {
    this.#record = { ...this.#record, ...changes };
    this.#isChanged = true;
  }

  /** The one that most members ask for; members that ask for none leave it to the others. */
  #preferredAssignor(): string {
    const votes = new Map<string, number>();
    for (const { serverAssignor } of this.#members.values()) {
      if (serverAssignor !== null) votes.set(serverAssignor, (votes.get(serverAssignor) ?? 0) + 1);
    }
    let winner = this.#turn.config.consumerAssignors[0] ?? "uniform";
    for (const [name, count] of votes) if (count > (votes.get(winner) ?? 0)) winner = name;
    return winner;
  }

  #targets(assignorName: string, subscribedTopics: readonly SubscribedTopic[]) {
    const assignor = serverAssignors.get(assignorName);
    invariant(assignor !== undefined, `No such assignor: ${assignorName}`);
    const partitionCounts = new Map(
      subscribedTopics.map(({ topicId, partitionCount }) => [topicId, partitionCount]),
    );
    return assignor({
      partitionCounts,
      members: Array.from(this.#members.values(), (member) => ({
        memberId: member.memberId,
        instanceId: member.instanceId,
        topicIds: this.#existing(member, partitionCounts),
        previous: member.target,
      })),
    });
  }

  #existing(member: ConsumerMember, partitionCounts: ReadonlyMap<string, number>): Set<string> {
    const topicIds = subscribedTopicIds(this.#group, member, this.#turn.topics);
    for (const topicId of topicIds) if (!partitionCounts.has(topicId)) topicIds.delete(topicId);
    return topicIds;
  }

  #isTaken(memberId: string, topicId: string, partition: number): boolean {
    for (const other of this.#members.values()) {
      if (other.memberId === memberId) continue;
      if (hasPartition(other.assigned, topicId, partition)) return true;
      if (hasPartition(other.pendingRevocation, topicId, partition)) return true;
    }
    return false;
  }
}
