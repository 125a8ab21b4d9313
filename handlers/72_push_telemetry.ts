/** PushTelemetry (API 72): takes the metrics of a client, which the broker shows as gauges (KIP-714). */
import { errorCode } from "../protocol/errors.ts";
import { pushTelemetry, type PushTelemetryRequest } from "../protocol/messages/72_push_telemetry.ts";
import { handler, type RequestContext } from "./handler.ts";
import { hasTelemetry, telemetryClient } from "./telemetry_client.ts";

export const pushTelemetryHandler = handler(pushTelemetry, servePushTelemetry, { isOffered: hasTelemetry });

function servePushTelemetry(request: PushTelemetryRequest, context: RequestContext) {
  const { env, telemetry } = context.broker;
  const error = telemetry.push(telemetryClient(request.clientInstanceId, context), {
    subscriptionId: request.subscriptionId,
    isTerminating: request.terminating,
    compressionType: request.compressionType,
    metrics: request.metrics,
  }, env.mono());
  return { errorCode: errorCode(error) };
}
