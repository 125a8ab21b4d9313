/** Kafka's language for the rest of the program: tables, frames, errors. Record batches: `records/`. */
export * from "./errors.ts";
export * from "./header.ts";
export * from "./messages/all.ts";
export * from "./messages/consumer_protocol.ts";
export {
  type Api,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  isFlexible,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
  supportsVersion,
} from "./schema/api.ts";
export * from "./messages/00_produce.ts";
export * from "./messages/01_fetch.ts";
export * from "./messages/02_list_offsets.ts";
export * from "./messages/03_metadata.ts";
export * from "./messages/08_offset_commit.ts";
export * from "./messages/09_offset_fetch.ts";
export * from "./messages/10_find_coordinator.ts";
export * from "./messages/11_join_group.ts";
export * from "./messages/12_heartbeat.ts";
export * from "./messages/13_leave_group.ts";
export * from "./messages/14_sync_group.ts";
export * from "./messages/15_describe_groups.ts";
export * from "./messages/16_list_groups.ts";
export * from "./messages/18_api_versions.ts";
export * from "./messages/19_create_topics.ts";
export * from "./messages/20_delete_topics.ts";
export * from "./messages/21_delete_records.ts";
export * from "./messages/22_init_producer_id.ts";
export * from "./messages/32_describe_configs.ts";
export * from "./messages/37_create_partitions.ts";
export * from "./messages/42_delete_groups.ts";
export * from "./messages/44_incremental_alter_configs.ts";
export * from "./messages/60_describe_cluster.ts";
