/** What holds for a share group: what was set for it, else what was set for the server, else the defaults. */
import type { ServerConfigReader } from "../config/config_definition.ts";
import type { ShareGroupConfig, ShareOffsetReset } from "./share_config.ts";

/** `own`: settings of the group by their names, already checked. */
export function resolveShareConfig(
  own: Readonly<Record<string, string>>,
  server: ServerConfigReader,
): ShareGroupConfig {
  const number = (name: string) => Number(own[name] ?? server(`group.${name}`));
  return {
    sessionTimeoutMs: number("share.session.timeout.ms"),
    heartbeatIntervalMs: number("share.heartbeat.interval.ms"),
    recordLockDurationMs: number("share.record.lock.duration.ms"),
    deliveryCountLimit: number("share.delivery.count.limit"),
    maxRecordLocks: number("share.partition.max.record.locks"),
    offsetReset: parseOffsetReset(own["share.auto.offset.reset"] ?? "latest") ?? { type: "latest" },
    isolationLevel: own["share.isolation.level"] === "read_committed" ? "read_committed" : "read_uncommitted",
    mayRenew: own["share.renew.acknowledge.enable"] !== "false",
    memberCountMax: Number(server("group.share.max.size")),
    sessionCountMax: Number(server("group.share.max.share.sessions")),
  };
}

const DURATION = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,9})?)S)?)?$/i;

/** earliest, latest or by_duration:PnDTnHnMn.nS; null for anything else. */
export function parseOffsetReset(value: string): ShareOffsetReset | null {
  const text = value.trim().toLowerCase();
  if (text === "earliest" || text === "latest") return { type: text };
  if (!text.startsWith("by_duration:")) return null;
  const parts = DURATION.exec(text.slice("by_duration:".length));
  // At least one of the parts, and something behind a T.
  if (parts === null || parts.slice(1).every((part) => part === undefined) || text.endsWith("t")) return null;
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = parts.slice(1).map((part) => Number(part ?? 0));
  const ms = Math.floor((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000);
  return Number.isSafeInteger(ms) ? { type: "by_duration", ms } : null;
}
