/**
 * The HTTP door: answers the probes itself and hands the rest to the API, which it loads when it is first needed or
 * when `warmUp` is called after the start. So a server is ready before zod and the OpenAPI generator are.
 */
import type { Broker } from "../actors/broker.ts";
import type { UpgradeWebSocket } from "../lib/server_socket.ts";
import { limits } from "../core/config/limits.ts";
import { knownResponse } from "../lib/known_body.ts";
import type { Api } from "./api.ts";
import { browserGuard } from "./browser_guard.ts";
import { headOf } from "./head_answer.ts";
import { Problem, problemResponse } from "./problem.ts";
import { routeLabel } from "./route_label.ts";
import { compressResponse } from "./response_compression.ts";
import { pathOf } from "./url_path.ts";

export interface HttpAppOptions {
  /** Kavka's version. */
  readonly version: string;
  /** Whether the listener is for this machine only, as it is by default. */
  readonly isLoopback?: boolean;
  /** A key that may do everything, and with which keys are required. Default none. */
  readonly adminKey?: string | null;
  /** Makes a request a WebSocket. Default none: then a request for one is answered as any other. */
  readonly upgradeWebSocket?: UpgradeWebSocket | null;
}

export interface HttpApp {
  /** Never rejects and never shows a stack trace. */
  fetch(request: Request): Response | Promise<Response>;
  /** Loads the API. To be called in the background once the server is ready. */
  warmUp(): Promise<void>;
  /** The server stops: ends what would last. Resolves when the last reader has been told; the caller brings the deadline. */
  endStreams(): Promise<void>;
}

export function httpApp(broker: Broker, options: HttpAppOptions): HttpApp {
  const { version, isLoopback = true, adminKey = null, upgradeWebSocket = null } = options;
  const guard = browserGuard(broker, { isLoopback });
  let loaded: Api | null = null;
  let loading: Promise<Api> | null = null;

  function load(): Promise<Api> {
    loading ??= import("./api.ts").then(({ createApi }) =>
      loaded = createApi(broker, { version, adminKey, upgradeWebSocket })
    );
    return loading;
  }

  async function answer(request: Request): Promise<Response> {
    const path = pathOf(request.url);
    if (path === "/healthz" || path === "/readyz") return probe(request.method, path, broker);
    const startedMs = broker.env.mono();
    const response = await (loaded ?? await load()).fetch(request);
    count(broker, request, response, startedMs);
    return guard.finish(request, await compressResponse(request, response));
  }

  async function cut(answered: Response | Promise<Response>): Promise<Response> {
    return headOf(await answered);
  }

  return {
    fetch(request) {
      if (request.url.length > limits.httpUrlLengthMax) {
        return problemResponse(
          new Problem(414, { detail: `The URL is longer than ${limits.httpUrlLengthMax} characters` }),
        );
      }
      const answered = guard.check(request) ?? answer(request);
      return request.method === "HEAD" ? cut(answered) : answered;
    },
    async warmUp() {
      await load();
    },
    async endStreams() {
      await loaded?.endStreams();
    },
  };
}

const countedMethods: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
]);

function count(
  { env, metrics, tracer }: Broker,
  request: Request,
  { status }: Response,
  startedMs: number,
): void {
  const route = routeLabel(request);
  const method = countedMethods.has(request.method) ? request.method : "other";
  metrics.httpRequests.add(1, route, method, String(status));
  metrics.httpSeconds.observe((env.mono() - startedMs) / 1_000, route);
  if (tracer !== null) tracer.nameActive(`${method} ${route}`, { "kavka.route": route });
  if (method === "GET") return;
  const length = Number(request.headers.get("content-length") ?? "0");
  if (length > 0) metrics.httpReceivedBytes.add(length);
}

function probe(method: string, path: "/healthz" | "/readyz", broker: Broker): Response {
  if (method !== "GET" && method !== "HEAD") {
    return problemResponse(new Problem(405, { headers: { allow: "GET, HEAD" } }));
  }
  if (path === "/readyz" && !broker.ready) {
    return problemResponse(new Problem(503, { detail: "The broker is not ready" }));
  }
  if (path === "/readyz" && broker.storeFault !== null) {
    return problemResponse(new Problem(503, { detail: `${broker.storeFault}. What is stored can be read.` }));
  }
  const status = path === "/healthz" ? "ok" : "ready";
  return knownResponse(JSON.stringify({ status }), {
    headers: { "content-type": "application/json", "cache-control": "no-store" },
  });
}
