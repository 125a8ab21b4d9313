/**
 * GetTelemetrySubscriptions (API 71): which metrics the broker wants of a client, and how often (KIP-714).
 *
 * Version 0, flexible.
 *
 * Only a broker that can receive metrics advertises this API; clients stop asking where it is absent.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, uuid } from "../schema/fields.ts";

export const getTelemetrySubscriptions = api({
  key: 71,
  name: "GetTelemetrySubscriptions",
  versions: "0",
  flexible: "0+",
  request: () => ({
    /** Zeroes the first time; then what the broker gave. */
    clientInstanceId: uuid("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
    /** The id that the client bears from now on. */
    clientInstanceId: uuid("0+"),
    /** Goes with every push; another one means that the wishes have changed. */
    subscriptionId: int32("0+"),
    /** 0: none, 1: gzip, 2: snappy, 3: lz4, 4: zstd; in order of preference. */
    acceptedCompressionTypes: array("0+", "int8"),
    pushIntervalMs: int32("0+"),
    /** Of one push. */
    telemetryMaxBytes: int32("0+"),
    /** Whether counters tell what was added since the last push, not the sum. */
    deltaTemporality: bool("0+"),
    /** Prefixes of names: none for no metrics, a single empty one for all. */
    requestedMetrics: array("0+", "string"),
  }),
});

export type GetTelemetrySubscriptionsRequest = RequestOf<typeof getTelemetrySubscriptions>;
export type GetTelemetrySubscriptionsRequestInput = RequestInput<typeof getTelemetrySubscriptions>;
export type GetTelemetrySubscriptionsResponse = ResponseOf<typeof getTelemetrySubscriptions>;
export type GetTelemetrySubscriptionsResponseInput = ResponseInput<typeof getTelemetrySubscriptions>;
