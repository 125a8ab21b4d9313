/** What an admin request is answered when the supervisor did not: the outcome may be unknown. */
import { ActorStoppedError } from "../actors/runtime/errors.ts";
import type { ErrorName } from "../protocol/errors.ts";

export interface AdminFailure {
  readonly error: ErrorName;
  readonly message: string;
}

export function adminFailure(error: unknown): AdminFailure {
  return error instanceof ActorStoppedError
    ? { error: "NOT_CONTROLLER", message: "The supervisor is stopping: nothing was changed" }
    : { error: "REQUEST_TIMED_OUT", message: "The outcome is unknown: look before you repeat it" };
}
