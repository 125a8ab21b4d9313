/**
 * The settings of a client metrics subscription (KIP-714): which metrics, how often, of which clients.
 * Source: Kafka's `ClientMetricsConfigs`.
 */
import { RegexError } from "../../lib/parse_regex.ts";
import { TopicRegex } from "../group/regex/topic_regex.ts";
import type { ConfigDefinition } from "./config_definition.ts";

export interface ClientMetricsConfigDefinition extends ConfigDefinition {
  readonly default: string;
}

/** What a client is known by; `match` selects by these. */
export const CLIENT_MATCHERS = [
  "client_instance_id",
  "client_id",
  "client_software_name",
  "client_software_version",
  "client_source_address",
  "client_source_port",
] as const;
export type ClientMatcher = typeof CLIENT_MATCHERS[number];

/** Expressions by what they select; each is matched as a whole and in linear time. */
export type ClientMatch = ReadonlyMap<ClientMatcher, TopicRegex>;

/** Null when it cannot be read. */
export function parseClientMatch(value: string): ClientMatch | null {
  const match = new Map<ClientMatcher, TopicRegex>();
  if (value.trim() === "") return match;
  for (const pair of value.split(",")) {
    const equals = pair.indexOf("=");
    const name = CLIENT_MATCHERS.find((each) => each === pair.slice(0, equals).trim());
    const pattern = pair.slice(equals + 1).trim();
    if (equals < 0 || name === undefined) return null;
    try {
      match.set(name, new TopicRegex(pattern));
    } catch (error) {
      if (error instanceof RegexError) return null;
      throw error;
    }
  }
  return match;
}

const definitions: readonly ClientMetricsConfigDefinition[] = [
  {
    name: "interval.ms",
    type: "INT",
    default: "300000",
    effect: "now",
    documentation: "Time between two pushes of a client, from 100 ms to an hour.",
  },
  {
    name: "match",
    type: "LIST",
    default: "",
    check: (value) => parseClientMatch(value) === null ? "illegal client matching pattern" : null,
    effect: "now",
    documentation: "Which clients: pairs of a selector and an expression; empty for all.",
  },
  {
    name: "metrics",
    type: "LIST",
    default: "",
    effect: "now",
    documentation: "Prefixes of the metrics' names; * for all, empty for none.",
  },
];

/** By name, sorted. */
export const clientMetricsConfigDefinitions: ReadonlyMap<string, ClientMetricsConfigDefinition> = new Map(
  definitions.map((definition) => [definition.name, definition]),
);

/** Like Kafka's, which is checked apart from the other rules: what is wrong with `interval.ms`, or null. */
export function intervalFault(configs: Readonly<Record<string, string>>): string | null {
  const interval = configs["interval.ms"];
  if (interval === undefined) return null;
  return Number(interval) < 100 || Number(interval) > 3_600_000
    ? `Invalid value ${interval} for interval.ms: expected 100 to 3600000`
    : null;
}
