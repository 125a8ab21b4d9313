/**
 * StreamsGroupDescribe (API 89): groups of Kafka Streams applications, with their topologies and members
 * (KIP-1071).
 *
 * Version 0, flexible.
 *
 * GROUP_ID_NOT_FOUND also for groups of another type.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int64, nested, string, struct, uint16 } from "../schema/fields.ts";

const taskOffset = struct({
  subtopologyId: string("0+"),
  partition: int32("0+"),
  offset: int64("0+"),
});

const taskIds = struct({
  subtopologyId: string("0+"),
  partitions: array("0+", "int32"),
});

const assignment = struct({
  activeTasks: array("0+", taskIds),
  standbyTasks: array("0+", taskIds),
  warmupTasks: array("0+", taskIds),
});

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

export const streamsGroupDescribe = api({
  key: 89,
  name: "StreamsGroupDescribe",
  versions: "0",
  flexible: "0+",
  request: () => ({
    groupIds: array("0+", "string"),
    includeAuthorizedOperations: bool("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    groups: array(
      "0+",
      struct({
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+", default: null }),
        groupId: string("0+"),
        /** Empty, NotReady, Assigning, Reconciling, Stable or Dead. */
        groupState: string("0+"),
        /** Rises with every change that calls for a new assignment. */
        groupEpoch: int32("0+"),
        /** Group epoch that the target assignment was made for. */
        assignmentEpoch: int32("0+"),
        /** Null on errors. */
        topology: nested(
          "0+",
          struct({
            epoch: int32("0+"),
            /** With patterns resolved to topics; null while source topics are missing or do not fit. */
            subtopologies: array(
              "0+",
              struct({
                subtopologyId: string("0+"),
                sourceTopics: array("0+", "string"),
                repartitionSinkTopics: array("0+", "string"),
                stateChangelogTopics: array("0+", topicInfo),
                repartitionSourceTopics: array("0+", topicInfo),
              }),
              { nullable: "0+", default: null },
            ),
          }),
          { nullable: "0+", default: null },
        ),
        members: array(
          "0+",
          struct({
            memberId: string("0+"),
            memberEpoch: int32("0+"),
            instanceId: string("0+", { nullable: "0+", default: null }),
            rackId: string("0+", { nullable: "0+", default: null }),
            clientId: string("0+"),
            clientHost: string("0+"),
            topologyEpoch: int32("0+"),
            /** Members with the same one run in the same instance of the application. */
            processId: string("0+"),
            userEndpoint: nested(
              "0+",
              struct({
                host: string("0+"),
                port: uint16("0+"),
              }),
              { nullable: "0+", default: null },
            ),
            clientTags: array("0+", keyValue),
            /** How far the stores of the tasks have got, added up over their changelogs. */
            taskOffsets: array("0+", taskOffset),
            /** Ends of the same changelogs. */
            taskEndOffsets: array("0+", taskOffset),
            /** What the member has now. */
            assignment: nested("0+", assignment),
            /** What it is to have. */
            targetAssignment: nested("0+", assignment),
            /** The member still uses the classic protocol. */
            isClassic: bool("0+"),
          }),
        ),
        /** Bits by AclOperation; the default means that nobody asked. */
        authorizedOperations: int32("0+", { default: -0x80000000 }),
      }),
    ),
  }),
});

export type StreamsGroupDescribeRequest = RequestOf<typeof streamsGroupDescribe>;
export type StreamsGroupDescribeRequestInput = RequestInput<typeof streamsGroupDescribe>;
export type StreamsGroupDescribeResponse = ResponseOf<typeof streamsGroupDescribe>;
export type StreamsGroupDescribeResponseInput = ResponseInput<typeof streamsGroupDescribe>;
