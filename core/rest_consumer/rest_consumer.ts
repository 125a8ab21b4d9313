/**
 * Consumers that live on the server, as REST v2 has them: what is kept of one, which topics it wants, and how a group's leader
 * among them shares out partitions. Pure.
 *
 * Source: Confluent's documentation of API v2; the assignment is Kafka's RangeAssignor.
 */
import { RegexError } from "../../lib/parse_regex.ts";
import type { MetadataImage } from "../cluster/metadata_image.ts";
import { internalTopicNames } from "../config/topic_name.ts";
import { TopicRegex } from "../group/regex/topic_regex.ts";

export interface RestConsumerConfig {
  readonly format: "binary" | "json" | "text";
  readonly autoOffsetReset: "earliest" | "latest" | "none";
  readonly autoCommit: boolean;
  /** How long a request for records waits when it does not say. */
  readonly requestTimeoutMs: number;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** By group membership (names or a pattern), or by hand. */
export type Interest =
  | { readonly type: "none" }
  | { readonly type: "topics"; readonly topics: readonly string[] }
  | { readonly type: "pattern"; readonly pattern: string }
  | { readonly type: "assigned"; readonly partitions: readonly TopicPartition[] };

export interface RestConsumer {
  readonly config: RestConsumerConfig;
  readonly interest: Interest;
  /** In its group, to come back as the same member; "" while it has none. */
  readonly memberId: string;
}

/** Why a pattern is none, or null. */
export function patternFault(pattern: string): string | null {
  try {
    new TopicRegex(pattern);
    return null;
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    return error.message;
  }
}

/** The topics that a subscription means now; internal ones by name only. */
export function subscribedTopics(interest: Interest, { topicsByName }: MetadataImage): string[] {
  switch (interest.type) {
    case "topics":
      return [...interest.topics];
    case "pattern": {
      // It was checked when it was set; what an older version took beyond today's language means nothing.
      if (patternFault(interest.pattern) !== null) return [];
      const regex = new TopicRegex(interest.pattern);
      return [...topicsByName.keys()].filter((name) => !internalTopicNames.has(name) && regex.matches(name));
    }
    case "none":
    case "assigned":
      return [];
  }
}

export interface SubscribedMember {
  readonly memberId: string;
  readonly topics: readonly string[];
}

/** Of each topic every subscriber gets a range; the first ones get one more where it does not come out even. */
export function assignRanges(
  members: readonly SubscribedMember[],
  partitionCountOf: (topic: string) => number,
): Map<string, Map<string, number[]>> {
  const assigned = new Map(members.map(({ memberId }) => [memberId, new Map<string, number[]>()]));
  for (const topic of new Set(members.flatMap(({ topics }) => topics))) {
    const takers = members.filter(({ topics }) => topics.includes(topic)).map(({ memberId }) => memberId)
      .sort();
    const count = partitionCountOf(topic);
    let next = 0;
    for (const [index, memberId] of takers.entries()) {
      const share = Math.floor(count / takers.length) + (index < count % takers.length ? 1 : 0);
      if (share > 0) assigned.get(memberId)?.set(topic, Array.from({ length: share }, (_, k) => next + k));
      next += share;
    }
  }
  return assigned;
}
