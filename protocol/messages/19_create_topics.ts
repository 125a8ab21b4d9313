/**
 * CreateTopics (API 19): makes topics.
 *
 * Versions 2 to 7.
 * - 2: throttle time.
 * - 4: −1 takes the broker's number of partitions and replication factor (KIP-464).
 * - 5: flexible (KIP-482); the response tells the configuration (KIP-525).
 * - 6: THROTTLING_QUOTA_EXCEEDED is possible (KIP-599).
 * - 7: topic ids in the response (KIP-516).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int8, string, struct, uuid } from "../schema/fields.ts";

export const createTopics = api({
  key: 19,
  name: "CreateTopics",
  versions: "2-7",
  flexible: "5+",
  request: () => ({
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        /** −1 for the broker's default, or when `assignments` are given. */
        numPartitions: int32("0+"),
        /** −1 for the broker's default, or when `assignments` are given. */
        replicationFactor: int16("0+"),
        /** Replicas by hand; empty for the broker to place them. */
        assignments: array(
          "0+",
          struct({
            partitionIndex: int32("0+"),
            brokerIds: array("0+", "int32"),
          }),
        ),
        configs: array(
          "0+",
          struct({
            name: string("0+"),
            value: string("0+", { nullable: "0+" }),
          }),
        ),
      }),
    ),
    timeoutMs: int32("0+", { default: 60000 }),
    /** Only check; make nothing. */
    validateOnly: bool("0+", { default: false }),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    topics: array(
      "0+",
      struct({
        name: string("0+"),
        topicId: uuid("7+"),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+" }),
        /** Why `configs` is missing; 0 when it is not. */
        topicConfigErrorCode: int16("5+", { tag: 0 }),
        numPartitions: int32("5+", { default: -1 }),
        replicationFactor: int16("5+", { default: -1 }),
        /** Null when the client may not see it. */
        configs: array(
          "5+",
          struct({
            name: string("0+"),
            value: string("0+", { nullable: "0+" }),
            readOnly: bool("0+"),
            /** As in DescribeConfigs. */
            configSource: int8("0+", { default: -1 }),
            isSensitive: bool("0+"),
          }),
          { nullable: "0+" },
        ),
      }),
    ),
  }),
});

export type CreateTopicsRequest = RequestOf<typeof createTopics>;
export type CreateTopicsRequestInput = RequestInput<typeof createTopics>;
export type CreateTopicsResponse = ResponseOf<typeof createTopics>;
export type CreateTopicsResponseInput = ResponseInput<typeof createTopics>;
