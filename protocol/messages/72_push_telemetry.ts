/**
 * PushTelemetry (API 72): a client hands over its metrics (KIP-714).
 *
 * Version 0, flexible.
 *
 * UNKNOWN_SUBSCRIPTION_ID: ask for the subscriptions again. TELEMETRY_TOO_LARGE, UNSUPPORTED_COMPRESSION_TYPE and
 * THROTTLING_QUOTA_EXCEEDED (pushed too early): the metrics are lost.
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { bool, bytes, int16, int32, int8, uuid } from "../schema/fields.ts";

export const pushTelemetry = api({
  key: 72,
  name: "PushTelemetry",
  versions: "0",
  flexible: "0+",
  request: () => ({
    clientInstanceId: uuid("0+"),
    subscriptionId: int32("0+"),
    /** The last push before the client goes; it may come early. */
    terminating: bool("0+"),
    /** As in GetTelemetrySubscriptions. */
    compressionType: int8("0+"),
    /** MetricsData of OpenTelemetry version 1 in protobuf, compressed. */
    metrics: bytes("0+"),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("0+"),
  }),
});

export type PushTelemetryRequest = RequestOf<typeof pushTelemetry>;
export type PushTelemetryRequestInput = RequestInput<typeof pushTelemetry>;
export type PushTelemetryResponse = ResponseOf<typeof pushTelemetry>;
export type PushTelemetryResponseInput = ResponseInput<typeof pushTelemetry>;
