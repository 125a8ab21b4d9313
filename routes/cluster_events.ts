/**
 * `GET /v1/events`: what happens in the cluster as server-sent events, ZooKeeper's notifications for anyone with curl.
 *
 * An event's id is `<process>-<number>`. Whoever comes again with Last-Event-ID gets what it missed, as far as it is kept; what is not
 * kept any more is told as an event `gap`.
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import type { NumberedEvent } from "../actors/event_feed.ts";
import { isStillValid } from "./access.ts";
import { addEndpoint } from "./endpoint.ts";
import { lastEventIdParam } from "./header_params.ts";
import { eventStreamHeaders } from "./live/live_stream.ts";
import type { LiveTails, Seat } from "./live/live_tails.ts";
import { fieldProblem } from "./problem.ts";

const SILENCE_MS = 15_000;
const RETRY_MS = 1_000;
const CHUNK_EVENTS_MAX = 200;

/** Watchers take their seats among the live tails, so that together they are bounded and end with the server. */
export function clusterEventsApp(broker: Broker, tails: LiveTails): OpenAPIHono {
  const app = new OpenAPIHono();
  /** Names this process in ids: numbers begin anew with each. */
  const feedId = broker.env.uuid().slice(0, 8);
  addEndpoint(app, {
    method: "get",
    path: "/events",
    operationId: "watchCluster",
    summary: "Brokers, topics, leaders and consumers as they come and go, as server-sent events",
    description:
      "Events brokerUp, brokerDown, topicCreated, topicDeleted, partitionsAdded, leaderChanged, memberJoined, memberLost, " +
      "groupRebalanced, webhookFailing, webhookRecovered, webhookPaused and webhookDeadLetter; gap with the number of events that are not kept any more. Send an event's id as Last-Event-ID to go on behind it.",
    query: {
      types: z.string().optional().openapi({ description: "Only these types, with commas between them" }),
    },
    headers: lastEventIdParam,
    responses: {
      200: {
        description: "Events until the client leaves",
        content: { "text/event-stream": { schema: z.string() } },
      },
    },
    problems: [],
    handle({ query, request }) {
      const types = query.types === undefined ? null : new Set(query.types.split(","));
      const place = placeOf(request.headers.get("last-event-id"), feedId);
      if (request.method === "HEAD") return new Response(null, { headers: eventStreamHeaders });
      const { newest } = broker.events;
      // An id of another process, or one that was never given: how many were missed is not known.
      const isLost = hasId(request) && (place === null || place > newest);
      const start = place === null || isLost ? newest : place;
      const seat = tails.enter();
      const stream = watch(broker, { start, feedId, types, isLost, request, seat });
      return new Response(stream, { headers: eventStreamHeaders });
    },
  });
  return app;
}

function hasId(request: Request): boolean {
  return (request.headers.get("last-event-id") ?? "") !== "";
}

/** Null without an id, and for one of another process. */
function placeOf(text: string | null, feedId: string): number | null {
  if (text === null || text === "") return null;
  const [, id, number] = /^([0-9a-f]{8})-(\d{1,15})$/.exec(text) ?? [];
  if (id === undefined) throw fieldProblem("Last-Event-ID", "is not an id that these events had");
  return id === feedId ? Number(number) : null;
}

interface Watch {
  readonly start: number;
  readonly feedId: string;
  readonly types: ReadonlySet<string> | null;
  readonly isLost: boolean;
  readonly request: Request;
  readonly seat: Seat;
}

function watch(
  broker: Broker,
  { start, feedId, types, isLost, request, seat }: Watch,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const over = new AbortController();
  seat.onStop = () => over.abort();
  let number = start;
  let toldMs = broker.env.mono();
  let first = `retry: ${RETRY_MS}\nid: ${feedId}-${number}\n\n`;
  if (isLost) first += `id: ${feedId}-${number}\nevent: gap\ndata: {"events":null}\n\n`;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const text = first === "" ? await next() : first;
      first = "";
      toldMs = broker.env.mono();
      if (text !== null) return controller.enqueue(encoder.encode(text));
      seat.leave();
      controller.close();
    },
    cancel() {
      over.abort();
      seat.leave();
    },
  }, { highWaterMark: 0 });

  /** Null when the server stops, or the key of the request is not valid any more. */
  async function next(): Promise<string | null> {
    while (broker.ready && !over.signal.aborted && isStillValid(request)) {
      const text = nextText();
      if (text !== "") return text;
      const restMs = toldMs + SILENCE_MS - broker.env.mono();
      // The place as well: a filter may have passed over many.
      if (restMs <= 0) return `:\nid: ${feedId}-${number}\n\n`;
      await somethingCame(restMs);
    }
    return null;
  }

  function nextText(): string {
    const events = broker.events.after(number).slice(0, CHUNK_EVENTS_MAX);
    const [oldest] = events;
    if (oldest === undefined) return "";
    const missed = oldest.number - number - 1;
    const gap = missed > 0
      ? `id: ${feedId}-${oldest.number - 1}\nevent: gap\ndata: {"events":${missed}}\n\n`
      : "";
    number = events.at(-1)?.number ?? number;
    return gap +
      events.filter(({ event }) => types === null || types.has(event.type)).map(eventText).join("");
  }

  function eventText({ number, timestampMs, event: { type, ...data } }: NumberedEvent): string {
    return `id: ${feedId}-${number}\nevent: ${type}\ndata: ${
      JSON.stringify({ timestamp: timestampMs, ...data })
    }\n\n`;
  }

  async function somethingCame(ms: number): Promise<void> {
    const enough = new AbortController();
    const cancel = broker.env.timer(ms, () => enough.abort());
    await broker.events.wait(number, AbortSignal.any([over.signal, enough.signal]));
    cancel();
  }
}
