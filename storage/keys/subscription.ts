/**
 * The keys of subscriptions to streams, `["d", "q", …]`.
 *
 * ```
 * ["d", "q", "h"]             head of the shard                         shard_head.ts
 * ["d", "q", "s", id]         subscription                              here
 * ["d", "q", "l", id, path]   what it has acknowledged of a stream      here
 * ["d", "q", "k"]             the key that webhooks are signed with     here
 * ```
 * Owner: `subscription_store.ts`.
 *
 * Value v1 of a subscription and of the key: version, then the value as JSON (the key as a JWK). Of a link: version, whether it is
 * explicit, acknowledged offset (int64).
 */
import type { StreamLink } from "../../core/stream/subscription.ts";
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

const VERSION = 1;

export const subscriptionHeadKey: KvKey = [FAMILY.stream, "q", "h"];
export const subscriptionsPrefix: KvKey = [FAMILY.stream, "q", "s"];
export const subscriptionLinksPrefix: KvKey = [FAMILY.stream, "q", "l"];
export const signingKeyKey: KvKey = [FAMILY.stream, "q", "k"];

export function subscriptionKey(id: string): KvKey {
  return [...subscriptionsPrefix, id];
}

export function subscriptionLinkKey(id: string, path: string): KvKey {
  return [...subscriptionLinksPrefix, id, path];
}

export function placeOfLinkKey(key: KvKey): { readonly id: string; readonly path: string } {
  return { id: key[3] as string, path: key[4] as string };
}

export function encodeJsonValue(value: unknown): Uint8Array {
  return encodeValue(VERSION, (writer) => writer.compactString(JSON.stringify(value)));
}

export function decodeJsonValue(what: string, bytes: Uint8Array): unknown {
  return JSON.parse(decodeValue(what, VERSION, bytes, (reader) => reader.compactString()));
}

export function encodeLink({ explicit, ackedOffset }: StreamLink): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.bool(explicit);
    writer.int64(ackedOffset);
  });
}

export function decodeLink(bytes: Uint8Array): StreamLink {
  return decodeValue("link of a subscription", VERSION, bytes, (reader) => ({
    explicit: reader.bool(),
    ackedOffset: reader.int64(),
  }));
}
