/**
 * Client metrics (KIP-714): which metrics a client is asked for, when it may push, and what it pushed. Plain state that its
 * owner feeds with time and with the subscriptions as they are.
 *
 * Source: Kafka's ClientMetricsManager and ClientMetricsInstance: the same order of checks and the same errors. What a
 * broker has to remember of a client it learns anew from the client's next request, so none of it is kept.
 */
import { crc32c } from "../../lib/crc32c.ts";
import { DecodeError, ZERO_UUID } from "../../lib/bytes.ts";
import { type Compression, decompress } from "../../protocol/records/compression.ts";
import { DecompressedTooLargeError, RecordError } from "../../protocol/records/record_errors.ts";
import { decodeMetrics, type MetricPoint } from "../../protocol/telemetry/otlp_metrics.ts";
import { type ClientMatch, type ClientMatcher, parseClientMatch } from "../config/client_metrics_configs.ts";
import { listElements } from "../config/config_definition.ts";
import { type ConfigsByResource, configsOfKind } from "../config/config_resource.ts";
import { ClientGauges, type ClientGaugesSnapshot, type TelemetryClient } from "./client_gauges.ts";

export interface ClientTelemetryOptions {
  /** Clients whose turns are remembered; beyond, the one silent longest is forgotten. */
  readonly instancesMax: number;
  /** `telemetry.max.bytes`, of a push as sent. */
  readonly pushBytesMax: number;
  /** Of a push as it is when inflated. */
  readonly inflatedBytesMax: number;
  readonly pointsPerPushMax: number;
  readonly attributesPerPointMax: number;
  readonly clientsMax: number;
  readonly gaugesPerClientMax: number;
  readonly gaugesMax: number;
}

interface Subscription {
  readonly name: string;
  readonly metrics: readonly string[];
  readonly intervalMs: number;
  readonly match: ClientMatch;
}

/** What one client is asked for. */
export interface ClientWish {
  /** Another one means that the wishes have changed. */
  readonly subscriptionId: number;
  readonly pushIntervalMs: number;
  /** Prefixes of names; `*` alone for all, none for none. */
  readonly requestedMetrics: readonly string[];
}

export type TelemetryErrorName =
  | "INVALID_REQUEST"
  | "INVALID_RECORD"
  | "TELEMETRY_TOO_LARGE"
  | "THROTTLING_QUOTA_EXCEEDED"
  | "UNKNOWN_SUBSCRIPTION_ID"
  | "UNSUPPORTED_COMPRESSION_TYPE";

export interface TelemetryPush {
  readonly subscriptionId: number;
  readonly isTerminating: boolean;
  /** Kafka's number. */
  readonly compressionType: number;
  readonly metrics: Uint8Array;
}

/** When a client was heard of. */
interface Instance {
  lastGetMs: number;
  lastPushMs: number;
  isTerminating: boolean;
  /** It was told to ask again at once. */
  mayAskAgain: boolean;
}

const INTERVAL_MS_DEFAULT = 300_000;
const ALL = "*";
/** Numbers of a client that was silent for so many intervals are forgotten. */
const EXPIRES_AFTER_INTERVALS = 3;
const CODECS: readonly Compression[] = ["none", "gzip", "snappy", "lz4", "zstd"];

/** In order of preference, as Kafka has it. */
export const ACCEPTED_COMPRESSION_TYPES = [4, 3, 1, 2] as const;

const encoder = new TextEncoder();

export class ClientTelemetry {
  readonly #options: ClientTelemetryOptions;
  readonly #gauges: ClientGauges;
  /** Least recently heard of first. */
  readonly #instances = new Map<string, Instance>();
  #subscriptions: readonly Subscription[] = [];

  constructor(options: ClientTelemetryOptions) {
    this.#options = options;
    this.#gauges = new ClientGauges(options);
  }

  get pushBytesMax(): number {
    return this.#options.pushBytesMax;
  }

  get subscriptionCount(): number {
    return this.#subscriptions.length;
  }

  get instanceCount(): number {
    return this.#instances.size;
  }

  /** Takes the subscriptions as they are from now on. */
  configure(all: ConfigsByResource): void {
    this.#subscriptions = Array.from(configsOfKind(all, "client-metrics"), ([name, configs]) => ({
      name,
      metrics: listElements(configs["metrics"] ?? ""),
      intervalMs: Number(configs["interval.ms"] ?? INTERVAL_MS_DEFAULT),
      match: parseClientMatch(configs["match"] ?? "") ?? new Map(),
    })).sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** What the client is to push, or THROTTLING_QUOTA_EXCEEDED when it asks before its time. */
  subscribe(client: TelemetryClient, nowMs: number): ClientWish | { readonly error: TelemetryErrorName } {
    const instance = this.#instance(client.clientInstanceId);
    const wish = this.#wishOf(client);
    const sinceMs = nowMs - Math.max(instance.lastGetMs, instance.lastPushMs);
    if (sinceMs < wish.pushIntervalMs && !instance.mayAskAgain) return { error: "THROTTLING_QUOTA_EXCEEDED" };
    instance.mayAskAgain = false;
    instance.lastGetMs = nowMs;
    return wish;
  }

  /** Takes what a client pushed. */
  push(client: TelemetryClient, push: TelemetryPush, nowMs: number): "NONE" | TelemetryErrorName {
    if (client.clientInstanceId === ZERO_UUID) return "INVALID_REQUEST";
    const instance = this.#instance(client.clientInstanceId);
    if (instance.isTerminating) return "INVALID_REQUEST";
    const wish = this.#wishOf(client);
    // The first push after the wishes were told may come at any time: clients spread them.
    const isDue = instance.lastGetMs > instance.lastPushMs ||
      nowMs - instance.lastPushMs >= wish.pushIntervalMs;
    if (!isDue && !push.isTerminating) return "THROTTLING_QUOTA_EXCEEDED";
    instance.lastPushMs = nowMs;
    instance.isTerminating = push.isTerminating;
    const codec = CODECS[push.compressionType];
    instance.mayAskAgain = push.subscriptionId !== wish.subscriptionId || codec === undefined;
    if (push.subscriptionId !== wish.subscriptionId) return "UNKNOWN_SUBSCRIPTION_ID";
    if (codec === undefined) return "UNSUPPORTED_COMPRESSION_TYPE";
    if (push.metrics.byteLength > this.#options.pushBytesMax) return "TELEMETRY_TOO_LARGE";
    const points = this.#decode(codec, push.metrics);
    if (typeof points === "string") return points;
    if (push.isTerminating) this.#gauges.forget(client.clientInstanceId);
    else {
      const wanted = points.filter(({ name }) => isWanted(name, wish.requestedMetrics));
      this.#gauges.record(client, wanted, nowMs + EXPIRES_AFTER_INTERVALS * wish.pushIntervalMs);
    }
    return "NONE";
  }

  snapshot(nowMs: number): ClientGaugesSnapshot {
    return this.#gauges.snapshot(nowMs);
  }

  #decode(codec: Compression, bytes: Uint8Array): MetricPoint[] | TelemetryErrorName {
    const { inflatedBytesMax, pointsPerPushMax, attributesPerPointMax } = this.#options;
    // A client that ends may have nothing to say, in whatever codec.
    if (bytes.byteLength === 0) return [];
    try {
      const inflated = decompress(codec, bytes, { maxBytes: inflatedBytesMax });
      return decodeMetrics(inflated, { pointsMax: pointsPerPushMax, attributesMax: attributesPerPointMax });
    } catch (error) {
      if (error instanceof DecompressedTooLargeError) return "TELEMETRY_TOO_LARGE";
      if (error instanceof RecordError || error instanceof DecodeError) return "INVALID_RECORD";
      throw error;
    }
  }

  #instance(clientInstanceId: string): Instance {
    const instance = this.#instances.get(clientInstanceId) ??
      { lastGetMs: -Infinity, lastPushMs: -Infinity, isTerminating: false, mayAskAgain: false };
    this.#instances.delete(clientInstanceId);
    this.#instances.set(clientInstanceId, instance);
    if (this.#instances.size > this.#options.instancesMax) {
      const [oldest] = this.#instances.keys();
      if (oldest !== undefined) this.#instances.delete(oldest);
    }
    return instance;
  }

  #wishOf(client: TelemetryClient): ClientWish {
    const matching = this.#subscriptions.filter(({ match }) => matches(client, match));
    const metrics = [...new Set(matching.flatMap((each) => each.metrics))];
    const requestedMetrics = metrics.includes(ALL) ? [ALL] : metrics;
    const intervals = matching.map(({ intervalMs }) => intervalMs);
    const pushIntervalMs = intervals.length === 0 ? INTERVAL_MS_DEFAULT : Math.min(...intervals);
    const names = matching.map(({ name }) => name);
    const text = JSON.stringify([client.clientInstanceId, names, requestedMetrics, pushIntervalMs]);
    return { subscriptionId: crc32c(encoder.encode(text)) | 0, pushIntervalMs, requestedMetrics };
  }
}

function matches(client: TelemetryClient, match: ClientMatch): boolean {
  const known: Readonly<Record<ClientMatcher, string>> = {
    client_instance_id: client.clientInstanceId,
    client_id: client.clientId,
    client_software_name: client.softwareName,
    client_software_version: client.softwareVersion,
    client_source_address: client.sourceAddress,
    client_source_port: String(client.sourcePort),
  };
  for (const [name, pattern] of match) if (!pattern.matches(known[name])) return false;
  return true;
}

function isWanted(name: string, requestedMetrics: readonly string[]): boolean {
  return requestedMetrics.some((prefix) => prefix === ALL || name.startsWith(prefix));
}
