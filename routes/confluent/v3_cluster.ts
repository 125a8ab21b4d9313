/** REST v3: clusters, brokers, and access control, of which there is none. Source: Confluent's documentation of API v3. */
import type { BrokerImage } from "../../core/cluster/metadata_image.ts";
import { jsonResponse } from "../endpoint.ts";
import { confluentProblem } from "./confluent_error.ts";
import type { ContractRequest, ContractRoute } from "./contract_router.ts";
import { brokerOf, checkCluster, collection, related, resource } from "./v3_resources.ts";

function clusterResource(context: ContractRequest): Record<string, unknown> {
  const { controllerId } = context.broker.metadata;
  return resource(context, "KafkaCluster", [], {
    ...(controllerId < 0 ? {} : { controller: related(context, "brokers", controllerId) }),
    acls: related(context, "acls"),
    brokers: related(context, "brokers"),
    broker_configs: related(context, "broker-configs"),
    consumer_groups: related(context, "consumer-groups"),
    topics: related(context, "topics"),
    partition_reassignments: related(context, "topics", "-", "partitions", "-", "reassignment"),
  });
}

function brokerResource(context: ContractRequest, { brokerId, host, port, rack }: BrokerImage) {
  return resource(context, "KafkaBroker", ["brokers", brokerId], {
    broker_id: brokerId,
    host,
    port,
    ...(rack === null ? {} : { rack }),
    configs: related(context, "brokers", brokerId, "configs"),
    partition_replicas: related(context, "brokers", brokerId, "partition-replicas"),
  });
}

function noAuthorizer(): never {
  throw confluentProblem(40002, "No Authorizer is configured.");
}

export const clusterRoutes: readonly ContractRoute[] = ([
  ["GET", "/clusters", (context) => collection(context, "KafkaClusterList", [clusterResource(context)])],
  ["GET", "/clusters/{cluster_id}", (context) => jsonResponse(200, clusterResource(context))],
  ["GET", "/clusters/{cluster_id}/brokers", (context) =>
    collection(
      context,
      "KafkaBrokerList",
      context.broker.metadata.brokers.map((broker) => brokerResource(context, broker)),
    )],
  [
    "GET",
    "/clusters/{cluster_id}/brokers/{broker_id}",
    (context) => jsonResponse(200, brokerResource(context, brokerOf(context))),
  ],
  ["GET", "/clusters/{cluster_id}/acls", noAuthorizer],
  ["POST", "/clusters/{cluster_id}/acls", noAuthorizer],
  ["DELETE", "/clusters/{cluster_id}/acls", noAuthorizer],
  ["POST", "/clusters/{cluster_id}/acls:batch", noAuthorizer],
] satisfies [ContractRoute["method"], string, ContractRoute["handle"]][]).map((
  [method, pattern, handle],
) => ({
  method,
  pattern,
  handle: (context: ContractRequest) => {
    if (pattern !== "/clusters") checkCluster(context);
    return handle(context);
  },
}));
