/**
 * DeleteTopics (API 20): removes topics.
 *
 * Versions 1 to 6.
 * - 1: throttle time.
 * - 4: flexible (KIP-482).
 * - 5: error messages; THROTTLING_QUOTA_EXCEEDED is possible (KIP-599).
 * - 6: by name or by topic id (KIP-516).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, string, struct, uuid } from "../schema/fields.ts";

export const deleteTopics = api({
  key: 20,
  name: "DeleteTopics",
  versions: "1-6",
  flexible: "4+",
  request: () => ({
    topics: array(
      "6+",
      struct({
        /** Null when the id is given. */
        name: string("0+", { nullable: "0+", default: null }),
        topicId: uuid("0+"),
      }),
    ),
    /** The topics, before version 6. */
    topicNames: array("0-5", "string"),
    timeoutMs: int32("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    responses: array(
      "0+",
      struct({
        /** Null when the topic was asked for by an unknown id. */
        name: string("0+", { nullable: "6+" }),
        topicId: uuid("6+"),
        errorCode: int16("0+"),
        errorMessage: string("5+", { nullable: "0+", default: null }),
      }),
    ),
  }),
});

export type DeleteTopicsRequest = RequestOf<typeof deleteTopics>;
export type DeleteTopicsRequestInput = RequestInput<typeof deleteTopics>;
export type DeleteTopicsResponse = ResponseOf<typeof deleteTopics>;
export type DeleteTopicsResponseInput = ResponseInput<typeof deleteTopics>;
