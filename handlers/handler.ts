/**
 * What a handler is: a plain function from a typed request and its context to a typed response. It decodes nothing, knows
 * no socket and no storage: it asks actors through the `Broker` and maps their answers to Kafka's error codes.
 */
import type { Broker } from "../actors/broker.ts";
import { ActorStoppedError, AskDeadlineError, OverloadedError } from "../actors/runtime/errors.ts";
import { ANONYMOUS_USER, type QuotaClient } from "../core/quota/client_quotas.ts";
import type { ErrorName } from "../protocol/errors.ts";
import type { Api, RequestOf, ResponseInput } from "../protocol/schema/api.ts";

export interface RequestContext {
  readonly broker: Broker;
  readonly apiVersion: number;
  /** Empty when the client does not name itself. */
  readonly clientId: string;
  /** As Kafka shows it: `/127.0.0.1`. */
  readonly clientHost: string;
  /** Of the request's frame. */
  readonly byteLength: number;
  /** What the connection knows of its client; a handler may learn more. */
  readonly client: ClientSession;
  /** Asks the client to hold back: it is told, and its connection is not read for so many milliseconds (KIP-219). */
  readonly throttle: (ms: number) => void;
  /** Aborted when the connection ends. */
  readonly signal: AbortSignal;
}

export interface ClientSession {
  /** Of its end of the connection. */
  readonly port: number;
  /** As ApiVersions had them (KIP-511); "unknown" before. */
  softwareName: string;
  softwareVersion: string;
}

export function newClientSession(port: number): ClientSession {
  return { port, softwareName: "unknown", softwareVersion: "unknown" };
}

/** Whom quotas are for: without authentication all users are one. */
export function quotaClient({ clientId }: RequestContext): QuotaClient {
  return { user: ANONYMOUS_USER, clientId };
}

/** `null` answers nothing at all: Produce with acks=0. */
export type Served<A extends Api> = ResponseInput<A> | null;

export interface Handler {
  readonly api: Api;
  readonly serve: (request: never, context: RequestContext) => Promise<unknown>;
  /** Requests of the API may overlap on one connection; others wait for those before them, as in Kafka. */
  readonly overlaps: boolean;
  /** Whether ApiVersions names it at the moment; left out for always. */
  readonly isOffered?: (broker: Broker) => boolean;
}

/** Binds a function to its API; `handlers/registry.ts` lists the results. */
export function handler<A extends Api>(
  api: A,
  serve: (request: RequestOf<A>, context: RequestContext) => Promise<Served<A>> | Served<A>,
  options: { readonly overlaps?: boolean; readonly isOffered?: (broker: Broker) => boolean } = {},
): Handler {
  return {
    api,
    serve: (request, context) => Promise.resolve(serve(request, context)),
    overlaps: options.overlaps ?? false,
    ...(options.isOffered === undefined ? {} : { isOffered: options.isOffered }),
  };
}

/** The answer with the time for which the client is to hold back; all that have the field have it under this name. */
export function withThrottleTime(response: unknown, throttleMs: number): unknown {
  if (throttleMs <= 0 || response === null || typeof response !== "object") return response;
  const told = "throttleTimeMs" in response ? Number(response.throttleTimeMs) : 0;
  return { ...response, throttleTimeMs: Math.max(told, throttleMs) };
}

/** Thrown by a handler to close the connection, Kafka's answer where the protocol leaves no other. */
export class CloseConnectionError extends Error {
  override readonly name = "CloseConnectionError";
}

/** How long a client is asked to hold back when an actor's mailbox was full (`throttle_time_ms`). */
export const OVERLOAD_THROTTLE_MS = 100;

/** Kafka's retriable error for a partition's actor that did not answer. */
export function partitionFailure(error: unknown): ErrorName {
  if (error instanceof OverloadedError || error instanceof AskDeadlineError) return "REQUEST_TIMED_OUT";
  if (error instanceof ActorStoppedError) return "NOT_LEADER_OR_FOLLOWER";
  return "KAFKA_STORAGE_ERROR";
}

/**
 * The same for what consumers read. Of a Fetch and of a ShareFetch Java's consumers know no timeout, and end with an exception at a code
 * that they do not know.
 */
export function readFailure(error: unknown): ErrorName {
  const failure = partitionFailure(error);
  return failure === "REQUEST_TIMED_OUT" ? "KAFKA_STORAGE_ERROR" : failure;
}

/** Kafka's retriable error for a coordinator that did not answer. */
export function coordinatorFailure(error: unknown): ErrorName {
  return error instanceof ActorStoppedError ? "NOT_COORDINATOR" : "COORDINATOR_NOT_AVAILABLE";
}
