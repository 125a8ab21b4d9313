import assert from "node:assert/strict";
import { serverConfigReader } from "./broker_configs.ts";
import { changeTopicConfigs, type ConfigChange } from "./config_changes.ts";

const server = serverConfigReader(new Map());

function change(current: Record<string, string>, ...changes: ConfigChange[]) {
  return changeTopicConfigs(current, changes, server);
}

Deno.test("changeTopicConfigs() sets and deletes, and leaves the rest alone", () => {
  const current = { "retention.ms": "1000", "max.message.bytes": "5000" };
  assert.deepEqual(
    change(
      current,
      { name: "retention.ms", operation: "delete", value: null },
      { name: "retention.bytes", operation: "set", value: " 77 " },
    ),
    { configs: { "max.message.bytes": "5000", "retention.bytes": "77" } },
  );
});

Deno.test("changeTopicConfigs() appends to a list's default and subtracts from what is there", () => {
  const appended = change({}, { name: "cleanup.policy", operation: "append", value: "compact" });
  assert.deepEqual(appended, { configs: { "cleanup.policy": "delete,compact" } });
  const subtracted = change(
    { "cleanup.policy": "delete,compact" },
    { name: "cleanup.policy", operation: "subtract", value: "delete" },
  );
  assert.deepEqual(subtracted, { configs: { "cleanup.policy": "compact" } });
});

Deno.test("changeTopicConfigs() refuses unknown names, wrong values, lists that are none, and doubles", () => {
  for (
    const wrong of [
      { name: "no.such", operation: "set", value: "1" },
      { name: "no.such", operation: "append", value: "1" },
      { name: "retention.ms", operation: "set", value: "soon" },
      { name: "retention.ms", operation: "set", value: null },
      { name: "retention.ms", operation: "append", value: "1" },
    ] as const
  ) {
    assert.ok("fault" in change({}, wrong), wrong.name);
  }
  const set = { name: "retention.ms", operation: "set", value: "1" } as const;
  assert.ok("fault" in change({}, set, set));
});
