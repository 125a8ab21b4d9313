/** DescribeCluster (API 60): the brokers and the controller (KIP-700). There is no separate controller endpoint. */
import { errorCode } from "../protocol/errors.ts";
import { describeCluster, type DescribeClusterRequest } from "../protocol/messages/60_describe_cluster.ts";
import { clusterOperations } from "./authorized_operations.ts";
import { handler, type RequestContext } from "./handler.ts";

const BROKER_ENDPOINT = 1;

export const describeClusterHandler = handler(describeCluster, serveDescribeCluster);

function serveDescribeCluster(request: DescribeClusterRequest, context: RequestContext) {
  const image = context.broker.metadata;
  if (request.endpointType !== BROKER_ENDPOINT) {
    return {
      errorCode: errorCode("MISMATCHED_ENDPOINT_TYPE"),
      errorMessage: "This is a broker's endpoint",
      endpointType: BROKER_ENDPOINT,
      clusterId: image.clusterId,
      brokers: [],
    };
  }
  return {
    errorCode: 0,
    clusterId: image.clusterId,
    controllerId: image.controllerId,
    brokers: image.brokers.map(({ brokerId, host, port, rack }) => ({ brokerId, host, port, rack })),
    clusterAuthorizedOperations: clusterOperations(request.includeClusterAuthorizedOperations),
  };
}
