/** docs/compatibility.md says which of Kafka's broker settings there are: it must not drift from the table. */
import assert from "node:assert/strict";
import { brokerConfigDefinitions } from "../core/config/broker_configs.ts";
import {
  ABSENT,
  documentedSection,
  fits,
  kafkaSettings,
  settingsSection,
  squeezed,
} from "./broker_settings.ts";

Deno.test("docs/compatibility.md tells the broker's settings as they are", async () => {
  const section = squeezed(settingsSection(await kafkaSettings()));
  assert.equal(await documentedSection(), section, "run tests/broker_settings.ts and deno fmt");
});

Deno.test("every reason for an absent setting has one that it is for", async () => {
  const absent = (await kafkaSettings()).map(({ name }) => name).filter((name) =>
    !brokerConfigDefinitions.has(name)
  );
  for (const pattern of ABSENT.flatMap(({ patterns }) => patterns)) {
    assert.ok(absent.some((name) => fits(name, pattern)), pattern);
  }
});

Deno.test("a known setting has Kafka's type and default, but for addresses, the node's number and Java classes", async () => {
  const differences = (await kafkaSettings()).flatMap((kafka) => {
    const known = brokerConfigDefinitions.get(kafka.name);
    if (known === undefined) return [];
    const isSame = known.type === kafka.type && (known.default ?? "") === kafka.default;
    return isSame ? [] : [kafka.name];
  });
  assert.deepEqual(differences, [
    "broker.id",
    "controller.listener.names",
    "listeners",
    "metric.reporters",
    "node.id",
  ]);
});
