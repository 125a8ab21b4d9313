/**
 * The section of docs/compatibility.md about a broker's settings: which of Apache Kafka's Kavka knows, and why the others are
 * absent. `deno run --allow-read --allow-write tests/broker_settings.ts` writes it; broker_settings_test.ts compares.
 *
 * Kafka's names, types and defaults are those of `KafkaConfig.configDef` in Kafka 4.3.1, without its internal ones.
 */
import { brokerConfigDefinitions } from "../core/config/broker_configs.ts";
import type { ConfigDefinition } from "../core/config/config_definition.ts";

const DOCUMENT = new URL("../docs/compatibility.md", import.meta.url);
const KAFKA_SETTINGS = new URL("fixtures/broker_settings/kafka_4_3_1.tsv", import.meta.url);
const BEGIN = "<!-- settings begin: tests/broker_settings.ts writes them -->";
const END = "<!-- settings end -->";

export interface KafkaSetting {
  readonly name: string;
  readonly type: string;
  /** "" where there is none. */
  readonly default: string;
}

export async function kafkaSettings(): Promise<KafkaSetting[]> {
  const lines = (await Deno.readTextFile(KAFKA_SETTINGS)).trimEnd().split("\n");
  return lines.map((line) => {
    const [name = "", type = "", fallback = ""] = line.split("\t");
    return { name, type, default: fallback };
  });
}

/** Of Kafka's, but not in its `configDef`: they are set while the broker runs. */
const DYNAMIC_ONLY: ReadonlySet<string> = new Set([
  "follower.replication.throttled.rate",
  "leader.replication.throttled.rate",
  "replica.alter.log.dirs.io.max.bytes.per.second",
]);

/** Why Kavka does not know settings; the first pattern that fits counts. `x.*` is a beginning. */
export const ABSENT: readonly { readonly why: string; readonly patterns: readonly string[] }[] = [
  {
    why: "Authentication, encryption and access control of Kafka's listeners, not served yet",
    patterns: [
      "sasl.*",
      "ssl.*",
      "security.providers",
      "principal.builder.class",
      "delegation.token.*",
      "connection.failed.authentication.delay.ms",
      "connections.max.reauth.ms",
      "early.start.listeners",
    ],
  },
  { why: "Tiered storage", patterns: ["remote.*", "follower.fetch.last.tiered.offset.enable"] },
  { why: "Groups of Kafka Streams' own protocol, not served", patterns: ["group.streams.*"] },
  {
    why: "The controllers' quorum and its log: the supervisor is part of the broker",
    patterns: [
      "controller.*",
      "metadata.*",
      "initial.broker.registration.timeout.ms",
    ],
  },
  {
    why: "Copies of partitions and moves between brokers or directories",
    patterns: [
      "replica.*",
      "replication.*",
      "alter.log.dirs.replication.*",
      "leader.imbalance.check.interval.seconds",
      "num.replica.alter.log.dirs.threads",
      "cordoned.log.dirs",
      "log.dir.failure.timeout.ms",
    ],
  },
  {
    why:
      "Internal topics and their coordinators: here groups, transactions and queues are actors with state of their own",
    patterns: [
      "group.coordinator.*",
      "share.coordinator.*",
      "offsets.load.buffer.size",
      "transaction.state.log.load.buffer.size",
      "transaction.abort.timed.out.transaction.cleanup.interval.ms",
      "transaction.remove.expired.transaction.cleanup.interval.ms",
      "add.partitions.to.txn.*",
    ],
  },
  {
    why: "Threads, buffers and files that are not there",
    patterns: [
      "delete.records.purgatory.*",
      "fetch.purgatory.*",
      "producer.purgatory.*",
      "share.fetch.purgatory.*",
      "log.cleaner.io.*",
      "log.flush.start.offset.checkpoint.interval.ms",
      "queued.max.request.bytes",
      "socket.*",
    ],
  },
  {
    why: "Java classes, and metrics by JMX (`/metrics` takes their place)",
    patterns: [
      "client.quota.callback.class",
      "config.providers",
      "kafka.metrics.*",
      "metrics.*",
    ],
  },
  {
    why:
      "Fixed here: connections an address may open (set a quota of `ips`), partitions of one page (2,000), checks of a " +
      "transaction's partitions (always), two-phase commit (never)",
    patterns: [
      "max.connection.creation.rate",
      "max.connections.per.ip.overrides",
      "max.request.partition.size.limit",
      "transaction.partition.verification.enable",
      "transaction.two.phase.commit.enable",
    ],
  },
];

export function fits(name: string, pattern: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** The text between the marks. Throws an Error about a setting of Kafka's that is neither known nor accounted for. */
export function settingsSection(
  kafka: readonly KafkaSetting[],
  known: ReadonlyMap<string, Pick<ConfigDefinition, "effect" | "documentation">> = brokerConfigDefinitions,
): string {
  const isKafkas = new Set(kafka.map(({ name }) => name));
  const absent = kafka.map(({ name }) => name).filter((name) => !known.has(name));
  const counts = ABSENT.map(() => 0);
  for (const name of absent) {
    const row = ABSENT.findIndex(({ patterns }) => patterns.some((pattern) => fits(name, pattern)));
    if (row < 0) throw new Error(`Cannot say why setting "${name}" is absent: no reason fits it`);
    counts[row] = (counts[row] ?? 0) + 1;
  }
  const all = [...known].map(([name, { effect, documentation }]) => ({ name, effect, documentation }));
  const kafkas = all.filter(({ name }) => isKafkas.has(name) || DYNAMIC_ONLY.has(name));
  const names = (effect: string) =>
    kafkas.filter((each) => each.effect === effect).map(({ name }) => `\`${name}\``);
  const others = all.filter((each) => !kafkas.includes(each));
  const ofKafka3 = others.filter(({ name }) => name.startsWith("zookeeper.")).map(({ name }) =>
    `\`${name}\``
  );
  const own = others.filter(({ name }) => !name.startsWith("zookeeper.")).map(({ name }) => `\`${name}\``);
  const [obeyed, accepted] = [names("now"), names("none")];
  const rows = ABSENT.map(({ why, patterns }, index) =>
    `| ${why} | ${counts[index]} | ${patterns.map((pattern) => `\`${pattern}\``).join(", ")} |`
  );
  return [
    `Apache Kafka 4.3.1 has ${kafka.length} settings of a broker that are not internal, and ${DYNAMIC_ONLY.size} that are only set ` +
    `while it runs. Kavka knows ${kafkas.length} of them: DescribeConfigs tells these, with Kafka's type and default but for addresses, the node's number and metric.reporters.`,
    `**Obeyed (${obeyed.length}):** ${obeyed.join(", ")}.`,
    `**Accepted without effect (${accepted.length}):** ${accepted.join(", ")}.`,
    `**Absent (${absent.length}).** In a file they are a warning at the start; DescribeConfigs does not tell them, and to alter them ` +
    "is INVALID_REQUEST.",
    ["| why | settings | which |", "| --- | ---: | --- |", ...rows].join("\n"),
    `**Kavka's own (${own.length}):** ${own.join(", ")}. **Of Kafka 3, accepted:** ${ofKafka3.join(", ")}.`,
  ].join("\n\n");
}

/** The section as it stands in the document, with every run of white space and every row of dashes as one. */
export async function documentedSection(): Promise<string> {
  const [begin, end, text] = await marks();
  return squeezed(text.slice(begin, end));
}

/** Layout is the formatter's. */
export function squeezed(text: string): string {
  return text.replaceAll(/-{3,}:?/g, "---").replaceAll(/\s+/g, " ").trim();
}

async function marks(): Promise<[number, number, string]> {
  const text = await Deno.readTextFile(DOCUMENT);
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error("Cannot find the section of settings: its marks are missing");
  return [begin + BEGIN.length, end, text];
}

if (import.meta.main) {
  const [begin, end, text] = await marks();
  const section = settingsSection(await kafkaSettings());
  await Deno.writeTextFile(DOCUMENT, `${text.slice(0, begin)}\n\n${section}\n\n${text.slice(end)}`);
  console.log("written; deno fmt docs/compatibility.md lays it out");
}
