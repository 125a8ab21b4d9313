/**
 * Quotas at work: which one holds for a client, how much of it is used up, and for how long the client must hold back. Plain
 * state that its owner feeds with time; the doors of one process share it, and every broker measures for itself.
 *
 * Source: Kafka's ClientQuotaManager, ClientRequestQuotaManager and ControllerMutationQuotaManager. The most specific quota
 * counts: of user and client id, of the user, of the client id, each before its default.
 */
import type { Configs, ConfigsByResource } from "../config/config_resource.ts";
import { configsOfKind } from "../config/config_resource.ts";
import { quotaEntityName, type QuotaEntityPart, type QuotaKey } from "./quota_entity.ts";
import { RateMeter, type RateWindow, TokenBucket } from "./rate_meter.ts";

export interface ClientQuotasOptions {
  readonly window: RateWindow;
  /** Of changes of topics. */
  readonly mutationWindow: RateWindow;
  /** Clients that are measured; beyond that, the one silent longest is forgotten. */
  readonly metersMax: number;
}

export interface QuotaClient {
  readonly user: string;
  readonly clientId: string;
}

/** What is counted when it is used. */
export type UsageKey = "producer_byte_rate" | "consumer_byte_rate" | "request_percentage";

/** Users are not told apart without authentication. */
export const ANONYMOUS_USER = "ANONYMOUS";

interface FoundQuota {
  readonly bound: number;
  /** Who shares it. */
  readonly sharedBy: string;
}

export class ClientQuotas {
  readonly #options: ClientQuotasOptions;
  /** By entity. */
  #quotas: ReadonlyMap<string, Configs> = new Map();
  #isEmpty = true;
  /** Least recently used first. */
  readonly #meters = new Map<string, RateMeter | TokenBucket>();

  constructor(options: ClientQuotasOptions) {
    this.#options = options;
  }

  get meterCount(): number {
    return this.#meters.size;
  }

  /** Whether nobody has a quota of any kind. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** Takes the quotas as they are from now on. */
  configure(all: ConfigsByResource): void {
    this.#quotas = new Map(configsOfKind(all, "quota"));
    this.#isEmpty = this.#quotas.size === 0;
    if (this.#isEmpty) this.#meters.clear();
  }

  /** Counts `amount` and returns for how many milliseconds the client must hold back; 0 without a quota. */
  record(
    key: UsageKey,
    client: QuotaClient,
    amount: number,
    nowMs: number,
  ): number {
    const quota = this.#find(key, client);
    if (quota === null) return 0;
    const meter = this.#rate(key, quota);
    meter.record(amount, nowMs);
    const throttleMs = meter.throttleMs(quota.bound, nowMs);
    // A request's time is known only afterwards, so what it may cost at once is bounded, as in Kafka.
    return key === "request_percentage" ? Math.min(throttleMs, this.#options.window.sampleMs) : throttleMs;
  }

  /** The name under which the client's use is counted, the same for all who share a quota; null without one. */
  meterName(key: UsageKey, client: QuotaClient): string | null {
    const quota = this.#find(key, client);
    return quota === null ? null : `${key} ${quota.sharedBy}`;
  }

  /** Like `record`, but what comes too early is not counted, since it will not be sent. */
  admit(key: "consumer_byte_rate", client: QuotaClient, amount: number, nowMs: number): number {
    const quota = this.#find(key, client);
    if (quota === null) return 0;
    const meter = this.#rate(key, quota);
    // Whoever got nothing for a whole window gets even a batch that is larger than it, else a reader would stand still.
    const throttleMs = meter.isIdle(nowMs) ? 0 : meter.throttleMs(quota.bound, nowMs, amount);
    if (throttleMs === 0) meter.record(amount, nowMs);
    return throttleMs;
  }

  /** The most that one window lets through: a larger answer would never be sent. */
  windowMax(key: "consumer_byte_rate", client: QuotaClient): number {
    const quota = this.#find(key, client);
    const { sampleCount, sampleMs } = this.#options.window;
    return quota === null
      ? Infinity
      : Math.max(1, quota.bound * Math.max(sampleCount - 1, 1) * sampleMs / 1_000);
  }

  /** For how many milliseconds no changes are taken from the client. */
  mutationThrottleMs(client: QuotaClient, nowMs: number): number {
    const quota = this.#find("controller_mutation_rate", client);
    return quota === null ? 0 : this.#bucket(quota).throttleMs(quota.bound, nowMs);
  }

  recordMutations(client: QuotaClient, count: number, nowMs: number): void {
    const quota = this.#find("controller_mutation_rate", client);
    if (quota !== null) this.#bucket(quota).take(count, quota.bound, nowMs);
  }

  /** Counts a connection from `address`; milliseconds after which it is closed, 0 to serve it. */
  recordConnection(address: string, nowMs: number): number {
    if (this.#isEmpty) return 0;
    const bound = this.#bound("connection_creation_rate", [{ entityType: "ip", entityName: address }]) ??
      this.#bound("connection_creation_rate", [{ entityType: "ip", entityName: null }]);
    if (bound === null) return 0;
    const meter = this.#rate("connection_creation_rate", { bound, sharedBy: address });
    const throttleMs = meter.throttleMs(bound, nowMs, 1);
    if (throttleMs === 0) meter.record(1, nowMs);
    return throttleMs;
  }

  #find(key: QuotaKey, { user, clientId }: QuotaClient): FoundQuota | null {
    if (this.#isEmpty) return null;
    const userPart = (entityName: string | null): QuotaEntityPart => ({ entityType: "user", entityName });
    const clientPart = (entityName: string | null): QuotaEntityPart => ({
      entityType: "client-id",
      entityName,
    });
    const both = `${user}\0${clientId}`;
    const levels: readonly (readonly [readonly QuotaEntityPart[], string])[] = [
      [[userPart(user), clientPart(clientId)], both],
      [[userPart(user), clientPart(null)], both],
      [[userPart(user)], `${user}\0`],
      [[userPart(null), clientPart(clientId)], both],
      [[userPart(null), clientPart(null)], both],
      [[userPart(null)], `${user}\0`],
      [[clientPart(clientId)], `\0${clientId}`],
      [[clientPart(null)], `\0${clientId}`],
    ];
    for (const [parts, sharedBy] of levels) {
      const bound = this.#bound(key, parts);
      if (bound !== null) return { bound, sharedBy };
    }
    return null;
  }

  #bound(key: QuotaKey, parts: readonly QuotaEntityPart[]): number | null {
    const value = this.#quotas.get(quotaEntityName(parts))?.[key];
    return value === undefined ? null : Number(value);
  }

  #rate(key: QuotaKey, { sharedBy }: FoundQuota): RateMeter {
    return this.#meter(`${key} ${sharedBy}`, () => new RateMeter(this.#options.window)) as RateMeter;
  }

  #bucket({ sharedBy }: FoundQuota): TokenBucket {
    const make = () => new TokenBucket(this.#options.mutationWindow);
    return this.#meter(`controller_mutation_rate ${sharedBy}`, make) as TokenBucket;
  }

  #meter(name: string, make: () => RateMeter | TokenBucket): RateMeter | TokenBucket {
    const meter = this.#meters.get(name) ?? make();
    this.#meters.delete(name);
    this.#meters.set(name, meter);
    if (this.#meters.size > this.#options.metersMax) {
      const [oldest] = this.#meters.keys();
      if (oldest !== undefined) this.#meters.delete(oldest);
    }
    return meter;
  }
}
