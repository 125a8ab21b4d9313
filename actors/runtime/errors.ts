/** The ways an ask can fail. All but `FencedError` are weather: the front ends turn them into retriable answers. */

/** The mailbox was full: throttle (Kafka) or 503 with Retry-After (HTTP). Nothing was processed. */
export class OverloadedError extends Error {
  override readonly name = "OverloadedError";
}

/** No answer within the deadline; the message's fate is unknown. */
export class AskDeadlineError extends Error {
  override readonly name = "AskDeadlineError";
}

/** The actor died while it held the message; the message's fate is unknown. */
export class ActorFailedError extends Error {
  override readonly name = "ActorFailedError";
}

/** The actor is stopped, fenced or draining: the message was not processed, or its answer was still open when the actor stopped. */
export class ActorStoppedError extends Error {
  override readonly name = "ActorStoppedError";
}
