/**
 * `Idempotency-Key`: a produce request that names itself is stored once, and repeated it is answered as it was first. What is kept of
 * it is stored with its records (`actors/atomic_producer.ts`); here is how it is known again, and that it is not under way.
 *
 * Source: the IETF draft "The Idempotency-Key HTTP Header Field". A key is known again for the same caller and the same route or
 * topic; a request is the same when it asks for the same records.
 */
import { createHash, type Hash } from "node:crypto";
import type { Broker } from "../actors/broker.ts";
import { limits } from "../core/config/limits.ts";
import { isSameBytes, type RequestKey } from "../core/transaction/kept_answer.ts";
import { callerOf } from "./access.ts";
import type { TopicRecord } from "./atomic_append.ts";
import { fieldProblem, Problem } from "./problem.ts";

const HEADER = "idempotency-key";
/** On an answer that was given before. */
export const REPLAYED_HEADER = "idempotent-replayed";

/** The key as sent; null for none. A quoted string, as the draft has it, is the same as the bare text. Throws 400. */
export function idempotencyKeyOf(headers: Headers): string | null {
  const given = headers.get(HEADER);
  if (given === null) return null;
  const quoted = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(given)?.[1];
  const key = quoted === undefined ? given : quoted.replaceAll(/\\(.)/g, "$1");
  if (key === "" || key.length > limits.idempotencyKeyLengthMax) {
    throw fieldProblem("Idempotency-Key", `expected 1 to ${limits.idempotencyKeyLengthMax} characters`);
  }
  if (!/^[\x20-\x7e]+$/.test(key) || (quoted === undefined && key.includes('"'))) {
    throw fieldProblem("Idempotency-Key", "expected a string in double quotes, of printable ASCII");
  }
  return key;
}

export function keyReused(): Problem {
  return new Problem(422, { detail: "The Idempotency-Key was used for another request" });
}

/** `scope`: the route or topic that the key is for. */
export function requestKey(
  request: Request,
  key: string,
  scope: string,
  records: readonly TopicRecord[],
): RequestKey {
  const whose = callerOf(request)?.id ?? "";
  return {
    hash: hashOf((hash) => [whose, scope, key].forEach((text) => addText(hash, text))),
    fingerprint: hashOf((hash) => records.forEach((record) => addRecord(hash, record))),
  };
}

function hashOf(add: (hash: Hash) => void): Uint8Array {
  const hash = createHash("sha256");
  add(hash);
  return new Uint8Array(hash.digest());
}

/** Each part with its length before it, so that no two requests are the same bytes. */
function addText(hash: Hash, text: string): void {
  addBytes(hash, new TextEncoder().encode(text));
}

function addBytes(hash: Hash, bytes: Uint8Array | null): void {
  hash.update(bytes === null ? "-;" : `${bytes.length};`);
  if (bytes !== null) hash.update(bytes);
}

function addRecord(hash: Hash, record: TopicRecord): void {
  const { topic, partition, timestamp, key = null, value, headers = [] } = record;
  addText(hash, topic.name);
  hash.update(`${partition ?? "-"};${timestamp ?? "-"};${headers.length};`);
  addBytes(hash, key);
  addBytes(hash, value);
  for (const header of headers) {
    addText(hash, header.key);
    addBytes(hash, header.value);
  }
}

/** Requests under way in this process, by broker and by key. */
const underWay = new WeakMap<Broker, Map<string, Uint8Array>>();

/**
 * Runs what the key is for, unless it is under way: then 409, or 422 when it is another request. That it runs once is not this
 * function's doing, only that nobody waits.
 */
export async function withKey<T>(broker: Broker, key: RequestKey, run: () => Promise<T>): Promise<T> {
  let keys = underWay.get(broker);
  if (keys === undefined) underWay.set(broker, keys = new Map());
  const name = key.hash.toString();
  const running = keys.get(name);
  if (running !== undefined) {
    if (!isSameBytes(running, key.fingerprint)) throw keyReused();
    throw new Problem(409, {
      detail: "The request with this Idempotency-Key is under way",
      headers: { "retry-after": "1" },
    });
  }
  keys.set(name, key.fingerprint);
  try {
    return await run();
  } finally {
    keys.delete(name);
  }
}
