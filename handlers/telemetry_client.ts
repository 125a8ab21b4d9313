/** A client as subscriptions to client metrics select it. */
import type { Broker } from "../actors/broker.ts";
import type { TelemetryClient } from "../core/telemetry/client_gauges.ts";
import type { RequestContext } from "./handler.ts";

/** Like a Kafka broker without a receiver of metrics, one that wants none does not have its clients ask. */
export function hasTelemetry({ telemetry }: Broker): boolean {
  return telemetry.subscriptionCount > 0;
}

export function telemetryClient(
  clientInstanceId: string,
  { clientId, clientHost, client }: RequestContext,
): TelemetryClient {
  return {
    clientInstanceId,
    clientId,
    softwareName: client.softwareName,
    softwareVersion: client.softwareVersion,
    sourceAddress: clientHost.replace(/^\//, ""),
    sourcePort: client.port,
  };
}
