/**
 * Failures as Confluent's REST contracts tell them: `{"error_code": …, "message": …}`. The codes are the HTTP status, or the status
 * with two digits more where the contract documents them.
 */
import { knownResponse } from "../../lib/known_body.ts";
import { Problem } from "../problem.ts";

/** A problem whose `error_code` the contract fixes. */
export function confluentProblem(errorCode: number, message: string): Problem {
  const status = errorCode > 999 ? Math.floor(errorCode / 100) : errorCode;
  return new Problem(status, { detail: message, members: { errorCode } });
}

export interface ErrorCodes {
  readonly unknownTopic: number;
  /** An error of Kafka's that the request is to blame for. */
  readonly kafkaRefusal: number;
}

export function errorCodeOf({ status, options }: Problem, codes: ErrorCodes): number {
  const { members, kafkaError } = options;
  const fixed = members?.["errorCode"];
  if (typeof fixed === "number") return fixed;
  if (kafkaError === "UNKNOWN_TOPIC_OR_PARTITION") return codes.unknownTopic;
  if (kafkaError !== undefined && (status === 400 || status === 409)) return codes.kafkaRefusal;
  return status;
}

/** Kafka's refusals of a request are 400 here, whatever they are elsewhere. */
export function statusOf(problem: Problem, codes: ErrorCodes): number {
  const code = errorCodeOf(problem, codes);
  return code > 999 ? Math.floor(code / 100) : problem.status;
}

export function confluentErrorResponse(problem: Problem, codes: ErrorCodes, contentType: string): Response {
  const { options, status, message } = problem;
  const body = { error_code: errorCodeOf(problem, codes), message };
  return knownResponse(JSON.stringify(body), {
    status: statusOf(problem, codes),
    headers: {
      ...options.headers,
      ...(status === 503 ? { "retry-after": "1" } : {}),
      "content-type": contentType,
      "cache-control": "no-store",
    },
  });
}
