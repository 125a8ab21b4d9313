/** Records of a consumer that lives on the server, for the contracts that have such consumers. */
import type {
  PolledRecord,
  RestConsumerAnswer,
  RestConsumerMessage,
} from "../actors/messages/rest_consumer.ts";
import type { ActorRef } from "../actors/runtime/types.ts";
import { limits } from "../core/config/limits.ts";
import { checkTopicAccess } from "./access.ts";
import { Problem } from "./problem.ts";

/** Consumers are forgotten after five minutes of silence. */
const RETRY_AFTER_SECONDS = 60;

export interface PollWish {
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/**
 * Null when the client left meanwhile: it has received nothing, and the consumer is told so. Throws 403 for records of a topic that the
 * request may not read: another request may have changed the subscription.
 */
export async function pollConsumer(
  consumer: ActorRef<RestConsumerMessage>,
  request: Request,
  { timeoutMs, maxBytes }: PollWish,
): Promise<RestConsumerAnswer<readonly PolledRecord[]> | null> {
  const { signal } = request;
  let answer: RestConsumerAnswer<readonly PolledRecord[]>;
  try {
    answer = await consumer.ask({ type: "poll", timeoutMs, maxBytes }, {
      deadlineMs: timeoutMs + limits.askDeadlineMs,
      signal,
    });
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
  const records = answer.type === "ok" ? answer.value : [];
  for (const topic of new Set(records.map(({ topic }) => topic))) checkTopicAccess(request, "consume", topic);
  return answer;
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
