/** Records of a consumer that lives on the server, for the contracts that have such consumers. */
import type {
  PolledRecord,
  RestConsumerAnswer,
  RestConsumerMessage,
} from "../actors/messages/rest_consumer.ts";
import type { ActorRef } from "../actors/runtime/types.ts";
import { limits } from "../core/config/limits.ts";
import { Problem } from "./problem.ts";

/** Consumers are forgotten after five minutes of silence. */
const RETRY_AFTER_SECONDS = 60;

export interface PollWish {
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** Null when the client left meanwhile: it has received nothing, and the consumer is told so. */
export async function pollConsumer(
  consumer: ActorRef<RestConsumerMessage>,
  { signal }: Request,
  { timeoutMs, maxBytes }: PollWish,
): Promise<RestConsumerAnswer<readonly PolledRecord[]> | null> {
  try {
    return await consumer.ask({ type: "poll", timeoutMs, maxBytes }, {
      deadlineMs: timeoutMs + limits.askDeadlineMs,
      signal,
    });
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}

/** 429: those that are silent make room. */
export function tooManyConsumers(): Problem {
  return new Problem(429, {
    detail: `Cannot make another consumer: ${limits.restConsumersMax} are on the server`,
    headers: { "retry-after": String(RETRY_AFTER_SECONDS) },
  });
}

/** Nobody reads it; it is counted. */
export function clientLeft(): Response {
  return new Response(null, { status: 499 });
}
