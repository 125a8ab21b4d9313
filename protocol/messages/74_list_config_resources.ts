/**
 * ListConfigResources (API 74): what there is that can be configured (KIP-1142). It began as
 * ListClientMetricsResources (KIP-1000).
 *
 * Versions 0 to 1, all flexible.
 * - 1: all types, where version 0 lists client metrics only (KIP-1142).
 *
 * UNSUPPORTED_VERSION when a type is asked for that the broker cannot list.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const listConfigResources = api({
  key: 74,
  name: "ListConfigResources",
  versions: "0-1",
  flexible: "0+",
  request: () => ({
    /** As in DescribeConfigs; empty for all. */
    resourceTypes: array("1+", "int8"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    configResources: array(
      "0+",
      struct({
        resourceName: string("0+"),
        /** As in DescribeConfigs; 16 is client metrics. */
        resourceType: int8("1+", { default: 16 }),
      }),
    ),
  }),
});

export type ListConfigResourcesRequest = RequestOf<typeof listConfigResources>;
export type ListConfigResourcesRequestInput = RequestInput<typeof listConfigResources>;
export type ListConfigResourcesResponse = ResponseOf<typeof listConfigResources>;
export type ListConfigResourcesResponseInput = ResponseInput<typeof listConfigResources>;
