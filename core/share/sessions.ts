/**
 * Share sessions (KIP-932): which partitions a member fetches from, so that it need not name them each time, and a step
 * count by which a lost or repeated request is noticed. They live in memory; a client whose session is gone opens another.
 * Source: Kafka's SharePartitionManager, ShareSession and ShareSessionCache.
 */
import type { ErrorName } from "../../protocol/errors.ts";

export const FIRST_EPOCH = 0;
/** The session ends with this request. */
export const FINAL_EPOCH = -1;

export interface SharePartitionId {
  readonly topicId: string;
  readonly partition: number;
}

export interface SessionRequest {
  readonly memberId: string;
  readonly sessionEpoch: number;
  /** Of the connection that the request came by: a session that it opens ends with it. */
  readonly connectionId: string;
  /** Partitions of the request, and those that leave the session. */
  readonly added: readonly SharePartitionId[];
  readonly forgotten: readonly SharePartitionId[];
  readonly hasAcknowledgements: boolean;
  readonly api: "fetch" | "acknowledge";
}

export interface SessionResult {
  readonly error: ErrorName;
  /** To be fetched from, beginning with another one each time. */
  readonly partitions: readonly SharePartitionId[];
}

interface ShareSession {
  readonly connectionId: string;
  epoch: number;
  readonly partitions: Map<string, SharePartitionId>;
  /** Also those that left the session: the member may hold records of them. */
  readonly touched: Map<string, SharePartitionId>;
}

/** The sessions of one group, by member. */
export class ShareSessions {
  readonly #sessions = new Map<string, ShareSession>();

  get count(): number {
    return this.#sessions.size;
  }

  /** SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH, SHARE_SESSION_LIMIT_REACHED, INVALID_REQUEST. */
  use(request: SessionRequest, sessionCountMax: number): SessionResult {
    const { memberId, sessionEpoch, api } = request;
    if (sessionEpoch === FIRST_EPOCH && api === "fetch") return this.#begin(request, sessionCountMax);
    if (sessionEpoch === FIRST_EPOCH) return failed("INVALID_SHARE_SESSION_EPOCH");
    const session = this.#sessions.get(memberId);
    if (session === undefined) return failed("SHARE_SESSION_NOT_FOUND");
    if (sessionEpoch === FINAL_EPOCH) return { error: "NONE", partitions: [] };
    if (sessionEpoch !== session.epoch) return failed("INVALID_SHARE_SESSION_EPOCH");
    session.epoch = nextEpoch(sessionEpoch);
    if (api === "acknowledge") return { error: "NONE", partitions: [] };
    this.#update(session, request);
    return { error: "NONE", partitions: rotated([...session.partitions.values()], sessionEpoch) };
  }

  /** Ends a member's session, if it is the connection's (null: whichever); the partitions in which it may hold records. */
  end(memberId: string, connectionId: string | null): SharePartitionId[] {
    const session = this.#sessions.get(memberId);
    if (session === undefined) return [];
    if (connectionId !== null && session.connectionId !== connectionId) return [];
    this.#sessions.delete(memberId);
    return [...session.touched.values()];
  }

  #begin(request: SessionRequest, sessionCountMax: number): SessionResult {
    const { memberId, connectionId, hasAcknowledgements } = request;
    if (hasAcknowledgements) return failed("INVALID_REQUEST");
    const before = this.#sessions.get(memberId);
    if (before === undefined && this.#sessions.size >= sessionCountMax) {
      return failed("SHARE_SESSION_LIMIT_REACHED");
    }
    const session = {
      connectionId,
      epoch: nextEpoch(FIRST_EPOCH),
      partitions: new Map<string, SharePartitionId>(),
      touched: before?.touched ?? new Map<string, SharePartitionId>(),
    };
    this.#sessions.set(memberId, session);
    this.#update(session, request);
    return { error: "NONE", partitions: [...session.partitions.values()] };
  }

  #update(session: ShareSession, { added, forgotten }: SessionRequest): void {
    for (const id of added) {
      session.partitions.set(keyOf(id), id);
      session.touched.set(keyOf(id), id);
    }
    for (const id of forgotten) session.partitions.delete(keyOf(id));
  }
}

function keyOf({ topicId, partition }: SharePartitionId): string {
  return `${topicId}/${partition}`;
}

function nextEpoch(epoch: number): number {
  return epoch >= 0x7fff_ffff ? 1 : epoch + 1;
}

function rotated<T>(all: readonly T[], by: number): T[] {
  const start = all.length === 0 ? 0 : by % all.length;
  return [...all.slice(start), ...all.slice(0, start)];
}

function failed(error: ErrorName): SessionResult {
  return { error, partitions: [] };
}
