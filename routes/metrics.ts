/**
 * `/metrics`: what the server counts, and what its actors tell of themselves at this moment, as OpenMetrics text.
 *
 * Source: OpenMetrics 1.0. Series that clients can make more of (partitions, groups) are bounded; how many were left out is told.
 */
import type { Broker } from "../actors/broker.ts";
import { partitionOfKey } from "../actors/partition.ts";
import type { ActorSnapshot } from "../actors/runtime/types.ts";
import { knownResponse } from "../lib/known_body.ts";
import { type Family, gauge, type Labels, openMetricsText } from "../lib/metrics.ts";

const PARTITIONS_MAX = 2_000;
const GROUPS_MAX = 200;
const LAGS_MAX = 2_000;
const LAG_DEADLINE_MS = 2_000;

type Sampled = { readonly labels: Labels; readonly value: number };

export async function metricsResponse(broker: Broker, version: string): Promise<Response> {
  return knownResponse(openMetricsText(await metricFamilies(broker, version)), {
    headers: {
      "content-type": "application/openmetrics-text; version=1.0.0; charset=utf-8",
      "cache-control": "no-store",
    },
  });
}

/** All that is told, the same families in the same order each time. */
export async function metricFamilies(broker: Broker, version: string): Promise<Family[]> {
  const actors = broker.inspect();
  const lags = await groupLags(broker, actors);
  return [
    gauge("kavka_info", "This server", [{ labels: { version }, value: 1 }]),
    gauge("kavka_ready", "Whether requests are served", [{ labels: {}, value: broker.ready ? 1 : 0 }]),
    gauge("kavka_topics", "Topics", [{ labels: {}, value: broker.metadata.topicsByName.size }]),
    gauge("kavka_live_tails", "Live tails over HTTP that are open", [
      { labels: {}, value: broker.metrics.liveTails },
    ]),
    ...broker.metrics.families(),
    ...actorFamilies(actors),
    ...partitionFamilies(broker, actors),
    ...groupFamilies(actors),
    webhookStates(actors),
    gauge(
      "kavka_group_lag_records",
      "Records between a group's committed offset and the end of the partition",
      lags,
    ),
  ];
}

function actorFamilies(actors: readonly ActorSnapshot[]): Family[] {
  const kinds = new Map<
    string,
    { count: number; depth: number; deepest: number; restarts: number; staged: number }
  >();
  for (const { kind, mailboxLength, restartCount, stagedEffectCount } of actors) {
    const sum = kinds.get(kind) ?? { count: 0, depth: 0, deepest: 0, restarts: 0, staged: 0 };
    sum.count++;
    sum.depth += mailboxLength;
    sum.deepest = Math.max(sum.deepest, mailboxLength);
    sum.restarts += restartCount;
    sum.staged += stagedEffectCount;
    kinds.set(kind, sum);
  }
  const of = (name: "count" | "depth" | "deepest" | "restarts" | "staged"): Sampled[] =>
    Array.from(kinds, ([actor, sums]) => ({ labels: { actor }, value: sums[name] }));
  return [
    gauge("kavka_actors", "Live actors", of("count")),
    gauge("kavka_actor_mailbox_messages", "Messages that wait for their actor", of("depth")),
    gauge(
      "kavka_actor_mailbox_deepest_messages",
      "Messages in the fullest mailbox of the kind",
      of("deepest"),
    ),
    gauge("kavka_actor_staged_effects", "Effects that are not yet durable", of("staged")),
    gauge("kavka_actor_restarts", "Restarts of the live actors", of("restarts")),
  ];
}

function partitionFamilies({ metadata }: Broker, actors: readonly ActorSnapshot[]): Family[] {
  const start: Sampled[] = [];
  const end: Sampled[] = [];
  const size: Sampled[] = [];
  let leftOut = 0;
  for (const { kind, key, details } of actors) {
    if (kind !== "partition") continue;
    const { topicId, partition } = partitionOfKey(key);
    const topic = metadata.topicsById.get(topicId)?.name;
    if (topic === undefined) continue;
    if (end.length >= PARTITIONS_MAX) {
      leftOut++;
      continue;
    }
    const labels = { topic, partition: String(partition) };
    start.push({ labels, value: Number(details["logStartOffset"] ?? NaN) });
    end.push({ labels, value: Number(details["highWatermark"] ?? NaN) });
    size.push({ labels, value: Number(details["sizeBytes"] ?? NaN) });
  }
  return [
    gauge("kavka_partition_log_start_offset", "First offset of a live partition", start),
    gauge("kavka_partition_high_watermark", "Offset behind the last durable record of a live partition", end),
    gauge("kavka_partition_size_bytes", "Bytes of a live partition", size),
    gauge("kavka_metrics_left_out_partitions", "Live partitions beyond the bound of this page", [
      { labels: {}, value: leftOut },
    ]),
  ];
}

function groupFamilies(actors: readonly ActorSnapshot[]): Family[] {
  const states = new Map<string, number>();
  for (const { kind, details } of actors) {
    if (kind !== "consumer_group" || details["exists"] === false) continue;
    const state = String(details["state"] ?? "Unknown");
    states.set(state, (states.get(state) ?? 0) + 1);
  }
  const samples = Array.from(states, ([state, value]) => ({ labels: { state }, value }));
  return [gauge("kavka_groups", "Live consumer groups by state", samples)];
}

function webhookStates(actors: readonly ActorSnapshot[]): Family {
  const states = new Map<string, number>();
  for (const { kind, details } of actors) {
    if (kind !== "webhook" || details["state"] === "absent") continue;
    const state = String(details["state"] ?? "unknown");
    states.set(state, (states.get(state) ?? 0) + 1);
  }
  const samples = Array.from(states, ([state, value]) => ({ labels: { state }, value }));
  return gauge("kavka_webhooks", "Webhooks by state: active, failing, joining, paused", samples);
}

/** Of the groups that are live: asking must not wake thousands. A group that does not answer is left out. */
async function groupLags(broker: Broker, actors: readonly ActorSnapshot[]): Promise<Sampled[]> {
  const ends = new Map<string, number>();
  for (const { kind, key, details } of actors) {
    if (kind === "partition") ends.set(key, Number(details["highWatermark"] ?? NaN));
  }
  const groups = actors.filter(({ kind, details }) =>
    kind === "consumer_group" && details["exists"] !== false
  )
    .slice(0, GROUPS_MAX);
  const lags = await Promise.all(groups.map(({ key }) => lagsOf(broker, key, ends)));
  return lags.flat().slice(0, LAGS_MAX);
}

async function lagsOf(broker: Broker, group: string, ends: ReadonlyMap<string, number>): Promise<Sampled[]> {
  try {
    const result = await broker.group(group).ask({
      type: "offsetFetch",
      partitions: null,
      memberId: null,
      memberEpoch: -1,
      requireStable: false,
    }, { deadlineMs: LAG_DEADLINE_MS });
    if (result.error !== "NONE") return [];
    return result.offsets.flatMap(({ topic, topicId, partition, offset }) => {
      const end = ends.get(`${topicId}/${partition}`);
      // A partition that nobody used lately is not woken for its end.
      if (end === undefined || offset < 0) return [];
      return [{ labels: { group, topic, partition: String(partition) }, value: Math.max(0, end - offset) }];
    });
  } catch (error) {
    broker.log.debug("A group did not tell its offsets for /metrics", { group, error: String(error) });
    return [];
  }
}
