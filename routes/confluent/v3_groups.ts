/** REST v3: consumer groups, their members and lags. Source: Confluent's documentation of API v3. */
import type { CommittedOffset, GroupDescription } from "../../actors/messages/consumer_group.ts";
import { DecodeError } from "../../lib/bytes.ts";
import { decodeAssignment } from "../../protocol/messages/consumer_protocol.ts";
import { jsonResponse } from "../endpoint.ts";
import { kafkaProblem } from "../problem.ts";
import { confluentProblem } from "./confluent_error.ts";
import { type ContractRequest, type ContractRoute, numberParam } from "./contract_router.ts";
import { checkCluster, collection, related, resource } from "./v3_resources.ts";

type Member = GroupDescription["members"][number];

async function describeGroup({ broker, params }: ContractRequest): Promise<GroupDescription> {
  const groupId = params["consumer_group_id"] ?? "";
  const group = await broker.group(groupId).ask({ type: "describe" });
  if (group.state !== "Dead") return group;
  throw confluentProblem(404, `Consumer group ${groupId.slice(0, 100)} cannot be found.`);
}

/** `PreparingRebalance` is PREPARING_REBALANCE. */
function stateName(state: string): string {
  return state.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}

function groupResource(context: ContractRequest, group: GroupDescription): Record<string, unknown> {
  const { groupId, state, protocolType, protocolName, members } = group;
  return resource(context, "KafkaConsumerGroup", ["consumer-groups", groupId], {
    consumer_group_id: groupId,
    is_simple: protocolType === "",
    partition_assignor: protocolName,
    state: stateName(state),
    is_mixed_consumer_group: false,
    type: group.groupType.toUpperCase(),
    consumer_count: members.length,
    coordinator: related(context, "brokers", context.broker.brokerId),
    consumer: related(context, "consumer-groups", groupId, "consumers"),
    consumers: related(context, "consumer-groups", groupId, "consumers"),
    lag_summary: related(context, "consumer-groups", groupId, "lag-summary"),
  });
}

async function listGroups(context: ContractRequest): Promise<Response> {
  const listings = await context.broker.listGroups();
  const groups = await Promise.all(
    listings.map(({ groupId }) => context.broker.group(groupId).ask({ type: "describe" })),
  );
  const data = groups.filter(({ state }) => state !== "Dead").map((group) => groupResource(context, group));
  return collection(context, "KafkaConsumerGroupList", data);
}

function consumerResource(
  context: ContractRequest,
  groupId: string,
  member: Member,
): Record<string, unknown> {
  const { memberId, groupInstanceId, clientId } = member;
  const place = ["consumer-groups", groupId, "consumers", memberId] as const;
  return resource(context, "KafkaConsumer", place, {
    consumer_group_id: groupId,
    consumer_id: memberId,
    instance_id: groupInstanceId,
    client_id: clientId,
    assignments: related(context, ...place, "assignments"),
  });
}

function memberOf({ params }: ContractRequest, { members }: GroupDescription): Member {
  const member = members.find(({ memberId }) => memberId === params["consumer_id"]);
  if (member !== undefined) return member;
  throw confluentProblem(404, `Consumer ${(params["consumer_id"] ?? "").slice(0, 200)} cannot be found.`);
}

interface Assigned {
  readonly topic: string;
  readonly partition: number;
}

/** The assignor's bytes are the clients' own business: what cannot be read is shown as nothing. */
function assignedTo({ assignment }: Member): Assigned[] {
  if (assignment.length === 0) return [];
  try {
    return decodeAssignment(assignment).assignedPartitions.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition }))
    );
  } catch (error) {
    if (error instanceof DecodeError) return [];
    throw error;
  }
}

function assignmentResource(
  context: ContractRequest,
  groupId: string,
  { memberId }: Member,
  { topic, partition }: Assigned,
): Record<string, unknown> {
  const place = [
    "consumer-groups",
    groupId,
    "consumers",
    memberId,
    "assignments",
    topic,
    "partitions",
    partition,
  ];
  return resource(context, "KafkaConsumerAssignment", place, {
    consumer_group_id: groupId,
    consumer_id: memberId,
    topic_name: topic,
    partition_id: partition,
    partition: related(context, "topics", topic, "partitions", partition),
    lag: related(context, "consumer-groups", groupId, "lags", topic, "partitions", partition),
  });
}

interface Lag {
  readonly topic: string;
  readonly partition: number;
  readonly currentOffset: number;
  readonly logEndOffset: number;
  readonly lag: number;
  readonly member: Member | null;
}

/** How far each committed offset is behind the end of its log. */
async function lagsOf({ broker }: ContractRequest, group: GroupDescription): Promise<Lag[]> {
  const { groupId, members } = group;
  const result = await broker.group(groupId).ask({
    type: "offsetFetch",
    partitions: null,
    memberId: null,
    memberEpoch: -1,
    requireStable: false,
  });
  if (result.error !== "NONE") throw kafkaProblem(result.error, null);
  const owners = new Map(
    members.flatMap((member) =>
      assignedTo(member).map(({ topic, partition }) => [`${topic}/${partition}`, member] as const)
    ),
  );
  const { topicsById } = broker.metadata;
  const known = result.offsets.filter(({ topicId, partition, offset }) =>
    offset >= 0 && partition < (topicsById.get(topicId)?.partitions.length ?? 0)
  );
  return await Promise.all(known.map(async ({ topic, topicId, partition, offset }: CommittedOffset) => {
    const { highWatermark } = await broker.partition(topicId, partition).ask({ type: "describe" });
    return {
      topic,
      partition,
      currentOffset: offset,
      logEndOffset: highWatermark,
      lag: Math.max(0, highWatermark - offset),
      member: owners.get(`${topic}/${partition}`) ?? null,
    };
  }));
}

function lagResource(context: ContractRequest, groupId: string, lag: Lag): Record<string, unknown> {
  const { topic, partition, currentOffset, logEndOffset, member } = lag;
  return resource(context, "KafkaConsumerLag", [
    "consumer-groups",
    groupId,
    "lags",
    topic,
    "partitions",
    partition,
  ], {
    consumer_group_id: groupId,
    topic_name: topic,
    partition_id: partition,
    current_offset: currentOffset,
    log_end_offset: logEndOffset,
    lag: lag.lag,
    consumer_id: member?.memberId ?? "",
    instance_id: member?.groupInstanceId ?? null,
    client_id: member?.clientId ?? "",
  });
}

async function lagSummary(context: ContractRequest): Promise<Response> {
  const group = await describeGroup(context);
  const { groupId } = group;
  const lags = await lagsOf(context, group);
  const [first] = lags;
  if (first === undefined) throw confluentProblem(404, "The group has no committed offsets.");
  const largest = lags.reduce((most, lag) => lag.lag > most.lag ? lag : most, first);
  const { member } = largest;
  return jsonResponse(
    200,
    resource(context, "KafkaConsumerGroupLagSummary", ["consumer-groups", groupId, "lag-summary"], {
      consumer_group_id: groupId,
      max_lag_consumer_id: member?.memberId ?? "",
      max_lag_instance_id: member?.groupInstanceId ?? null,
      max_lag_client_id: member?.clientId ?? "",
      max_lag_topic_name: largest.topic,
      max_lag_partition_id: largest.partition,
      max_lag: largest.lag,
      total_lag: lags.reduce((sum, { lag }) => sum + lag, 0),
      ...(member === null
        ? {}
        : { max_lag_consumer: related(context, "consumer-groups", groupId, "consumers", member.memberId) }),
      max_lag_partition: related(context, "topics", largest.topic, "partitions", largest.partition),
    }),
  );
}

export const groupRoutes: readonly ContractRoute[] = ([
  ["", listGroups],
  [
    "/{consumer_group_id}",
    async (context) => jsonResponse(200, groupResource(context, await describeGroup(context))),
  ],
  ["/{consumer_group_id}/lag-summary", lagSummary],
  ["/{consumer_group_id}/lags", async (context) => {
    const group = await describeGroup(context);
    const lags = await lagsOf(context, group);
    const data = lags.map((lag) => lagResource(context, group.groupId, lag));
    return collection(context, "KafkaConsumerLagList", data);
  }],
  ["/{consumer_group_id}/lags/{topic_name}/partitions/{partition_id}", async (context) => {
    const group = await describeGroup(context);
    const partition = numberParam(context.params["partition_id"], "Partition");
    const lags = await lagsOf(context, group);
    const lag = lags.find((each) =>
      each.topic === context.params["topic_name"] && each.partition === partition
    );
    if (lag === undefined) {
      throw confluentProblem(404, "The group has no committed offset for the partition.");
    }
    return jsonResponse(200, lagResource(context, group.groupId, lag));
  }],
  ["/{consumer_group_id}/consumers", async (context) => {
    const { groupId, members } = await describeGroup(context);
    const data = members.map((member) => consumerResource(context, groupId, member));
    return collection(context, "KafkaConsumerList", data);
  }],
  ["/{consumer_group_id}/consumers/{consumer_id}", async (context) => {
    const group = await describeGroup(context);
    return jsonResponse(200, consumerResource(context, group.groupId, memberOf(context, group)));
  }],
  ["/{consumer_group_id}/consumers/{consumer_id}/assignments", async (context) => {
    const group = await describeGroup(context);
    const member = memberOf(context, group);
    const data = assignedTo(member).map((each) => assignmentResource(context, group.groupId, member, each));
    return collection(context, "KafkaConsumerAssignmentList", data);
  }],
  [
    "/{consumer_group_id}/consumers/{consumer_id}/assignments/{topic_name}/partitions/{partition_id}",
    async (context) => {
      const group = await describeGroup(context);
      const member = memberOf(context, group);
      const partition = numberParam(context.params["partition_id"], "Partition");
      const assigned = assignedTo(member).find((each) =>
        each.topic === context.params["topic_name"] && each.partition === partition
      );
      if (assigned === undefined) throw confluentProblem(404, "The consumer does not have the partition.");
      return jsonResponse(200, assignmentResource(context, group.groupId, member, assigned));
    },
  ],
] satisfies [string, ContractRoute["handle"]][]).map(([path, handle]) => ({
  method: "GET",
  pattern: `/clusters/{cluster_id}/consumer-groups${path}`,
  handle: (context: ContractRequest) => {
    checkCluster(context);
    return handle(context);
  },
}));
