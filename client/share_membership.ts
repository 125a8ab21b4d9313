/**
 * Membership in a share group (KIP-932): heartbeats that tell the coordinator what this member reads, and bring what is
 * assigned to it. Source: Kafka's ShareMembershipManager and ShareHeartbeatRequestManager.
 */
import type { Cancel } from "../lib/env.ts";
import { errorName } from "../protocol/errors.ts";
import {
  shareGroupHeartbeat,
  type ShareGroupHeartbeatResponse,
} from "../protocol/messages/76_share_group_heartbeat.ts";
import type { Cluster } from "./cluster.ts";
import { asError, BrokerError, ClientError, isRetriableError } from "./errors.ts";
import { coordinatorOf } from "./group_coordinator.ts";

/** Partitions of one topic that a member may read. */
export interface AssignedTopic {
  readonly topicId: string;
  readonly partitions: readonly number[];
}

const JOIN_EPOCH = 0;
const LEAVE_EPOCH = -1;
const LEAVE_TIMEOUT_MS = 3_000;
/** Until the coordinator says how often. */
const HEARTBEAT_MS = 1_000;

export class ShareMembership {
  readonly #cluster: Cluster;
  readonly #groupId: string;
  readonly memberId: string;
  readonly #onChange: () => void;
  #topics: readonly string[] = [];
  #memberEpoch = JOIN_EPOCH;
  #assignment: readonly AssignedTopic[] = [];
  #coordinatorId: number | null = null;
  #cancelTimer: Cancel | null = null;
  #failureCount = 0;
  #fatal: Error | null = null;
  #isRunning = false;

  /** `onChange`: called when the assignment is another one, or membership has become impossible. */
  constructor(cluster: Cluster, options: { groupId: string; onChange: () => void }) {
    this.#cluster = cluster;
    this.#groupId = options.groupId;
    this.#onChange = options.onChange;
    this.memberId = cluster.env.uuid();
  }

  get assignment(): readonly AssignedTopic[] {
    return this.#assignment;
  }

  /** What makes membership impossible; null for nothing. */
  get fatal(): Error | null {
    return this.#fatal;
  }

  /** Joins, and sends heartbeats from then on. */
  start(topics: readonly string[]): void {
    this.#topics = topics;
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#beat();
  }

  /** Leaves the group. Never rejects. */
  async leave(): Promise<void> {
    const wasMember = this.#isRunning && this.#memberEpoch > 0;
    this.#isRunning = false;
    this.#cancelTimer?.();
    if (!wasMember) return;
    try {
      await this.#send(LEAVE_EPOCH, LEAVE_TIMEOUT_MS);
    } catch {
      // The session timeout tells the coordinator just as well.
    }
  }

  /** One heartbeat, and the timer of the next. Never rejects. */
  async #beat(): Promise<void> {
    if (!this.#isRunning) return;
    let pauseMs = HEARTBEAT_MS;
    try {
      const response = await this.#send(this.#memberEpoch, this.#cluster.requestTimeoutMs);
      if (!this.#isRunning) return;
      this.#failureCount = 0;
      this.#take(response);
      pauseMs = response.heartbeatIntervalMs;
    } catch (error) {
      if (!this.#isRunning || this.#cluster.isClosed) return;
      pauseMs = this.#cluster.backoffMs(++this.#failureCount);
      if (error instanceof ClientError && isRetriableError(error)) this.#coordinatorId = null;
      else if (!this.#mayJoinAgain(error)) {
        this.#fatal = asError(error);
        this.#onChange();
        return;
      }
    }
    this.#cancelTimer = this.#cluster.env.timer(pauseMs, () => void this.#beat());
  }

  #mayJoinAgain(error: unknown): boolean {
    const isOut = error instanceof BrokerError &&
      ["UNKNOWN_MEMBER_ID", "FENCED_MEMBER_EPOCH"].includes(errorName(error.code));
    if (isOut) {
      this.#memberEpoch = JOIN_EPOCH;
      this.#assignment = [];
      this.#onChange();
    }
    return isOut;
  }

  #take({ memberEpoch, assignment }: ShareGroupHeartbeatResponse): void {
    this.#memberEpoch = memberEpoch;
    if (assignment === null) return;
    this.#assignment = assignment.topicPartitions;
    this.#onChange();
  }

  async #send(memberEpoch: number, timeoutMs: number): Promise<ShareGroupHeartbeatResponse> {
    this.#coordinatorId ??= (await coordinatorOf(this.#cluster, this.#groupId)).nodeId;
    const connection = await this.#cluster.connection(this.#coordinatorId, "coordinator");
    const response = await connection.request(shareGroupHeartbeat, {
      groupId: this.#groupId,
      memberId: this.memberId,
      memberEpoch,
      // What was told in an answer that did not come is told again to who says everything.
      subscribedTopicNames: memberEpoch === JOIN_EPOCH || this.#failureCount > 0 ? [...this.#topics] : null,
    }, { timeoutMs });
    if (response.errorCode !== 0) throw new BrokerError(response.errorCode, response.errorMessage);
    return response;
  }
}
