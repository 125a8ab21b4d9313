/**
 * A live tail as the body of an answer, in server-sent events. One page is made when the one before has been taken, so that what waits for
 * a slow reader is one page and what the sockets hold.
 */
import { type LiveEvent, sseText } from "./live_event.ts";
import type { LiveTail } from "./live_tail.ts";
import type { Seat } from "./live_tails.ts";

const RETRY_MS = 1_000;

export const eventStreamHeaders = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
} as const;

export function liveStream(tail: LiveTail, seat: Seat): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  // Sent at once, so that the reader knows that it is connected, and has a place even before a record comes.
  let first: string | null = `retry: ${RETRY_MS}\nid: ${tail.position.id}\n\n`;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (first !== null) {
        controller.enqueue(encoder.encode(first));
        first = null;
        return;
      }
      const events = await tail.next();
      if (tail.ended === "left") return;
      if (events !== null) return controller.enqueue(encoder.encode(textOf(events)));
      seat.leave();
      controller.close();
    },
    cancel() {
      seat.leave();
    },
  }, { highWaterMark: 0 });
}

function textOf(events: readonly LiveEvent[]): string {
  let text = "";
  for (const event of events) text += sseText(event);
  return text;
}
