/**
 * Kafka's client quotas at the HTTP door, for producing and reading on every contract. What takes a client over its quota is served,
 * and then the client is refused with 429 and Retry-After for as long as Kafka's protocol would have it wait. Streams under way are
 * not refused but slowed: they flow as fast as the quota lets them.
 *
 * The meters are those of Kafka's protocol (`core/quota`), so both doors of a process share a quota. Source: KIP-124, KIP-219.
 */
import type { Broker } from "../actors/broker.ts";
import type { QuotaClient, UsageKey } from "../core/quota/client_quotas.ts";
import { limits } from "../core/config/limits.ts";
import { type AccessGuard, needOf } from "./access.ts";
import { Problem } from "./problem.ts";
import { quotaClientOf } from "./quota_client.ts";
import { busyMsOf, timed, timeRequest } from "./request_time.ts";
import { labelRoute, routeLabel } from "./route_label.ts";

type Fetch = (request: Request) => Response | Promise<Response>;

/** `refuse` tells a refusal in the words of the path's contract. */
export function quotaGuard(
  broker: Broker,
  access: AccessGuard,
  answer: Fetch,
  refuse: (path: string, problem: Problem) => Response,
): (request: Request) => Promise<Response> {
  const holds = new Holds();
  return async (request) => {
    const path = new URL(request.url).pathname;
    const key = byteRateOf(request.method, path);
    // Who may not come in is told so by the route's own guard, and nothing is counted.
    if (key === null || access.refusal(request) !== null) return await answer(request);
    const client = quotaClientOf(request);
    const refusal = quotaRefusal(broker, holds, client, key);
    if (refusal !== null) {
      await request.body?.cancel();
      return refuse(path, refusal);
    }
    return await counted(broker, { client, key, answer, holds }, request);
  };
}

/** Which bytes count on this route; null for none. */
function byteRateOf(method: string, path: string): "producer_byte_rate" | "consumer_byte_rate" | null {
  const { need } = needOf(method, path);
  if (typeof need === "string" || need.action === "describe") return null;
  if (need.action === "produce") return "producer_byte_rate";
  // What tells of all topics reads none; commits and acknowledgements must get through.
  if (need.topic === "*") return null;
  return method === "GET" || /^\/(consume\/.*|fetch)$|\/take$/.test(path) ? "consumer_byte_rate" : null;
}

/** Which quotas are used up, and until when: what muting a connection is to Kafka's protocol. */
class Holds {
  /** By the name of the meter; the one that was used up last comes last. */
  readonly #untilMs = new Map<string, number>();

  add(meter: string, untilMs: number): void {
    const later = Math.max(untilMs, this.#untilMs.get(meter) ?? 0);
    this.#untilMs.delete(meter);
    this.#untilMs.set(meter, later);
    if (this.#untilMs.size <= limits.quotaMetersMax) return;
    const [oldest] = this.#untilMs.keys();
    if (oldest !== undefined) this.#untilMs.delete(oldest);
  }

  /** Milliseconds left; 0 when there is nothing to wait for. */
  restMs(meter: string, nowMs: number): number {
    const restMs = (this.#untilMs.get(meter) ?? 0) - nowMs;
    if (restMs > 0) return restMs;
    this.#untilMs.delete(meter);
    return 0;
  }
}

function quotaRefusal(
  { quotas, env }: Broker,
  holds: Holds,
  client: QuotaClient,
  byteRate: UsageKey,
): Problem | null {
  for (const key of [byteRate, "request_percentage"] as const) {
    const meter = quotas.meterName(key, client);
    const restMs = meter === null ? 0 : holds.restMs(meter, env.mono());
    if (restMs <= 0) continue;
    const { user, clientId } = client;
    const whose = `user ${JSON.stringify(user)} with client id ${JSON.stringify(clientId)}`;
    return new Problem(429, {
      detail: `The quota ${key} of ${whose} is used up`,
      kafkaError: "THROTTLING_QUOTA_EXCEEDED",
      headers: { "retry-after": String(Math.ceil(restMs / 1_000)) },
    });
  }
  return null;
}

interface CountedOptions {
  readonly client: QuotaClient;
  readonly key: "producer_byte_rate" | "consumer_byte_rate";
  readonly answer: Fetch;
  readonly holds: Holds;
}

/** Where each record is taken as it comes. */
const recordStream = /\/v3\/clusters\/[^/?]*\/topics\/[^/?]*\/records(\?|$)/;

/** The answer, with what went in and out counted. */
async function counted(
  broker: Broker,
  { client, key, answer, holds }: CountedOptions,
  given: Request,
): Promise<Response> {
  const { quotas, env } = broker;
  const count = (bytes: number) => quotas.record(key, client, bytes, env.mono());
  const hold = (usage: UsageKey, throttleMs: number) => {
    const meter = throttleMs > 0 ? quotas.meterName(usage, client) : null;
    if (meter !== null) holds.add(meter, env.mono() + Math.min(throttleMs, limits.throttleMsMax));
  };
  const isCounted = quotas.meterName(key, client) !== null;
  const length = given.headers.get("content-length");
  let request = given;
  if (isCounted && key === "producer_byte_rate") {
    // What says that it is larger is refused, and what has no body may have its record in the path.
    if (length === "0" || (length === null && given.body === null)) hold(key, count(given.url.length));
    else if (length !== null) hold(key, count(Math.min(Number(length) || 0, limits.httpBodyBytesMax)));
    else if (given.body !== null) {
      // A body that is read as a whole has a deadline, so what follows it is held instead.
      const held = (bytes: number) => {
        hold(key, count(bytes));
        return 0;
      };
      const body = slowed(broker, given.body, recordStream.test(given.url) ? count : held);
      // Not made from `given`, which need not be one of Deno's own.
      const { url, method, headers, signal } = given;
      request = new Request(url, { method, headers, signal, body });
    }
  }
  timeRequest(request);
  const response = await timed(request, env, () => answer(request));
  if (request !== given) labelRoute(given, routeLabel(request));
  hold(
    "request_percentage",
    quotas.record("request_percentage", client, busyMsOf(request) / 10, env.mono()),
  );
  if (!isCounted || key !== "consumer_byte_rate" || response.body === null) return response;
  const { status, headers } = response;
  if (isStream(response)) return new Response(slowed(broker, response.body, count), { status, headers });
  const bytes = await response.bytes();
  hold(key, count(bytes.length));
  return new Response(bytes, { status, headers });
}

/** Whether the answer goes on for as long as somebody reads. */
function isStream({ headers }: Response): boolean {
  return headers.has("x-accel-buffering") || headers.get("content-type") === "text/event-stream";
}

/** The same bytes, no faster than `count` says: it returns for how many milliseconds to hold back. */
function slowed(
  { env }: Broker,
  body: ReadableStream<Uint8Array>,
  count: (bytes: number) => number,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const stopped = new AbortController();
  let pauseMs = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      // Before the next piece, not behind the last one.
      if (pauseMs > 0) await env.sleep(Math.min(pauseMs, limits.throttledStreamMsMax), stopped.signal);
      const { done, value } = await reader.read();
      if (done) return controller.close();
      pauseMs = count(value.byteLength);
      controller.enqueue(value);
    },
    async cancel(reason) {
      stopped.abort();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
