/**
 * IncrementalAlterConfigs (API 44): changes single configuration keys (KIP-339).
 *
 * Versions 0 to 1.
 * - 1: flexible (KIP-482).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const incrementalAlterConfigs = api({
  key: 44,
  name: "IncrementalAlterConfigs",
  versions: "0-1",
  flexible: "1+",
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
            /** 0: set, 1: delete (back to the default), 2: append to a list, 3: subtract from a list. */
            configOperation: int8("0+"),
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

export type IncrementalAlterConfigsRequest = RequestOf<typeof incrementalAlterConfigs>;
export type IncrementalAlterConfigsRequestInput = RequestInput<typeof incrementalAlterConfigs>;
export type IncrementalAlterConfigsResponse = ResponseOf<typeof incrementalAlterConfigs>;
export type IncrementalAlterConfigsResponseInput = ResponseInput<typeof incrementalAlterConfigs>;
