/**
 * What every resource of REST v3 has: kind, metadata with its own link, and links to what belongs to it.
 *
 * Source: the documented behaviour of Confluent's REST Proxy, API v3.
 */
import type { BrokerImage, TopicImage } from "../../core/cluster/metadata_image.ts";
import { jsonResponse } from "../endpoint.ts";
import { confluentProblem } from "./confluent_error.ts";
import { type ContractRequest, numberParam } from "./contract_router.ts";

export interface Related {
  readonly related: string;
}

/** `parts` alternate between collections and names: `topics`, `orders`, `partitions`, `0`. */
export function linkTo({ base, broker }: ContractRequest, ...parts: readonly (string | number)[]): string {
  const path = parts.map((part) => encodeURIComponent(String(part))).join("/");
  const cluster = `${base}/clusters/${encodeURIComponent(broker.metadata.clusterId)}`;
  return path === "" ? cluster : `${cluster}/${path}`;
}

export function related(context: ContractRequest, ...parts: readonly (string | number)[]): Related {
  return { related: linkTo(context, ...parts) };
}

/** Confluent's names of collections in resource names differ from those in paths. */
const collectionNames: Readonly<Record<string, string>> = {
  topics: "topic",
  partitions: "partition",
  replicas: "replica",
  brokers: "broker",
  configs: "config",
  "broker-configs": "broker-config",
  "consumer-groups": "consumer-group",
  consumers: "consumer",
  assignments: "assignment",
  lags: "lag",
};

export function resource(
  context: ContractRequest,
  kind: string,
  parts: readonly (string | number)[],
  fields: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const { clusterId } = context.broker.metadata;
  const names = ["kafka", clusterId, ...parts].map(String);
  let name = "crn:///";
  for (let index = 0; index < names.length; index += 2) {
    const collection = names[index] ?? "";
    const value = names[index + 1];
    name += `${index === 0 ? "" : "/"}${collectionNames[collection] ?? collection}${
      value === undefined ? "" : `=${value}`
    }`;
  }
  return {
    kind,
    metadata: { self: linkTo(context, ...parts), resource_name: name },
    cluster_id: clusterId,
    ...fields,
  };
}

/** All on one page: what a broker holds in memory is not cut. */
export function collection(context: ContractRequest, kind: string, data: readonly unknown[]): Response {
  const { base, url } = context;
  const mountless = url.pathname.slice(new URL(base).pathname.length);
  return jsonResponse(200, { kind, metadata: { self: `${base}${mountless}`, next: null }, data });
}

export function checkCluster({ broker, params }: ContractRequest): void {
  const { clusterId } = broker.metadata;
  if (params["cluster_id"] === clusterId) return;
  throw confluentProblem(404, `Cluster ${(params["cluster_id"] ?? "").slice(0, 100)} cannot be found.`);
}

export function brokerOf({ broker, params }: ContractRequest): BrokerImage {
  const brokerId = numberParam(params["broker_id"], "Broker");
  const found = broker.metadata.brokers.find((each) => each.brokerId === brokerId);
  if (found === undefined) throw confluentProblem(404, `Broker ${brokerId} cannot be found.`);
  return found;
}

export function topicOf({ broker, params }: ContractRequest): TopicImage {
  const topic = broker.metadata.topicsByName.get(params["topic_name"] ?? "");
  if (topic !== undefined) return topic;
  throw confluentProblem(40403, "This server does not host this topic-partition.");
}

export function noContent(): Response {
  return new Response(null, { status: 204 });
}
