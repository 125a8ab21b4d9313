/**
 * Problem documents: how every failure leaves the HTTP door. Nothing in them but what the client may know.
 *
 * Source: RFC 9457. The extension members are `errors` (which field and why), `kafkaError` (Kafka's name of the error)
 * and `requestId` (with 500 only, the same as in the log line).
 */
import {
  ActorFailedError,
  ActorStoppedError,
  AskDeadlineError,
  OverloadedError,
} from "../actors/runtime/errors.ts";
import { knownResponse } from "../lib/known_body.ts";
import { type ErrorName, errors } from "../protocol/errors.ts";

export interface FieldFault {
  /** e.g. `records[3].key.data`, or the name of a parameter. */
  readonly field: string;
  readonly detail: string;
}

export interface ProblemOptions {
  readonly detail?: string;
  readonly errors?: readonly FieldFault[];
  readonly kafkaError?: ErrorName;
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the document. */
  readonly members?: Readonly<Record<string, unknown>>;
}

const titles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  401: "Unauthorized",
  406: "Not Acceptable",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  416: "Range Not Satisfiable",
  426: "Upgrade Required",
  500: "Internal Server Error",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** Thrown by routes, answered by the one error handler. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  readonly options: ProblemOptions;

  constructor(status: number, options: ProblemOptions = {}) {
    super(options.detail ?? titles[status] ?? "");
    this.status = status;
    this.options = options;
  }
}

/** 400 about one field. */
export function fieldProblem(field: string, detail: string): Problem {
  return new Problem(400, { detail: `${field}: ${detail}`, errors: [{ field, detail }] });
}

export function problemResponse({ status, options }: Problem): Response {
  const { detail, errors, kafkaError, headers = {}, members = {} } = options;
  const document = {
    type: "about:blank",
    title: titles[status],
    status,
    detail,
    errors,
    kafkaError,
    ...members,
  };
  return knownResponse(JSON.stringify(document), {
    status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...(status === 503 ? { "retry-after": "1" } : {}),
      ...headers,
    },
  });
}

/** The problem behind an actor's failure, or null when the error is not weather. */
export function weatherProblem(error: unknown): Problem | null {
  if (error instanceof OverloadedError) {
    return new Problem(503, { detail: "The server is overloaded; nothing was done" });
  }
  if (error instanceof ActorStoppedError) {
    return new Problem(503, { detail: "This part of the server is stopping; nothing was done" });
  }
  if (error instanceof ActorFailedError) {
    return new Problem(503, {
      detail: "This part of the server is restarting; a change may or may not have been made",
    });
  }
  if (error instanceof AskDeadlineError) {
    return new Problem(504, { detail: "No answer in time; a change may or may not have been made" });
  }
  return null;
}

const statuses: Partial<Record<ErrorName, number>> = {
  OFFSET_OUT_OF_RANGE: 416,
  UNKNOWN_TOPIC_OR_PARTITION: 404,
  UNKNOWN_TOPIC_ID: 404,
  TOPIC_ALREADY_EXISTS: 409,
  MESSAGE_TOO_LARGE: 413,
  RECORD_LIST_TOO_LARGE: 413,
  TOPIC_AUTHORIZATION_FAILED: 403,
  CLUSTER_AUTHORIZATION_FAILED: 403,
  TOPIC_DELETION_DISABLED: 403,
  POLICY_VIOLATION: 403,
  REQUEST_TIMED_OUT: 504,
  CORRUPT_MESSAGE: 500,
  UNKNOWN_SERVER_ERROR: 500,
};

/** The HTTP status of Kafka's error: 503 where a repetition may help, else the request is to blame. */
export function kafkaStatus(error: ErrorName): number {
  return statuses[error] ?? (errors[error].retriable ? 503 : 400);
}

export function kafkaProblem(
  error: ErrorName,
  message: string | null,
  options: ProblemOptions = {},
): Problem {
  return new Problem(kafkaStatus(error), {
    detail: message ?? errors[error].message,
    kafkaError: error,
    ...options,
  });
}
