/**
 * DescribeConfigs (API 32): the configuration of topics, brokers and groups (KIP-133).
 *
 * Versions 1 to 4.
 * - 1: sources and synonyms in place of a mere "is default" (KIP-226).
 * - 2: answers come before the throttling (KIP-219).
 * - 3: type and documentation of each key (KIP-569).
 * - 4: flexible (KIP-482).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const describeConfigs = api({
  key: 32,
  name: "DescribeConfigs",
  versions: "1-4",
  flexible: "4+",
  request: () => ({
    resources: array(
      "0+",
      struct({
        /** 2: topic, 4: broker, 8: broker logger, 16: client metrics, 32: group. */
        resourceType: int8("0+"),
        resourceName: string("0+"),
        /** Null asks for all. */
        configurationKeys: array("0+", "string", { nullable: "0+" }),
      }),
    ),
    includeSynonyms: bool("0+", { default: false }),
    includeDocumentation: bool("3+", { default: false }),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    results: array(
      "0+",
      struct({
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+" }),
        resourceType: int8("0+"),
        resourceName: string("0+"),
        configs: array(
          "0+",
          struct({
            name: string("0+"),
            /** Null for sensitive keys, too. */
            value: string("0+", { nullable: "0+" }),
            readOnly: bool("0+"),
            /**
             * 1: topic, 2: broker, 3: default of all brokers, 4: static (file), 5: built-in default, 6:
             * broker logger, 7: client metrics, 8: group.
             */
            configSource: int8("0+", { default: -1 }),
            isSensitive: bool("0+"),
            /** All settings that could apply, the effective one first. */
            synonyms: array(
              "0+",
              struct({
                name: string("0+"),
                value: string("0+", { nullable: "0+" }),
                source: int8("0+"),
              }),
            ),
            /** 1: boolean, 2: string, 3: int, 4: short, 5: long, 6: double, 7: list, 8: class, 9: password. */
            configType: int8("3+", { default: 0 }),
            documentation: string("3+", { nullable: "0+" }),
          }),
        ),
      }),
    ),
  }),
});

export type DescribeConfigsRequest = RequestOf<typeof describeConfigs>;
export type DescribeConfigsRequestInput = RequestInput<typeof describeConfigs>;
export type DescribeConfigsResponse = ResponseOf<typeof describeConfigs>;
export type DescribeConfigsResponseInput = ResponseInput<typeof describeConfigs>;
