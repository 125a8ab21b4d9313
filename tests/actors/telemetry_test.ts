/** Client metrics through the handlers on a whole broker: subscriptions set by configuration, ids given, pushes shown. */
import assert from "node:assert/strict";
import { configResourceTypes } from "../../core/config/config_resource.ts";
import { ZERO_UUID } from "../../lib/bytes.ts";
import { errorName } from "../../protocol/errors.ts";
import { apiVersions } from "../../protocol/messages/18_api_versions.ts";
import { incrementalAlterConfigs } from "../../protocol/messages/44_incremental_alter_configs.ts";
import { getTelemetrySubscriptions } from "../../protocol/messages/71_get_telemetry_subscriptions.ts";
import { pushTelemetry } from "../../protocol/messages/72_push_telemetry.ts";
import { call } from "../handler_call.ts";
import { start } from "../local_world.ts";

/** MetricsData with the gauge `m` of value 1. */
const PAYLOAD = Uint8Array.of(
  10,
  20,
  18,
  18,
  18,
  16,
  10,
  1,
  0x6d,
  42,
  11,
  10,
  9,
  33,
  0,
  0,
  0,
  0,
  0,
  0,
  0xf0,
  0x3f,
);

Deno.test("a client gets an id, learns what to push, and its numbers are shown", async () => {
  const world = await start();
  const isOffered = async () => {
    const software = { clientSoftwareName: "test", clientSoftwareVersion: "1" };
    return (await call(world, apiVersions, software, 3)).apiKeys.some(({ apiKey }) => apiKey === 71);
  };
  assert.equal(await isOffered(), false, "nobody wants to know");
  await call(world, incrementalAlterConfigs, {
    resources: [{
      resourceType: configResourceTypes.CLIENT_METRICS,
      resourceName: "s",
      configs: [["metrics", "*"], ["interval.ms", "1000"], ["match", "client_id=te.*"]].map((
        [name, value],
      ) => ({
        name: name ?? "",
        configOperation: 0,
        value: value ?? "",
      })),
    }],
    validateOnly: false,
  });
  assert.equal(await isOffered(), true);
  const told = await call(world, getTelemetrySubscriptions, { clientInstanceId: ZERO_UUID });
  assert.equal(told.errorCode, 0);
  assert.notEqual(told.clientInstanceId, ZERO_UUID);
  assert.deepEqual([told.requestedMetrics, told.pushIntervalMs, told.telemetryMaxBytes], [
    ["*"],
    1_000,
    1_048_576,
  ]);
  const { clientInstanceId, subscriptionId } = told;
  const early = await call(world, getTelemetrySubscriptions, { clientInstanceId });
  assert.equal(errorName(early.errorCode), "THROTTLING_QUOTA_EXCEEDED");
  const push = async (terminating: boolean) => {
    const request = { clientInstanceId, subscriptionId, terminating, compressionType: 0, metrics: PAYLOAD };
    return errorName((await call(world, pushTelemetry, request)).errorCode);
  };
  assert.equal(await push(false), "NONE");
  const { clients } = world.broker.telemetry.snapshot(world.env.mono());
  assert.deepEqual(clients.map(({ client, gauges }) => [client.clientId, gauges]), [
    ["test", [{ name: "m", attributes: [], value: 1 }]],
  ]);
  assert.equal(await push(true), "NONE");
  assert.deepEqual(world.broker.telemetry.snapshot(world.env.mono()).clients, []);
});
