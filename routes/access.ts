/**
 * Who may do what over HTTP: reads the key of a request, compares its hash with the stored one, and holds the route's need against the
 * key's scopes. Keys come as `Authorization: Bearer KEY`, as the password of Basic, or as a subprotocol of a WebSocket; nowhere else,
 * so never in a URL, which ends up in logs.
 */
import { createHash } from "node:crypto";
import type { Broker } from "../actors/broker.ts";
import {
  Access,
  fullAccess,
  isExpired,
  isSameHash,
  parseApiKey,
  type TopicAction,
} from "../core/access/api_key.ts";
import { accessRows, type Need } from "./access_table.ts";
import { compilePattern } from "./confluent/contract_router.ts";
import { Problem } from "./problem.ts";
import { pathOf } from "./url_path.ts";

export interface AccessOptions {
  /** The key that is there before any other; null for none. Its being there makes keys required. */
  readonly adminKey: string | null;
}

export interface AccessGuard {
  /** Whether requests need a key at all. */
  readonly isRequired: boolean;
  /** Null, or why the request is refused: 400, 401 or 403. */
  refusal(request: Request): Problem | null;
}

/** Whose key came with a request. */
export interface Caller {
  /** That nobody else has. */
  readonly id: string;
  readonly name: string;
}

interface Grant {
  readonly access: Access;
  readonly caller: Caller;
  /** Whether the key still is what it was. */
  isStillValid(): boolean;
}

const granted = new WeakMap<Request, Grant>();
/** Of the key that is there before any other; ids of keys have another form. */
const ADMIN: Caller = { id: "admin", name: "admin" };

/** Null where no key is needed. */
export function callerOf(request: Request): Caller | null {
  return granted.get(request)?.caller ?? null;
}

/** What the request may do, for handlers that find topics in the body. */
export function accessOf(request: Request): Access {
  return granted.get(request)?.access ?? fullAccess;
}

/** False once the key of the request was revoked or is over, for answers that last longer. */
export function isStillValid(request: Request): boolean {
  return granted.get(request)?.isStillValid() ?? true;
}

/** Why an answer that lasts is over, once its key is not valid any more. */
export function keyInvalid(): Problem {
  return unauthorized("The key is not valid any more");
}

/** Throws 403 unless the request may do this to the topic; null: to whichever. */
export function checkTopicAccess(request: Request, action: TopicAction, topic: string | null): void {
  if (!accessOf(request).allows(action, topic)) throw insufficient(action, topic);
}

const rows = accessRows.map((row) => ({ ...row, ...compilePattern(row.pattern) }));

/** What a route needs, with the names in its path; a path that is not in the table is for admins. */
export function needOf(method: string, path: string): { need: Need; topic: string | null } {
  const asked = method === "HEAD" ? "GET" : method;
  if (asked === "OPTIONS") return { need: "public", topic: null };
  for (const { method, need, shape, names } of rows) {
    if (method !== asked) continue;
    const values = shape.exec(path);
    if (values === null) continue;
    const at = names.indexOf("topic");
    return { need, topic: at === -1 ? null : decode(values[at + 1] ?? "") };
  }
  return { need: "admin", topic: null };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function accessGuard(broker: Broker, { adminKey }: AccessOptions): AccessGuard {
  const isRequired = adminKey !== null || broker.config("http.api.keys.required") === "true";
  const adminHash = adminKey === null ? null : sha256(adminKey);

  /** Null when the request's key is worth nothing. */
  function grantOfKey(text: string): Grant | null {
    if (adminHash !== null && isSameHash(sha256(text), adminHash)) {
      return { access: fullAccess, caller: ADMIN, isStillValid: () => true };
    }
    const parsed = parseApiKey(text);
    if (parsed === null) return null;
    const hash = sha256(parsed.secret);
    const key = broker.metadata.apiKeys.get(parsed.id);
    // Hashed all the same for an id that is not there, so that the time tells nothing.
    const isRight = isSameHash(hash, key?.secretHash ?? noHash);
    if (key === undefined || !isRight || isExpired(key, broker.env.now())) return null;
    return {
      access: new Access(key.scopes),
      caller: { id: parsed.id, name: key.name },
      // Ids are not used again, so the secret need not be looked at twice.
      isStillValid: () => broker.metadata.apiKeys.has(parsed.id) && !isExpired(key, broker.env.now()),
    };
  }

  return {
    isRequired,
    refusal(request) {
      if (!isRequired) return null;
      const path = pathOf(request.url);
      // What a proxy or a router may read otherwise is not judged but refused.
      if (/\/(\.|%2e)(\.|%2e)?(\/|$)/i.test(path)) {
        return new Problem(400, { detail: "The path has a dot segment" });
      }
      // `URL` takes it for a slash, so the router would see other segments than the table.
      if (path.includes("\\")) return new Problem(400, { detail: "The path has a backslash" });
      const { need, topic } = needOf(request.method, path);
      if (need === "public") return null;
      const text = keyOf(request);
      if (text === null) return unauthorized("A key is needed: Authorization: Bearer KEY");
      const grant = grantOfKey(text);
      if (grant === null) return unauthorized("The key is not valid");
      granted.set(request, grant);
      const { access } = grant;
      if (need === "any" || access.isAdmin) return null;
      if (need === "admin") return insufficient("admin", null);
      const actions: TopicAction[] = need.action === "describe" ? ["produce", "consume"] : [need.action];
      const isAllowed = actions.some((action) =>
        need.topic === "some"
          ? access.allowsSome(action)
          : access.allows(action, need.topic === "*" ? null : topic)
      );
      return isAllowed ? null : insufficient(need.action, need.topic === "some" ? null : topic);
    },
  };
}

const noHash = new Uint8Array(32);

function sha256(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/** The key as sent; null when there is none. */
function keyOf(request: Request): string | null {
  const header = request.headers.get("authorization");
  if (header === null) return keyOfSocket(request);
  const [, scheme = "", rest = ""] = /^(\S+) +(\S+)$/.exec(header.trim()) ?? [];
  switch (scheme.toLowerCase()) {
    case "bearer":
      return rest;
    case "basic":
      return passwordOf(rest);
    default:
      return null;
  }
}

/** A page cannot give its WebSocket a header but this one: `new WebSocket(url, ["kavka.live", "kavka.key.KEY"])`. */
function keyOfSocket({ headers }: Request): string | null {
  if (headers.get("upgrade")?.toLowerCase() !== "websocket") return null;
  const [, key = null] =
    /(?:^|,)\s*kavka\.key\.([^\s,]+)/.exec(headers.get("sec-websocket-protocol") ?? "") ?? [];
  return key;
}

function passwordOf(base64: string): string | null {
  try {
    const text = atob(base64);
    return text.slice(text.indexOf(":") + 1);
  } catch {
    return null;
  }
}

function unauthorized(detail: string): Problem {
  return new Problem(401, { detail, headers: { "www-authenticate": `Bearer realm="kavka"` } });
}

function insufficient(action: string, topic: string | null): Problem {
  const what = action === "admin"
    ? ""
    : topic === null
    ? " on every topic"
    : ` on ${JSON.stringify(topic.slice(0, 250))}`;
  return new Problem(403, {
    detail: `The key has not the scope for this: ${action}${what}`,
    headers: { "www-authenticate": `Bearer realm="kavka", error="insufficient_scope"` },
  });
}
