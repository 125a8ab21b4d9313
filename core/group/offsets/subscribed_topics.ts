/**
 * What the members of a group read, by topic name, as far as the coordinator can tell.
 * Source: Kafka's ClassicGroup.computeSubscribedTopics.
 */
import { DecodeError } from "../../../lib/bytes.ts";
import { decodeSubscription } from "../../../protocol/messages/consumer_protocol.ts";
import type { GroupTurn } from "../group_turn.ts";
import { subscribedNames } from "../modern/subscriptions.ts";
import { protocolMetadata } from "../classic/protocols.ts";

/** "unknown": there are members, and what they read cannot be told (yet): it may be anything. */
export function subscribedTopics({ state, topics: known }: GroupTurn): ReadonlySet<string> | "unknown" {
  const { consumer } = state;
  if (consumer !== null) {
    return new Set(consumer.record.members.flatMap((member) => subscribedNames(consumer, member, known)));
  }
  if (state.phase === "Empty") return new Set();
  if (state.protocolType !== "consumer" || state.protocolName === null) return "unknown";
  const topics = new Set<string>();
  try {
    for (const { stored } of state.members.values()) {
      const { topics: named } = decodeSubscription(protocolMetadata(stored, state.protocolName));
      for (const topic of named) topics.add(topic);
    }
  } catch (error) {
    // The assignor's bytes are the clients' own business.
    if (error instanceof DecodeError) return "unknown";
    throw error;
  }
  return topics;
}
