/**
 * The live tails: `GET /v1/topics/{topic}/live` of one topic, `GET /v1/live` of several or of a pattern. Server-sent events, or a WebSocket
 * for a request that asks for one.
 *
 * Each event's id holds the place in every partition, so a browser that comes again with Last-Event-ID goes on exactly there.
 * Nothing is dropped: a reader that is slow is read for later. Source: the HTML standard, server-sent events; RFC 6455.
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../../actors/broker.ts";
import { limits } from "../../core/config/limits.ts";
import type { UpgradeWebSocket } from "../../lib/server_socket.ts";
import { addEndpoint } from "../endpoint.ts";
import { clientIdParam, lastEventIdParam } from "../header_params.ts";
import { Problem } from "../problem.ts";
import { quotaClientOf } from "../quota_client.ts";
import { topicParam } from "../topic_lookup.ts";
import { liveSocket } from "./live_socket.ts";
import { eventStreamHeaders, liveStream } from "./live_stream.ts";
import { LiveTail, type LiveWish } from "./live_tail.ts";
import type { LiveTails } from "./live_tails.ts";
import { topicQuery, topicsQuery, topicsWish, topicWish } from "./live_wish.ts";
import { checkHandshake, chosenProtocol, wantsWebSocket } from "./web_socket_request.ts";

/** A client is pinged after half of it. */
const SILENCE_MS_MAX = 30_000;

const description =
  "Events `record` with the record as JSON, its topic and partition included, or as a CloudEvent; `gap` where records were deleted before they were read, " +
  "or cannot be read; `behind` with the number of records to the end, at most every second, while they are many; `topicCreated`, " +
  "`topicDeleted`, `partitionsAdded`, and `topicSkipped` for a topic that would be too much. The id of an event is the place to go on: " +
  "send it as Last-Event-ID, as browsers do by themselves. Without records a comment with the place comes every 15 seconds. " +
  'A request that asks for a WebSocket gets one: each event is a text message `{"event":…,"id":…,"data":…}`, `position` being the ' +
  'one without data. The client may send `{"type":"pause"}` and `{"type":"resume"}`, and nothing else.';

const responses = {
  200: {
    description: "Events until the client leaves",
    content: { "text/event-stream": { schema: z.string() } },
  },
  101: { description: "A WebSocket, for a request that asks for one" },
};
const problems = [403, 404, 426];
const headers = { ...lastEventIdParam, ...clientIdParam };

export interface LiveAppOptions {
  readonly tails: LiveTails;
  /** Null where there are no WebSockets: then a request for one is answered with events. */
  readonly upgradeWebSocket: UpgradeWebSocket | null;
}

/** Below `/v1`. */
export function liveApp(broker: Broker, { tails, upgradeWebSocket }: LiveAppOptions): OpenAPIHono {
  const app = new OpenAPIHono();

  addEndpoint(app, {
    method: "get",
    path: "/topics/{topic}/live",
    operationId: "tailRecords",
    summary: "Records as they come, as server-sent events or over a WebSocket",
    description,
    params: { topic: topicParam },
    query: topicQuery,
    headers,
    responses,
    problems,
    handle: ({ params, query, request }) =>
      serve(topicWish(broker, { name: params.topic, query, request }), request),
  });

  addEndpoint(app, {
    method: "get",
    path: "/live",
    operationId: "tailTopics",
    summary: "Records of several topics as they come, as server-sent events or over a WebSocket",
    description: "Topics by name, by pattern, or both. " + description,
    query: topicsQuery,
    headers,
    responses,
    problems,
    handle: ({ query, request }) => serve(topicsWish(broker, { query, request }), request),
  });

  async function serve(wish: LiveWish, request: Request): Promise<Response> {
    if (request.method === "HEAD") return new Response(null, { headers: eventStreamHeaders });
    const isSocket = upgradeWebSocket !== null && wantsWebSocket(request);
    if (isSocket) checkHandshake(request);
    const seat = tails.enter();
    try {
      const tail = await LiveTail.open(broker, { tails, seat, wish });
      if (!isSocket) return new Response(liveStream(tail, seat), { headers: eventStreamHeaders });
      // Asked for before: Deno shows nothing of a request that has become a WebSocket.
      const client = quotaClientOf(request);
      const { socket, response } = upgradeWebSocket(request, {
        protocol: chosenProtocol(request),
        messageBytesMax: limits.liveMessageBytesMax,
        silenceMsMax: SILENCE_MS_MAX,
      });
      liveSocket(socket, { broker, client, tail, seat });
      return response;
    } catch (error) {
      seat.leave();
      // What the runtime does not take as a handshake, though it looks like one; HTTP/2 is one case.
      if (error instanceof TypeError && isSocket) {
        throw new Problem(400, { detail: "This request cannot become a WebSocket" });
      }
      throw error;
    }
  }

  return app;
}
