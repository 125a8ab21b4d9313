/** Settings of share groups, and where they come from. */
import assert from "node:assert/strict";
import { serverConfigReader } from "../config/broker_configs.ts";
import { parseOffsetReset, resolveShareConfig } from "./resolve_config.ts";
import { shareGroupConfigDefaults } from "./share_config.ts";

Deno.test("a group's own settings win over the server's, and those over Kafka's defaults", () => {
  assert.deepEqual(resolveShareConfig({}, serverConfigReader(new Map())), shareGroupConfigDefaults);
  const server = serverConfigReader(
    new Map([["group.share.delivery.count.limit", "7"], ["group.share.record.lock.duration.ms", "20000"]]),
  );
  const own = {
    "share.delivery.count.limit": "3",
    "share.auto.offset.reset": "earliest",
    "share.isolation.level": "read_committed",
    "share.renew.acknowledge.enable": "false",
  };
  const resolved = resolveShareConfig(own, server);
  assert.deepEqual([resolved.deliveryCountLimit, resolved.recordLockDurationMs], [3, 20_000]);
  assert.deepEqual([resolved.offsetReset, resolved.isolationLevel, resolved.mayRenew], [
    { type: "earliest" },
    "read_committed",
    false,
  ]);
});

Deno.test("parseOffsetReset() takes durations as Java does, and nothing else", () => {
  assert.deepEqual(parseOffsetReset("by_duration:P1DT2H3M4.5S"), { type: "by_duration", ms: 93_784_500 });
  assert.deepEqual(parseOffsetReset("by_duration:PT0S"), { type: "by_duration", ms: 0 });
  assert.deepEqual(parseOffsetReset("Latest"), { type: "latest" });
  for (
    const wrong of [
      "",
      "none",
      "by_duration:",
      "by_duration:P",
      "by_duration:PT",
      "by_duration:-PT1S",
      "by_duration:P1DT",
    ]
  ) {
    assert.equal(parseOffsetReset(wrong), null, wrong);
  }
});
