/** Which topic names are legal. Source: Kafka's `Topic` class (letters, digits, `.`, `_`, `-`; at most 249). */
import { limits } from "./limits.ts";

/** Topics that a cluster keeps for itself; clients may not produce to them. */
export const internalTopicNames: ReadonlySet<string> = new Set([
  "__consumer_offsets",
  "__transaction_state",
  "__share_group_state",
]);

/** What is wrong with a topic name, in a sentence without a full stop, or null. */
export function topicNameFault(name: string): string | null {
  if (name === "") return "Topic name is empty";
  if (name === "." || name === "..") return `Topic name must not be "${name}"`;
  if (name.length > limits.topicNameLengthMax) {
    return `Topic name is too long: ${name.length} characters, at most ${limits.topicNameLengthMax}`;
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return "Topic name has characters other than ASCII letters, digits, '.', '_' and '-'";
  }
  return null;
}

/** Names that share a metric name because `.` and `_` are one there: `a.b` and `a_b`. */
export function topicNameCollisionKey(name: string): string {
  return name.replaceAll(".", "_");
}

/** The existing topic that a new one would collide with, or null. Linear in the number of topics. */
export function collidingTopicName(name: string, existing: Iterable<string>): string | null {
  if (!/[._]/.test(name)) return null;
  const key = topicNameCollisionKey(name);
  for (const other of existing) {
    if (other !== name && topicNameCollisionKey(other) === key) return other;
  }
  return null;
}
