/**
 * What stands between a web page and the server: the checks of Host and Origin, and CORS.
 *
 * A page that a user of this machine has open can send requests here. By DNS rebinding it makes its own name point to this address: then
 * the Host is its name. From its own site it posts across: then Origin or Sec-Fetch-Site tell. Both are refused unless the
 * configuration names the host (`http.allowed.hosts`) or the origin (`http.cors.origins`). An address as Host is no
 * rebinding, since there is no name in it.
 *
 * Source: the Fetch standard (CORS, Sec-Fetch-*); RFC 9110 §7.2.
 */
import type { Broker } from "../actors/broker.ts";
import { isLoopbackHost } from "../lib/host_port.ts";
import { Problem, problemResponse } from "./problem.ts";

/** What a script on another origin may read besides the simple headers. */
const EXPOSED_HEADERS = [
  "allow",
  "etag",
  "location",
  "retry-after",
  "x-request-id",
  "stream-next-offset",
  "stream-cursor",
  "stream-up-to-date",
  "stream-closed",
  "stream-ttl",
  "stream-expires-at",
  "stream-sse-data-encoding",
  "producer-epoch",
  "producer-seq",
  "producer-expected-seq",
  "producer-received-seq",
  "idempotent-replayed",
  "kavka-next-offset",
  "kavka-high-watermark",
  "kavka-log-start-offset",
].join(", ");
const PREFLIGHT_SECONDS = 600;
/** Hosts and origins whose outcome is remembered; there are few in practice. */
const REMEMBERED_MAX = 256;

export interface BrowserGuardOptions {
  /** Whether the listener is for this machine only; else any host name is right until some are named. */
  readonly isLoopback: boolean;
}

export interface BrowserGuard {
  /** The answer instead of the API's, or null to go on. */
  check(request: Request): Response | null;
  /** The API's answer as the origin of the request may see it. */
  finish(request: Request, response: Response): Response;
}

export function browserGuard(broker: Broker, { isLoopback }: BrowserGuardOptions): BrowserGuard {
  const allowedHosts = listOf(broker.config("http.allowed.hosts")).map((host) => host.toLowerCase());
  const anyHost = allowedHosts.includes("*") || (!isLoopback && allowedHosts.length === 0);
  const origins = new Set(listOf(broker.config("http.cors.origins")));
  const anyOrigin = origins.has("*");
  const hosts = new Map<string, boolean>();

  function isAllowedHost(authority: string): boolean {
    const known = hosts.get(authority);
    if (known !== undefined) return known;
    // Routes read the URL, which has the Host in it as it was sent.
    const allowed = URL.canParse(`http://${authority}/`) &&
      (anyHost || namesThisServer(hostOf(authority), allowedHosts));
    if (hosts.size < REMEMBERED_MAX) hosts.set(authority, allowed);
    return allowed;
  }

  function isAllowedOrigin(origin: string): boolean {
    return anyOrigin || origins.has(origin);
  }

  return {
    check(request) {
      const { url, headers } = request;
      const start = url.indexOf("://") + 3;
      const authority = url.slice(start, url.indexOf("/", start));
      if (!isAllowedHost(authority)) {
        return refusal("The Host is none of this server's names: see http.allowed.hosts");
      }
      const origin = headers.get("origin");
      if (origin === null) {
        const site = headers.get("sec-fetch-site");
        if (site === null || site === "same-origin" || site === "none") return null;
        // A link that somebody follows; everything else from another site would have an Origin or is none of its business.
        const isNavigation = request.method === "GET" && headers.get("sec-fetch-mode") === "navigate";
        return isNavigation && !anyOrigin && !changesOnGet(url) || anyOrigin
          ? null
          : refusal("Requests from other sites are not accepted: see http.cors.origins");
      }
      if (isSameOrigin(origin, authority)) return null;
      if (!isAllowedOrigin(origin)) {
        // A preflight that names no origin is a refusal, and OPTIONS changes nothing.
        if (request.method === "OPTIONS") return null;
        return refusal("Requests of this origin are not accepted: see http.cors.origins");
      }
      const method = headers.get("access-control-request-method");
      if (request.method !== "OPTIONS" || method === null) return null;
      return new Response(null, {
        status: 204,
        headers: {
          ...originHeaders(origin),
          "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
          "access-control-allow-headers": headers.get("access-control-request-headers") ?? "content-type",
          "access-control-max-age": String(PREFLIGHT_SECONDS),
        },
      });
    },

    finish(request, response) {
      if (origins.size === 0) return response;
      const origin = request.headers.get("origin");
      if (origin === null || !isAllowedOrigin(origin)) {
        response.headers.append("vary", "origin");
        return response;
      }
      for (const [name, value] of Object.entries(originHeaders(origin))) response.headers.append(name, value);
      response.headers.set("access-control-expose-headers", EXPOSED_HEADERS);
      // The streams' answers are for pages of the same origin only, unless others are let in.
      if (response.headers.has("cross-origin-resource-policy")) {
        response.headers.set("cross-origin-resource-policy", "cross-origin");
      }
      return response;
    },
  };
}

function originHeaders(origin: string): Record<string, string> {
  return { "access-control-allow-origin": origin, "vary": "origin" };
}

function refusal(detail: string): Response {
  return problemResponse(new Problem(403, { detail }));
}

/** The one contract that changes something on GET: a link on another site must not do so. */
function changesOnGet(url: string): boolean {
  return url.startsWith("/produce/", url.indexOf("/", url.indexOf("://") + 3));
}

function isSameOrigin(origin: string, authority: string): boolean {
  return origin === `http://${authority}` || origin === `https://${authority}`;
}

/** Without port and brackets, in lower case. */
function hostOf(authority: string): string {
  const [, host = ""] = /^\[?([^\]]*?)\]?(?::\d*)?$/.exec(authority) ?? [];
  return host.toLowerCase();
}

function namesThisServer(host: string, allowed: readonly string[]): boolean {
  const isAddress = host.includes(":") || /^\d+\.\d+\.\d+\.\d+$/.test(host);
  return isAddress || isLoopbackHost(host) || host.endsWith(".localhost") || allowed.includes(host);
}

function listOf(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}
