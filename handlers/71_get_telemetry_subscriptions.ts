/**
 * GetTelemetrySubscriptions (API 71): which metrics a client is to push, and how often (KIP-714). A client without an id gets
 * one. Sums are asked for as they are since the client's start, so that a push that was lost is not missed.
 */
import { ACCEPTED_COMPRESSION_TYPES } from "../core/telemetry/client_telemetry.ts";
import { ZERO_UUID } from "../lib/bytes.ts";
import { errorCode } from "../protocol/errors.ts";
import {
  getTelemetrySubscriptions,
  type GetTelemetrySubscriptionsRequest,
} from "../protocol/messages/71_get_telemetry_subscriptions.ts";
import { handler, type RequestContext } from "./handler.ts";
import { hasTelemetry, telemetryClient } from "./telemetry_client.ts";

export const getTelemetrySubscriptionsHandler = handler(
  getTelemetrySubscriptions,
  serveGetTelemetrySubscriptions,
  { isOffered: hasTelemetry },
);

function serveGetTelemetrySubscriptions(request: GetTelemetrySubscriptionsRequest, context: RequestContext) {
  const { env, telemetry } = context.broker;
  const clientInstanceId = request.clientInstanceId === ZERO_UUID ? env.uuid() : request.clientInstanceId;
  const wish = telemetry.subscribe(telemetryClient(clientInstanceId, context), env.mono());
  if ("error" in wish) {
    return {
      errorCode: errorCode(wish.error),
      clientInstanceId: request.clientInstanceId,
      subscriptionId: 0,
      acceptedCompressionTypes: [],
      pushIntervalMs: 0,
      telemetryMaxBytes: 0,
      deltaTemporality: false,
      requestedMetrics: [],
    };
  }
  return {
    errorCode: 0,
    clientInstanceId,
    subscriptionId: wish.subscriptionId,
    acceptedCompressionTypes: ACCEPTED_COMPRESSION_TYPES,
    pushIntervalMs: wish.pushIntervalMs,
    telemetryMaxBytes: telemetry.pushBytesMax,
    deltaTemporality: false,
    requestedMetrics: wish.requestedMetrics,
  };
}
