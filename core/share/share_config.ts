/** The settings of share groups, by Kafka's names and with Kafka's defaults (ShareGroupConfig, GroupCoordinatorConfig, GroupConfig). */

/** Where a share partition begins that was never read. */
export type ShareOffsetReset =
  | { readonly type: "earliest" | "latest" }
  /** At the first record that is no older. */
  | { readonly type: "by_duration"; readonly ms: number };

/** What holds for one group: its own settings over those of the server. */
export interface ShareGroupConfig {
  /** `share.session.timeout.ms`, `group.share.session.timeout.ms`. */
  readonly sessionTimeoutMs: number;
  /** `share.heartbeat.interval.ms`, `group.share.heartbeat.interval.ms`. */
  readonly heartbeatIntervalMs: number;
  /** `share.record.lock.duration.ms`, `group.share.record.lock.duration.ms`. */
  readonly recordLockDurationMs: number;
  /** `share.delivery.count.limit`, `group.share.delivery.count.limit`. */
  readonly deliveryCountLimit: number;
  /** `share.partition.max.record.locks`, `group.share.partition.max.record.locks`. */
  readonly maxRecordLocks: number;
  /** `share.auto.offset.reset`. */
  readonly offsetReset: ShareOffsetReset;
  /** `share.isolation.level`. */
  readonly isolationLevel: "read_uncommitted" | "read_committed";
  /** `share.renew.acknowledge.enable`. */
  readonly mayRenew: boolean;
  /** `group.share.max.size`. */
  readonly memberCountMax: number;
  /** `group.share.max.share.sessions`, here of one group. */
  readonly sessionCountMax: number;
}

export const shareGroupConfigDefaults: ShareGroupConfig = {
  sessionTimeoutMs: 45_000,
  heartbeatIntervalMs: 5_000,
  recordLockDurationMs: 30_000,
  deliveryCountLimit: 5,
  maxRecordLocks: 2_000,
  offsetReset: { type: "latest" },
  isolationLevel: "read_uncommitted",
  mayRenew: true,
  memberCountMax: 200,
  sessionCountMax: 2_000,
};

export const shareLimits = {
  /** Characters of a member id, as in Kafka; then INVALID_REQUEST. */
  memberIdLengthMax: 36,
  /** Names and ids that one member brings; then INVALID_REQUEST. */
  memberBytesMax: 32_768,
} as const;
