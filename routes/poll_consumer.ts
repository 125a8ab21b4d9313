/** Records of a consumer that lives on the server, for the contracts that have such consumers. */
import type {
  PolledRecord,
  RestConsumerAnswer,
  RestConsumerMessage,
} from "../actors/messages/rest_consumer.ts";
import type { ActorRef } from "../actors/runtime/types.ts";
import { limits } from "../core/config/limits.ts";

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

/** Nobody reads it; it is counted. */
export function clientLeft(): Response {
  return new Response(null, { status: 499 });
}
