/**
 * Everything that the client throws: one base class, and one class per thing a caller can do about it.
 */
import { type ErrorCode, type ErrorName, errorName, errors } from "../protocol/errors.ts";

/** Base of all errors of the client. `retriable`: whether the same call may succeed later. */
export abstract class ClientError extends Error {
  abstract readonly retriable: boolean;
}

/** A broker answered with an error code. `error` is Kafka's name for it. */
export class BrokerError extends ClientError {
  override readonly name = "BrokerError";
  readonly code: ErrorCode;
  readonly error: ErrorName;
  readonly retriable: boolean;

  /** `message`: what the broker said, if it said anything. */
  constructor(code: ErrorCode, message: string | null = null, options?: ErrorOptions) {
    const error = errorName(code);
    super(message ?? errors[error].message, options);
    this.code = code;
    this.error = error;
    this.retriable = errors[error].retriable;
  }
}

/** A connection could not be made, or broke. */
export class ConnectionError extends ClientError {
  override readonly name = "ConnectionError";
  readonly retriable = true;
}

/** Something did not happen within its deadline. */
export class TimeoutError extends ClientError {
  override readonly name = "TimeoutError";
  readonly retriable = true;
}

/** The peer does not speak the protocol, or sent a frame beyond the limit. */
export class ProtocolViolationError extends ClientError {
  override readonly name = "ProtocolViolationError";
  readonly retriable = false;
}

/** Client and broker have no version of an API in common. */
export class UnsupportedVersionError extends ClientError {
  override readonly name = "UnsupportedVersionError";
  readonly retriable = false;
}

/** The client was closed, or is closing. */
export class ClosedError extends ClientError {
  override readonly name = "ClosedError";
  readonly retriable = false;
}

/** The producer's buffer is full: await `ready()` before sending more. */
export class BufferFullError extends ClientError {
  override readonly name = "BufferFullError";
  readonly retriable = true;
}

/** A record is larger than one request may be. */
export class RecordTooLargeError extends ClientError {
  override readonly name = "RecordTooLargeError";
  readonly retriable = false;
}

/** No position to start from, and `offsetReset` is `"none"`. */
export class NoOffsetError extends ClientError {
  override readonly name = "NoOffsetError";
  readonly retriable = false;
}

/** The group has rebalanced meanwhile: the partitions may belong to another member, and the commit did not happen. */
export class CommitFailedError extends ClientError {
  override readonly name = "CommitFailedError";
  readonly retriable = false;
}

/** An option or an argument makes no sense. */
export class ConfigurationError extends ClientError {
  override readonly name = "ConfigurationError";
  readonly retriable = false;
}

/** Throws a `BrokerError` unless `code` is 0. */
export function throwIfError(code: ErrorCode, message: string | null = null): void {
  if (code !== 0) throw new BrokerError(code, message);
}

/** Whether trying again makes sense. */
export function isRetriableError(error: unknown): boolean {
  return error instanceof ClientError && error.retriable;
}

/** What was thrown, as an Error. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
