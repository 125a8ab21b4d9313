/**
 * Every API that this broker serves, in one list. ApiVersions and the documentation are computed from it, so an API
 * is advertised exactly if it has a handler here.
 */
import { invariant } from "../lib/invariant.ts";
import { produceHandler } from "./00_produce.ts";
import { fetchHandler } from "./01_fetch.ts";
import { listOffsetsHandler } from "./02_list_offsets.ts";
import { metadataHandler } from "./03_metadata.ts";
import { offsetCommitHandler } from "./08_offset_commit.ts";
import { offsetFetchHandler } from "./09_offset_fetch.ts";
import { findCoordinatorHandler } from "./10_find_coordinator.ts";
import { joinGroupHandler } from "./11_join_group.ts";
import { heartbeatHandler } from "./12_heartbeat.ts";
import { leaveGroupHandler } from "./13_leave_group.ts";
import { syncGroupHandler } from "./14_sync_group.ts";
import { describeGroupsHandler } from "./15_describe_groups.ts";
import { listGroupsHandler } from "./16_list_groups.ts";
import { apiVersionsHandler } from "./18_api_versions.ts";
import { createTopicsHandler } from "./19_create_topics.ts";
import { deleteTopicsHandler } from "./20_delete_topics.ts";
import { deleteRecordsHandler } from "./21_delete_records.ts";
import { initProducerIdHandler } from "./22_init_producer_id.ts";
import { offsetForLeaderEpochHandler } from "./23_offset_for_leader_epoch.ts";
import { addPartitionsToTxnHandler } from "./24_add_partitions_to_txn.ts";
import { addOffsetsToTxnHandler } from "./25_add_offsets_to_txn.ts";
import { endTxnHandler } from "./26_end_txn.ts";
import { writeTxnMarkersHandler } from "./27_write_txn_markers.ts";
import { txnOffsetCommitHandler } from "./28_txn_offset_commit.ts";
import { describeAclsHandler } from "./29_describe_acls.ts";
import { describeConfigsHandler } from "./32_describe_configs.ts";
import { alterConfigsHandler } from "./33_alter_configs.ts";
import { describeLogDirsHandler } from "./35_describe_log_dirs.ts";
import { createPartitionsHandler } from "./37_create_partitions.ts";
import { incrementalAlterConfigsHandler } from "./44_incremental_alter_configs.ts";
import { deleteGroupsHandler } from "./42_delete_groups.ts";
import { offsetDeleteHandler } from "./47_offset_delete.ts";
import { describeClientQuotasHandler } from "./48_describe_client_quotas.ts";
import { alterClientQuotasHandler } from "./49_alter_client_quotas.ts";
import { updateFeaturesHandler } from "./57_update_features.ts";
import { describeClusterHandler } from "./60_describe_cluster.ts";
import { describeProducersHandler } from "./61_describe_producers.ts";
import { describeTransactionsHandler } from "./65_describe_transactions.ts";
import { listTransactionsHandler } from "./66_list_transactions.ts";
import { consumerGroupHeartbeatHandler } from "./68_consumer_group_heartbeat.ts";
import { consumerGroupDescribeHandler } from "./69_consumer_group_describe.ts";
import { getTelemetrySubscriptionsHandler } from "./71_get_telemetry_subscriptions.ts";
import { pushTelemetryHandler } from "./72_push_telemetry.ts";
import { listConfigResourcesHandler } from "./74_list_config_resources.ts";
import { describeTopicPartitionsHandler } from "./75_describe_topic_partitions.ts";
import { shareGroupHeartbeatHandler } from "./76_share_group_heartbeat.ts";
import { shareGroupDescribeHandler } from "./77_share_group_describe.ts";
import { shareFetchHandler } from "./78_share_fetch.ts";
import { shareAcknowledgeHandler } from "./79_share_acknowledge.ts";
import { describeShareGroupOffsetsHandler } from "./90_describe_share_group_offsets.ts";
import { alterShareGroupOffsetsHandler } from "./91_alter_share_group_offsets.ts";
import { deleteShareGroupOffsetsHandler } from "./92_delete_share_group_offsets.ts";
import type { Handler } from "./handler.ts";

export const handlers: readonly Handler[] = [
  produceHandler,
  fetchHandler,
  listOffsetsHandler,
  metadataHandler,
  offsetCommitHandler,
  offsetFetchHandler,
  findCoordinatorHandler,
  joinGroupHandler,
  heartbeatHandler,
  leaveGroupHandler,
  syncGroupHandler,
  describeGroupsHandler,
  listGroupsHandler,
  apiVersionsHandler(() => handlers),
  createTopicsHandler,
  deleteTopicsHandler,
  deleteRecordsHandler,
  initProducerIdHandler,
  offsetForLeaderEpochHandler,
  addPartitionsToTxnHandler,
  addOffsetsToTxnHandler,
  endTxnHandler,
  writeTxnMarkersHandler,
  txnOffsetCommitHandler,
  describeAclsHandler,
  describeConfigsHandler,
  alterConfigsHandler,
  describeLogDirsHandler,
  createPartitionsHandler,
  incrementalAlterConfigsHandler,
  deleteGroupsHandler,
  offsetDeleteHandler,
  describeClientQuotasHandler,
  alterClientQuotasHandler,
  updateFeaturesHandler,
  describeClusterHandler,
  describeProducersHandler,
  describeTransactionsHandler,
  listTransactionsHandler,
  consumerGroupHeartbeatHandler,
  consumerGroupDescribeHandler,
  getTelemetrySubscriptionsHandler,
  pushTelemetryHandler,
  listConfigResourcesHandler,
  describeTopicPartitionsHandler,
  shareGroupHeartbeatHandler,
  shareGroupDescribeHandler,
  shareFetchHandler,
  shareAcknowledgeHandler,
  describeShareGroupOffsetsHandler,
  alterShareGroupOffsetsHandler,
  deleteShareGroupOffsetsHandler,
];

export const handlerByKey: ReadonlyMap<number, Handler> = new Map(
  handlers.map((each) => [each.api.key, each]),
);

invariant(handlerByKey.size === handlers.length, "Two handlers serve the same API");
