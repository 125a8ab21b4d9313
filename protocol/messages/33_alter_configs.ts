/**
 * AlterConfigs (API 33): replaces the whole configuration of topics or brokers (KIP-133). Keys that are not named
 * go back to their defaults, which is why IncrementalAlterConfigs (KIP-339) took its place.
 *
 * Versions 0 to 2.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: flexible (KIP-482).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const alterConfigs = api({
  key: 33,
  name: "AlterConfigs",
  versions: "0-2",
  flexible: "2+",
  request: () => ({
    resources: array(
      "0+",
      struct({
        /** As in DescribeConfigs. */
        resourceType: int8("0+"),
        resourceName: string("0+"),
        configs: array(
          "0+",
          struct({
            name: string("0+"),
            value: string("0+", { nullable: "0+" }),
          }),
        ),
      }),
    ),
    /** Only check; change nothing. */
    validateOnly: bool("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    responses: array(
      "0+",
      struct({
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+" }),
        resourceType: int8("0+"),
        resourceName: string("0+"),
      }),
    ),
  }),
});

export type AlterConfigsRequest = RequestOf<typeof alterConfigs>;
export type AlterConfigsRequestInput = RequestInput<typeof alterConfigs>;
export type AlterConfigsResponse = ResponseOf<typeof alterConfigs>;
export type AlterConfigsResponseInput = ResponseInput<typeof alterConfigs>;
