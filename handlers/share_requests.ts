/** What ShareFetch and ShareAcknowledge have in common (KIP-932): who asks, the session, and the acknowledgements. */
import type { UseShareSession, UseShareSessionResult } from "../actors/messages/share_group.ts";
import { FINAL_EPOCH } from "../core/share/sessions.ts";
import { shareLimits } from "../core/share/share_config.ts";
import type { AcknowledgementBatch } from "../core/share/partition/acknowledge.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { coordinatorFailure, partitionFailure, type RequestContext } from "./handler.ts";
import { hasPartition } from "./topic_lookup.ts";

export interface ShareRequest {
  readonly groupId: string | null;
  readonly memberId: string | null;
  readonly shareSessionEpoch: number;
  readonly isRenewAck: boolean;
  readonly topics: readonly {
    readonly topicId: string;
    readonly partitions: readonly {
      readonly partitionIndex: number;
      readonly acknowledgementBatches: readonly AcknowledgementBatch[];
    }[];
  }[];
}

/** A member of a group, as far as ids can be valid. */
export interface ShareClient {
  readonly groupId: string;
  readonly memberId: string;
}

export interface ShareFault {
  readonly error: ErrorName;
  readonly errorMessage: string | null;
}

/** INVALID_REQUEST for ids that nobody has. */
export function shareClient({ groupId, memberId }: ShareRequest): ShareClient | ShareFault {
  if (groupId === null || groupId === "") {
    return { error: "INVALID_REQUEST", errorMessage: "Invalid group id in the request." };
  }
  const isMemberId = memberId !== null && memberId !== "" && memberId.length <= shareLimits.memberIdLengthMax;
  return isMemberId
    ? { groupId, memberId }
    : { error: "INVALID_REQUEST", errorMessage: "Invalid member id in the request." };
}

export function hasAcknowledgements({ topics }: ShareRequest): boolean {
  return topics.some(({ partitions }) =>
    partitions.some(({ acknowledgementBatches }) => acknowledgementBatches.length > 0)
  );
}

/** Takes the session a step on. A session that is opened ends with its connection. */
export async function useSession(
  client: ShareClient,
  request: Omit<UseShareSession, "type" | "memberId" | "connectionId">,
  context: RequestContext,
): Promise<UseShareSessionResult> {
  const connection = connectionOf(context);
  const { groupId, memberId } = client;
  try {
    const result = await context.broker.shareGroup(groupId).ask({
      type: "useSession",
      memberId,
      connectionId: connection.id,
      ...request,
    }, { signal: context.signal });
    if (result.error === "NONE" && request.sessionEpoch !== FINAL_EPOCH) connection.opened(client, context);
    return result;
  } catch (error) {
    return { error: coordinatorFailure(error), partitions: [], lockDurationMs: 0 };
  }
}

/** Ends the session, whichever connection it came by. */
export async function endSession({ groupId, memberId }: ShareClient, context: RequestContext): Promise<void> {
  try {
    await context.broker.shareGroup(groupId).ask({ type: "endSession", memberId, connectionId: null });
  } catch (error) {
    // The locks run out by themselves.
    context.broker.log.debug("Cannot end a share session", { groupId, error: String(error) });
  }
}

export interface AcknowledgedPartition extends ShareFault {
  readonly topicId: string;
  readonly partition: number;
}

/** Acknowledges partition by partition; those without acknowledgements are left out. */
export async function acknowledgeAll(
  { groupId, memberId }: ShareClient,
  { topics, isRenewAck }: ShareRequest,
  context: RequestContext,
): Promise<AcknowledgedPartition[]> {
  const asked: Promise<AcknowledgedPartition>[] = [];
  for (const { topicId, partitions } of topics) {
    for (const { partitionIndex: partition, acknowledgementBatches: batches } of partitions) {
      if (batches.length === 0) continue;
      const id = { topicId, partition };
      const fault = partitionFault(topicId, partition, context);
      asked.push(
        fault !== null ? Promise.resolve({ ...id, ...fault }) : context.broker
          .sharePartition(groupId, topicId, partition)
          .ask({ type: "acknowledge", memberId, batches, isRenewal: isRenewAck, lockDurationMs: null })
          .then(
            ({ error, errorMessage }) => ({ ...id, error, errorMessage }),
            (error) => ({ ...id, error: partitionFailure(error), errorMessage: null }),
          ),
      );
    }
  }
  return await Promise.all(asked);
}

/** UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION. */
export function partitionFault(
  topicId: string,
  partition: number,
  context: RequestContext,
): ShareFault | null {
  const topic = context.broker.metadata.topicsById.get(topicId);
  if (topic === undefined) return { error: "UNKNOWN_TOPIC_ID", errorMessage: null };
  return hasPartition(topic, partition) ? null : { error: "UNKNOWN_TOPIC_OR_PARTITION", errorMessage: null };
}

export const noLeader = { leaderId: -1, leaderEpoch: -1 } as const;

/** The share sessions that were opened by one connection. */
class ShareConnection {
  readonly id: string;
  readonly #sessions = new Map<string, ShareClient>();

  constructor(context: RequestContext) {
    this.id = context.broker.env.uuid();
    context.signal.addEventListener("abort", () => this.#ended(context), { once: true });
  }

  opened(client: ShareClient, context: RequestContext): void {
    this.#sessions.set(`${client.memberId} ${client.groupId}`, client);
    // It ended while the session was being opened.
    if (context.signal.aborted) this.#ended(context);
  }

  #ended({ broker }: RequestContext): void {
    for (const { groupId, memberId } of this.#sessions.values()) {
      try {
        broker.shareGroup(groupId).tell({ type: "endSession", memberId, connectionId: this.id });
      } catch (error) {
        // The broker stops or is overloaded: the locks run out by themselves.
        broker.log.debug("Cannot end a share session", { groupId, error: String(error) });
      }
    }
    this.#sessions.clear();
  }
}

const connections = new WeakMap<AbortSignal, ShareConnection>();

/** The signal is the connection's own, and lives as long. */
function connectionOf(context: RequestContext): ShareConnection {
  let connection = connections.get(context.signal);
  if (connection === undefined) connections.set(context.signal, connection = new ShareConnection(context));
  return connection;
}
