/**
 * `GET /v1/events`: what happens in the cluster as server-sent events, ZooKeeper's notifications for anyone with curl.
 *
 * An event's id is `<process>-<number>`. Whoever comes again with Last-Event-ID gets what it missed, as far as it is kept; what is not
 * kept any more is told as an event `gap`.
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import type { NumberedEvent } from "../actors/event_feed.ts";
import { addEndpoint } from "./endpoint.ts";
import { lastEventIdParam } from "./header_params.ts";
import { fieldProblem } from "./problem.ts";

const SILENCE_MS = 15_000;
const RETRY_MS = 1_000;
const CHUNK_EVENTS_MAX = 200;

export function clusterEventsApp(broker: Broker): OpenAPIHono {
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
    problems: [400],
    handle({ query, request }) {
      const types = query.types === undefined ? null : new Set(query.types.split(","));
      const place = placeOf(request.headers.get("last-event-id"), feedId);
      // An id of another process: how many were missed is not known.
      const start = place ?? broker.events.newest;
      return new Response(watch(broker, { start, feedId, types, isLost: place === null && hasId(request) }), {
        headers: {
          "content-type": "text/event-stream",
          "cache-control": "no-store",
          "x-accel-buffering": "no",
        },
      });
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
}

function watch(broker: Broker, { start, feedId, types, isLost }: Watch): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const left = new AbortController();
  let number = start;
  let first = `retry: ${RETRY_MS}\nid: ${feedId}-${number}\n\n`;
  if (isLost) first += `id: ${feedId}-${number}\nevent: gap\ndata: {"events":null}\n\n`;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (first !== "") {
        controller.enqueue(encoder.encode(first));
        first = "";
        return;
      }
      while (!left.signal.aborted) {
        const text = nextText();
        if (text !== "") return controller.enqueue(encoder.encode(text));
        if (!broker.ready) return controller.close();
        if (!await came()) return controller.enqueue(encoder.encode(":\n\n"));
      }
    },
    cancel() {
      left.abort();
    },
  }, { highWaterMark: 0 });

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

  /** False when it stayed silent for long. */
  async function came(): Promise<boolean> {
    const enough = new AbortController();
    const cancel = broker.env.timer(SILENCE_MS, () => enough.abort());
    await broker.events.wait(number, AbortSignal.any([left.signal, enough.signal]));
    cancel();
    return !enough.signal.aborted;
  }
}
