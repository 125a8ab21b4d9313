/**
 * What is kept of a request over HTTP that named itself with an Idempotency-Key: enough to answer it again as it was answered
 * first. It is stored with the decision to commit the request's transaction, so there is one exactly when there is the other.
 */

export interface KeptWrite {
  readonly partition: number;
  readonly baseOffset: number;
  /** -1 unless the topic uses LogAppendTime. */
  readonly logAppendTimeMs: number;
}

/** The outcome of a request's records, from which its answer is made together with the request itself. */
export interface RequestOutcome {
  /** The records of one partition each, in order. */
  readonly writes: readonly KeptWrite[];
  /** For each record of the request, the write that it is in. */
  readonly places: readonly number[];
  /** The time of records that brought none. */
  readonly nowMs: number;
}

/** By what a request is known again; both are SHA-256. */
export interface RequestKey {
  /** Of the key and of whose it is. */
  readonly hash: Uint8Array;
  /** Of what the request asks for: with another, the key was used for something else. */
  readonly fingerprint: Uint8Array;
}

export interface KeptAnswer extends RequestOutcome {
  readonly key: RequestKey;
  /** Wall clock. */
  readonly keptMs: number;
}

/** Whether it is so old that its key means nothing any more. */
export function isForgotten(
  { keptMs }: { readonly keptMs: number },
  expirationMs: number,
  wallMs: number,
): boolean {
  return keptMs + expirationMs <= wallMs;
}

export function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
