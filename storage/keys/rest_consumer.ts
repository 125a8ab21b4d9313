/**
 * `["r", groupId, instanceId]`: a consumer that lives on the server. Owner: `rest_consumer_store.ts`.
 *
 * Value v1: version, then the consumer as JSON (`core/rest_consumer/rest_consumer.ts`).
 */
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";

export function restConsumerKey(groupId: string, instanceId: string): KvKey {
  return [FAMILY.restConsumer, groupId, instanceId];
}
