/**
 * UpdateFeatures (API 57): raises, lowers or deletes the levels of features that the whole cluster has agreed on
 * (KIP-584).
 *
 * Versions 0 to 2, all flexible.
 * - 1: kinds of downgrades, mere checks (KIP-778).
 * - 2: one result for all, as either all features change or none (KIP-1022).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int8, string, struct } from "../schema/fields.ts";

export const updateFeatures = api({
  key: 57,
  name: "UpdateFeatures",
  versions: "0-2",
  flexible: "0+",
  request: () => ({
    timeoutMs: int32("0+", { default: 60000 }),
    featureUpdates: array(
      "0+",
      struct({
        feature: string("0+"),
        /** The level to go to; below 1 deletes the feature. */
        maxVersionLevel: int16("0+"),
        allowDowngrade: bool("0"),
        /** 1: only up, 2: down unless that loses something, 3: down at any cost. */
        upgradeType: int8("1+", { default: 1 }),
      }),
    ),
    /** Only check; change nothing. */
    validateOnly: bool("1+", { default: false }),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    results: array(
      "0-1",
      struct({
        feature: string("0+"),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+" }),
      }),
    ),
  }),
});

export type UpdateFeaturesRequest = RequestOf<typeof updateFeatures>;
export type UpdateFeaturesRequestInput = RequestInput<typeof updateFeatures>;
export type UpdateFeaturesResponse = ResponseOf<typeof updateFeatures>;
export type UpdateFeaturesResponseInput = ResponseInput<typeof updateFeatures>;
