/**
 * StreamsGroupHeartbeat (API 88): the request by which members of a Kafka Streams application join, stay in, are
 * assigned tasks by, and leave their group (KIP-1071).
 *
 * Version 0, flexible.
 *
 * A member sends what has changed since its last heartbeat, null or −1 in place of the rest. The coordinator
 * creates the internal topics of the topology. STREAMS_INVALID_TOPOLOGY, STREAMS_INVALID_TOPOLOGY_EPOCH and
 * STREAMS_TOPOLOGY_FENCED concern the topology that a member brings along; the other errors are those of
 * ConsumerGroupHeartbeat.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int64, int8, nested, string, struct, uint16 } from "../schema/fields.ts";

const keyValue = struct({
  key: string("0+"),
  value: string("0+"),
});

const topicInfo = struct({
  name: string("0+"),
  partitions: int32("0+"),
  replicationFactor: int16("0+"),
  topicConfigs: array("0+", keyValue),
});

const endpoint = struct({
  host: string("0+"),
  port: uint16("0+"),
});

const taskOffset = struct({
  subtopologyId: string("0+"),
  partition: int32("0+"),
  offset: int64("0+"),
});

const taskIds = struct({
  subtopologyId: string("0+"),
  partitions: array("0+", "int32"),
});

const topicPartition = struct({
  topic: string("0+"),
  partitions: array("0+", "int32"),
});

export const streamsGroupHeartbeat = api({
  key: 88,
  name: "StreamsGroupHeartbeat",
  versions: "0",
  flexible: "0+",
  request: () => ({
    groupId: string("0+"),
    /** A UUID of the member, for as long as its process lives. */
    memberId: string("0+"),
    /** 0 joins, −1 leaves, −2 leaves for a while as a static member; else what the last response said. */
    memberEpoch: int32("0+"),
    /** The last that the member has got. */
    endpointInformationEpoch: int32("0+"),
    /** A static member's own name. */
    instanceId: string("0+", { nullable: "0+", default: null }),
    rackId: string("0+", { nullable: "0+", default: null }),
    /** How long the member may take to give up tasks. */
    rebalanceTimeoutMs: int32("0+", { default: -1 }),
    /** Only when joining. */
    topology: nested(
      "0+",
      struct({
        /** By which the coordinator tells topologies of different releases of the application apart. */
        epoch: int32("0+"),
        subtopologies: array(
          "0+",
          struct({
            subtopologyId: string("0+"),
            sourceTopics: array("0+", "string"),
            sourceTopicRegex: array("0+", "string"),
            /** Internal topics that back up the stores. */
            stateChangelogTopics: array("0+", topicInfo),
            repartitionSinkTopics: array("0+", "string"),
            /** Internal topics between subtopologies. */
            repartitionSourceTopics: array("0+", topicInfo),
            /** Topics that must have the same number of partitions, by their places in the arrays above. */
            copartitionGroups: array(
              "0+",
              struct({
                sourceTopics: array("0+", "int16"),
                sourceTopicRegex: array("0+", "int16"),
                repartitionSourceTopics: array("0+", "int16"),
              }),
            ),
          }),
        ),
      }),
      { nullable: "0+", default: null },
    ),
    activeTasks: array("0+", taskIds, { nullable: "0+", default: null }),
    standbyTasks: array("0+", taskIds, { nullable: "0+", default: null }),
    warmupTasks: array("0+", taskIds, { nullable: "0+", default: null }),
    /** Members with the same one run in the same instance of the application. */
    processId: string("0+", { nullable: "0+", default: null }),
    /** Where the instance answers interactive queries. */
    userEndpoint: nested("0+", endpoint, { nullable: "0+", default: null }),
    /** For assignment by racks. */
    clientTags: array("0+", keyValue, { nullable: "0+", default: null }),
    /** How far the stores of the tasks have got, added up over their changelogs. */
    taskOffsets: array("0+", taskOffset, { nullable: "0+", default: null }),
    /** Ends of the same changelogs. */
    taskEndOffsets: array("0+", taskOffset, { nullable: "0+", default: null }),
    /** Asks all members to stop. */
    shutdownApplication: bool("0+", { default: false }),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+", default: null }),
    memberId: string("0+"),
    /** For the next heartbeat. */
    memberEpoch: int32("0+"),
    /** After which the next heartbeat is due. */
    heartbeatIntervalMs: int32("0+"),
    /** Offsets by which a store may be behind and still count as warm. */
    acceptableRecoveryLag: int32("0+"),
    /** How often the member should tell its offsets. */
    taskOffsetIntervalMs: int32("0+"),
    status: array(
      "0+",
      struct({
        /**
         * 0: the topology is outdated, 1: source topics are missing, 2: numbers of partitions do not fit,
         * 3: internal topics are missing, 4: the application shall stop, 5: the assignment is put off.
         */
        statusCode: int8("0+"),
        statusDetail: string("0+"),
      }),
      { nullable: "0+" },
    ),
    /** This and the two below: null when nothing changed. */
    activeTasks: array("0+", taskIds, { nullable: "0+", default: null }),
    standbyTasks: array("0+", taskIds, { nullable: "0+", default: null }),
    warmupTasks: array("0+", taskIds, { nullable: "0+", default: null }),
    endpointInformationEpoch: int32("0+"),
    /** Who answers interactive queries for what; null when nothing changed. */
    partitionsByUserEndpoint: array(
      "0+",
      struct({
        userEndpoint: nested("0+", endpoint),
        activePartitions: array("0+", topicPartition),
        standbyPartitions: array("0+", topicPartition),
      }),
      { nullable: "0+", default: null },
    ),
  }),
});

export type StreamsGroupHeartbeatRequest = RequestOf<typeof streamsGroupHeartbeat>;
export type StreamsGroupHeartbeatRequestInput = RequestInput<typeof streamsGroupHeartbeat>;
export type StreamsGroupHeartbeatResponse = ResponseOf<typeof streamsGroupHeartbeat>;
export type StreamsGroupHeartbeatResponseInput = ResponseInput<typeof streamsGroupHeartbeat>;
