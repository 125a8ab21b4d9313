/**
 * The settings of the group coordinator, by Kafka's names and with Kafka's defaults (GroupCoordinatorConfig), and the
 * bounds that Kafka leaves to the size of a record of `__consumer_offsets`.
 */

export interface GroupConfig {
  /** `group.initial.rebalance.delay.ms`. */
  readonly initialRebalanceDelayMs: number;
  /** `group.min.session.timeout.ms`. */
  readonly sessionTimeoutMsMin: number;
  /** `group.max.session.timeout.ms`. */
  readonly sessionTimeoutMsMax: number;
  /** `group.max.size`. */
  readonly memberCountMax: number;
  /** `offset.metadata.max.bytes`; like Kafka, compared with the UTF-16 length. */
  readonly offsetMetadataBytesMax: number;
  /** `group.consumer.heartbeat.interval.ms`. */
  readonly consumerHeartbeatIntervalMs: number;
  /** `group.consumer.session.timeout.ms`. */
  readonly consumerSessionTimeoutMs: number;
  /** `group.consumer.max.size`. */
  readonly consumerMemberCountMax: number;
  /** `group.consumer.assignors`: names from `assignors/assignors.ts`; the first one is the default. */
  readonly consumerAssignors: readonly string[];
  /** `group.consumer.migration.policy`: bidirectional, upgrade, downgrade, disabled. */
  readonly migrationPolicy: string;
}

export const groupConfigDefaults: GroupConfig = {
  initialRebalanceDelayMs: 3_000,
  sessionTimeoutMsMin: 6_000,
  sessionTimeoutMsMax: 1_800_000,
  memberCountMax: 2_147_483_647,
  offsetMetadataBytesMax: 4_096,
  consumerHeartbeatIntervalMs: 5_000,
  consumerSessionTimeoutMs: 45_000,
  consumerMemberCountMax: 2_147_483_647,
  consumerAssignors: ["uniform", "range"],
  migrationPolicy: "bidirectional",
};

export const groupLimits = {
  /** UTF-8 bytes of a group id, which may double in a storage key of 2 KiB; then INVALID_GROUP_ID. */
  groupIdBytesMax: 900,
  /** Metadata, names and ids of one member; then UNKNOWN_SERVER_ERROR, as Kafka for a record that is too large. */
  memberBytesMax: 1_048_576,
  /** All members of a group together; one more is GROUP_MAX_SIZE_REACHED, a larger assignment UNKNOWN_SERVER_ERROR. */
  groupBytesMax: 16_777_216,
  /** Protocols of one member; then INVALID_REQUEST. */
  memberProtocolCountMax: 256,
  /** Members that were given an id and have not joined with it; then GROUP_MAX_SIZE_REACHED. */
  pendingMemberCountMax: 10_000,
  /** A new member does not know its id while its join is parked, so it cannot heartbeat: it is given this long. */
  newMemberJoinTimeoutMs: 300_000,
} as const;

const encoder = new TextEncoder();

/** Whether members can join a group of this name; offsets may also be kept for the empty id, as in Kafka. */
export function groupIdError(groupId: string, emptyAllowed = false): "NONE" | "INVALID_GROUP_ID" {
  if (groupId.length === 0) return emptyAllowed ? "NONE" : "INVALID_GROUP_ID";
  // Characters take at least one byte: a long id is not encoded to be measured.
  if (groupId.length > groupLimits.groupIdBytesMax) return "INVALID_GROUP_ID";
  return encoder.encode(groupId).length > groupLimits.groupIdBytesMax ? "INVALID_GROUP_ID" : "NONE";
}

/**
 * The partition of `__consumer_offsets` that a group belongs to: the absolute value of
 * Java's `String.hashCode`, modulo the count.
 */
export function groupShardIndex(groupId: string, shardCount: number): number {
  let hash = 0;
  for (let i = 0; i < groupId.length; i++) hash = (Math.imul(hash, 31) + groupId.charCodeAt(i)) | 0;
  // Kafka's Utils.abs: the one integer without a positive counterpart counts as 0.
  return (hash === -0x8000_0000 ? 0 : Math.abs(hash)) % shardCount;
}
