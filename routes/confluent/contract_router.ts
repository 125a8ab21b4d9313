/**
 * Routes of a contract that is given: patterns with `{name}` segments (`{name*}` for the whole rest), in which a colon may also come percent-encoded
 * (`records:batch`), and failures in the contract's own shape.
 */
import type { Broker } from "../../actors/broker.ts";
import { labelRoute } from "../route_label.ts";
import { Problem } from "../problem.ts";

export interface ContractRequest {
  readonly broker: Broker;
  readonly request: Request;
  readonly url: URL;
  /** What the pattern's names stand for, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Scheme, host, and what the contract is mounted at: links begin with it. */
  readonly base: string;
}

export interface ContractRoute {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** e.g. `/clusters/{cluster_id}/topics`. */
  readonly pattern: string;
  readonly handle: (request: ContractRequest) => Response | Promise<Response>;
}

export type ContractRouter = (
  broker: Broker,
  request: Request,
  mount: string,
) => Response | Promise<Response>;

/** The first route that fits answers. Throws 404 and 405 as problems, and what handlers throw. */
export function contractRouter(routes: readonly ContractRoute[]): ContractRouter {
  const compiled = routes.map((route) => ({ ...route, ...compilePattern(route.pattern) }));
  return (broker, request, mount) => {
    const url = new URL(request.url);
    const path = url.pathname.slice(mount.length);
    const method = request.method === "HEAD" ? "GET" : request.method;
    const allowed = new Set<string>();
    for (const route of compiled) {
      const values = route.shape.exec(path);
      if (values === null) continue;
      allowed.add(route.method);
      if (route.method !== method) continue;
      labelRoute(request, `${mount}${route.pattern}`);
      const params = Object.fromEntries(
        route.names.map((name, index) => [name, decode(values[index + 1] ?? "")]),
      );
      return route.handle({ broker, request, url, params, base: `${url.origin}${mount}` });
    }
    if (allowed.size === 0) throw new Problem(404, { detail: `HTTP 404 Not Found` });
    const allow = [...allowed].sort().join(", ");
    if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
    throw new Problem(405, { detail: "HTTP 405 Method Not Allowed", headers: { allow } });
  };
}

/** What a path must look like, and the names of its variable segments in order. */
export function compilePattern(
  pattern: string,
): { readonly shape: RegExp; readonly names: readonly string[] } {
  const names: string[] = [];
  const source = pattern
    .replaceAll(/[.+?^$()|[\]\\]/g, "\\$&")
    .replaceAll(/\{(\w+)(\*?)\}/g, (_, name: string, star: string) => {
      names.push(name);
      return star === "" ? "([^/]+)" : "(.+)";
    })
    .replaceAll(":", "(?::|%3[Aa])");
  return { shape: new RegExp(`^${source}/?$`), names };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Problem(400, { detail: "The path is not valid percent-encoding" });
  }
}

/** A number in a path; what is none names nothing. */
export function numberParam(text: string | undefined, what: string): number {
  if (text !== undefined && /^\d{1,10}$/.test(text)) return Number(text);
  throw new Problem(404, { detail: `${what} ${JSON.stringify((text ?? "").slice(0, 20))} is not a number` });
}
