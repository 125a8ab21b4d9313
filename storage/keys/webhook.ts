/**
 * The keys of webhooks, `["w", …]`.
 *
 * ```
 * ["w", "d", name]                      webhook
 * ["w", "t", name, topicId, partition]  a batch of it that failed, until it is done
 * ```
 * Owner: `webhook_store.ts`. How far a webhook has got is in its consumer group, as committed offsets.
 *
 * Value v1 of both: version, then the value as JSON (`core/webhook/`). The secret that requests are signed with is part of it, as it is.
 */
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { uuidBytes, uuidText } from "./uuid.ts";

export const webhooksPrefix: KvKey = [FAMILY.webhook, "d"];

export function webhookKey(name: string): KvKey {
  return [...webhooksPrefix, name];
}

export function webhookTroublesPrefix(name: string): KvKey {
  return [FAMILY.webhook, "t", name];
}

export function webhookTroubleKey(name: string, topicId: string, partition: number): KvKey {
  return [...webhookTroublesPrefix(name), uuidBytes(topicId), partition];
}

export function placeOfTroubleKey(key: KvKey): { readonly topicId: string; readonly partition: number } {
  return { topicId: uuidText(key[3] as Uint8Array), partition: key[4] as number };
}
