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
export * from "./messages/17_sasl_handshake.ts";
export * from "./messages/18_api_versions.ts";
export * from "./messages/19_create_topics.ts";
export * from "./messages/20_delete_topics.ts";
export * from "./messages/21_delete_records.ts";
export * from "./messages/22_init_producer_id.ts";
export * from "./messages/23_offset_for_leader_epoch.ts";
export * from "./messages/24_add_partitions_to_txn.ts";
export * from "./messages/25_add_offsets_to_txn.ts";
export * from "./messages/26_end_txn.ts";
export * from "./messages/27_write_txn_markers.ts";
export * from "./messages/28_txn_offset_commit.ts";
export * from "./messages/29_describe_acls.ts";
export * from "./messages/30_create_acls.ts";
export * from "./messages/31_delete_acls.ts";
export * from "./messages/32_describe_configs.ts";
export * from "./messages/33_alter_configs.ts";
export * from "./messages/34_alter_replica_log_dirs.ts";
export * from "./messages/35_describe_log_dirs.ts";
export * from "./messages/36_sasl_authenticate.ts";
export * from "./messages/37_create_partitions.ts";
export * from "./messages/38_create_delegation_token.ts";
export * from "./messages/39_renew_delegation_token.ts";
export * from "./messages/40_expire_delegation_token.ts";
export * from "./messages/41_describe_delegation_token.ts";
export * from "./messages/42_delete_groups.ts";
export * from "./messages/43_elect_leaders.ts";
export * from "./messages/44_incremental_alter_configs.ts";
export * from "./messages/45_alter_partition_reassignments.ts";
export * from "./messages/46_list_partition_reassignments.ts";
export * from "./messages/47_offset_delete.ts";
export * from "./messages/48_describe_client_quotas.ts";
export * from "./messages/49_alter_client_quotas.ts";
export * from "./messages/50_describe_user_scram_credentials.ts";
export * from "./messages/51_alter_user_scram_credentials.ts";
export * from "./messages/55_describe_quorum.ts";
export * from "./messages/57_update_features.ts";
export * from "./messages/60_describe_cluster.ts";
export * from "./messages/61_describe_producers.ts";
export * from "./messages/64_unregister_broker.ts";
export * from "./messages/65_describe_transactions.ts";
export * from "./messages/66_list_transactions.ts";
export * from "./messages/68_consumer_group_heartbeat.ts";
export * from "./messages/69_consumer_group_describe.ts";
export * from "./messages/71_get_telemetry_subscriptions.ts";
export * from "./messages/72_push_telemetry.ts";
export * from "./messages/74_list_config_resources.ts";
export * from "./messages/75_describe_topic_partitions.ts";
export * from "./messages/76_share_group_heartbeat.ts";
export * from "./messages/77_share_group_describe.ts";
export * from "./messages/78_share_fetch.ts";
export * from "./messages/79_share_acknowledge.ts";
export * from "./messages/80_add_raft_voter.ts";
export * from "./messages/81_remove_raft_voter.ts";
export * from "./messages/83_initialize_share_group_state.ts";
export * from "./messages/84_read_share_group_state.ts";
export * from "./messages/85_write_share_group_state.ts";
export * from "./messages/86_delete_share_group_state.ts";
export * from "./messages/87_read_share_group_state_summary.ts";
export * from "./messages/88_streams_group_heartbeat.ts";
export * from "./messages/89_streams_group_describe.ts";
export * from "./messages/90_describe_share_group_offsets.ts";
export * from "./messages/91_alter_share_group_offsets.ts";
export * from "./messages/92_delete_share_group_offsets.ts";
