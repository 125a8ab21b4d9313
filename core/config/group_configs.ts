/**
 * The settings of one group (KIP-848, KIP-932): over those of the server, within the server's bounds.
 *
 * Source: names, types, defaults and bounds of Kafka 4.3's `GroupConfig` and `GroupCoordinatorConfig`; those of streams
 * groups, which are not served, are left out.
 */
import { parseOffsetReset } from "../share/resolve_config.ts";
import type { ConfigDefinition, ServerConfigReader } from "./config_definition.ts";

export interface GroupConfigDefinition extends ConfigDefinition {
  readonly default: string;
  /** The server-wide setting that fills in, and its bounds; null for those that only a group has. */
  readonly server: { readonly name: string; readonly min: string | null; readonly max: string | null } | null;
}

function bounded(
  name: string,
  fallback: string,
  rest: Pick<GroupConfigDefinition, "min" | "effect" | "documentation">,
): GroupConfigDefinition {
  const [protocol = "", ...words] = name.split(".");
  const bound = (which: "min" | "max") => `group.${protocol}.${which}.${words.join(".")}`;
  const server = { name: `group.${name}`, min: bound("min"), max: bound("max") };
  return { name, type: "INT", default: fallback, server, ...rest };
}

const definitions: readonly GroupConfigDefinition[] = [
  bounded("consumer.assignment.interval.ms", "1000", {
    min: 0,
    effect: "none",
    documentation: "Shortest time between two assignments that the coordinator computes.",
  }),
  bounded("consumer.heartbeat.interval.ms", "5000", {
    min: 1,
    effect: "now",
    documentation: "Time between two heartbeats of a member of the consumer protocol.",
  }),
  bounded("consumer.session.timeout.ms", "45000", {
    min: 1,
    effect: "now",
    documentation: "Time after which a silent member of the consumer protocol is out of the group.",
  }),
  bounded("share.assignment.interval.ms", "1000", {
    min: 0,
    effect: "none",
    documentation: "Shortest time between two assignments that the coordinator computes.",
  }),
  {
    name: "share.auto.offset.reset",
    type: "STRING",
    default: "latest",
    check: (value) =>
      parseOffsetReset(value) === null
        ? "expected earliest, latest or by_duration: and a duration of the form PnDTnHnMn.nS"
        : null,
    server: null,
    effect: "now",
    documentation: "Where a share group begins in a partition that it never read.",
  },
  bounded("share.delivery.count.limit", "5", {
    min: 2,
    effect: "now",
    documentation: "How often a record is delivered to a share group before it is given up.",
  }),
  bounded("share.heartbeat.interval.ms", "5000", {
    min: 1,
    effect: "now",
    documentation: "Time between two heartbeats of a member of a share group.",
  }),
  {
    name: "share.isolation.level",
    type: "STRING",
    default: "read_uncommitted",
    oneOf: ["read_committed", "read_uncommitted"],
    server: null,
    effect: "now",
    documentation: "Whether a share group sees records of transactions that are not committed.",
  },
  bounded("share.partition.max.record.locks", "2000", {
    min: 100,
    effect: "now",
    documentation: "Records of one partition that a share group may hold at once.",
  }),
  bounded("share.record.lock.duration.ms", "30000", {
    min: 1_000,
    effect: "now",
    documentation: "How long a member of a share group holds a record before others may get it.",
  }),
  {
    name: "share.renew.acknowledge.enable",
    type: "BOOLEAN",
    default: "true",
    server: null,
    effect: "now",
    documentation: "Whether a member of a share group may ask to hold a record for longer.",
  },
  bounded("share.session.timeout.ms", "45000", {
    min: 1,
    effect: "now",
    documentation: "Time after which a silent member of a share group is out of it.",
  }),
];

/** By name, sorted. */
export const groupConfigDefinitions: ReadonlyMap<string, GroupConfigDefinition> = new Map(
  definitions.map((definition) => [definition.name, definition]),
);

/** What is wrong with the settings of a group as the server's bounds have it, in a sentence, or null. */
export function groupBoundsFault(
  configs: Readonly<Record<string, string>>,
  server: ServerConfigReader,
): string | null {
  for (const [name, value] of Object.entries(configs)) {
    const bounds = groupConfigDefinitions.get(name)?.server;
    if (bounds === undefined || bounds === null) continue;
    const { min, max } = bounds;
    if (min !== null && server(min) !== "" && Number(value) < Number(server(min))) {
      return `${name} must be at least ${min} (${server(min)})`;
    }
    if (max !== null && server(max) !== "" && Number(value) > Number(server(max))) {
      return `${name} must be at most ${max} (${server(max)})`;
    }
  }
  return null;
}
