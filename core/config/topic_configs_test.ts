import assert from "node:assert/strict";
import { brokerConfigDefinition, describeBrokerConfigs, serverConfigReader } from "./broker_configs.ts";
import { configValueFault } from "./config_definition.ts";
import {
  describeTopicConfigs,
  normalizeTopicConfig,
  topicConfig,
  topicConfigDefinitions,
  topicConfigNumber,
  topicConfigsFault,
} from "./topic_configs.ts";

const defaults = serverConfigReader(new Map());

// What Kafka 4.3.1's LogConfig.validate says of the same values.
const verdicts: readonly (readonly [string, string, boolean])[] = [
  ["cleanup.policy", "", true],
  ["cleanup.policy", "compact, delete", true],
  ["cleanup.policy", "delete,delete", true],
  ["cleanup.policy", "Compact", false],
  ["retention.ms", "-2", false],
  ["retention.ms", "+5", true],
  ["retention.ms", " 5 ", true],
  ["retention.ms", "5.0", false],
  ["retention.ms", "9223372036854775807", true],
  ["retention.ms", "9223372036854775808", false],
  ["retention.bytes", "-5", true],
  ["segment.bytes", "14", false],
  ["preallocate", "TRUE", true],
  ["preallocate", "yes", false],
  ["min.cleanable.dirty.ratio", "1e-1", true],
  ["min.cleanable.dirty.ratio", "2", false],
  ["message.timestamp.type", "createtime", false],
  ["message.timestamp.type", "LogAppendTime", true],
  ["compression.gzip.level", "0", false],
  ["max.message.bytes", "-1", false],
  ["flush.ms", "", false],
  ["nope", "1", false],
  ["message.format.version", "2.8", false],
  ["__proto__", "1", false],
  ["follower.replication.throttled.replicas", "x", false],
  ["follower.replication.throttled.replicas", "*", true],
  ["follower.replication.throttled.replicas", "0:1,1:2", true],
];

Deno.test("topicConfigsFault() agrees with Kafka about values", () => {
  for (const [name, value, legal] of verdicts) {
    const configs = Object.fromEntries([[name, value]]);
    assert.equal(topicConfigsFault(configs, { nullDeletes: false }) === null, legal, `${name}=${value}`);
  }
});

Deno.test("topicConfigsFault() takes null as a deletion only where it is one", () => {
  assert.equal(topicConfigsFault({ "retention.ms": null }, { nullDeletes: true }), null);
  assert.match(topicConfigsFault({ "retention.ms": null }, { nullDeletes: false }) ?? "", /null/);
  assert.match(
    topicConfigsFault({ "min.compaction.lag.ms": "5" }, {
      nullDeletes: true,
      current: { "max.compaction.lag.ms": "4" },
    }) ?? "",
    /larger/,
  );
});

Deno.test("the defaults of both tables are legal, and every synonym is a known server setting", () => {
  for (const definition of topicConfigDefinitions.values()) {
    assert.equal(configValueFault(definition, definition.default), null, definition.name);
    for (const { name, factor } of definition.synonyms) {
      const synonym = brokerConfigDefinition(name);
      assert.ok(synonym !== undefined, name);
      if (synonym.default !== null && factor === 1) assert.equal(synonym.default, definition.default, name);
    }
    assert.equal(topicConfig({}, defaults, definition.name), definition.default);
  }
  for (const { name, value } of describeBrokerConfigs(defaults, null)) {
    const definition = brokerConfigDefinition(name);
    assert.ok(
      definition !== undefined && (value === null || configValueFault(definition, value) === null),
      name,
    );
  }
});

Deno.test("topicConfig() prefers the topic, then the strongest synonym, then the default", () => {
  const hours = serverConfigReader(new Map([["log.retention.hours", "24"]]));
  const minutes = serverConfigReader(
    new Map([["log.retention.hours", "24"], ["log.retention.minutes", "3"]]),
  );
  assert.equal(topicConfig({}, hours, "retention.ms"), "86400000");
  assert.equal(topicConfig({}, minutes, "retention.ms"), "180000");
  assert.equal(topicConfig({ "retention.ms": "7" }, minutes, "retention.ms"), "7");
  const unbounded = serverConfigReader(new Map([["log.retention.hours", "-1"]]));
  assert.equal(topicConfigNumber({}, unbounded, "retention.ms"), -1);
  assert.equal(topicConfigNumber({}, defaults, "flush.messages"), Number.MAX_SAFE_INTEGER);
  assert.throws(() => topicConfig({}, defaults, "nope"), /Unknown/);
});

Deno.test("describeTopicConfigs() tells sources and synonyms as DescribeConfigs has them", () => {
  const server = serverConfigReader(new Map([["log.retention.hours", "24"]]));
  const [own] = describeTopicConfigs({ "retention.ms": "7" }, server, ["retention.ms", "nope"]);
  assert.deepEqual(own && { ...own, documentation: "" }, {
    name: "retention.ms",
    value: "7",
    readOnly: false,
    source: 1,
    isSensitive: false,
    synonyms: [
      { name: "retention.ms", value: "7", source: 1 },
      { name: "log.retention.hours", value: "24", source: 4 },
      { name: "log.retention.hours", value: "168", source: 5 },
    ],
    type: 5,
    documentation: "",
  });
  const all = describeTopicConfigs({}, server, null);
  assert.equal(all.length, topicConfigDefinitions.size);
  assert.equal(all.find(({ name }) => name === "retention.ms")?.source, 4);
  assert.equal(all.find(({ name }) => name === "segment.ms")?.source, 5);
  assert.equal(all.find(({ name }) => name === "remote.storage.enable")?.source, 5);
});

Deno.test("a setting without effect says so in its documentation", () => {
  for (const { name, documentation } of describeTopicConfigs({}, defaults, null)) {
    const { effect } = topicConfigDefinitions.get(name) ?? {};
    assert.equal(documentation.includes("without effect"), effect === "none", name);
  }
});

Deno.test("describeBrokerConfigs() is read-only and hides nothing that was set", () => {
  const server = serverConfigReader(new Map([["num.partitions", "3"]]));
  const [entry] = describeBrokerConfigs(server, ["num.partitions"]);
  assert.deepEqual(entry?.synonyms, [
    { name: "num.partitions", value: "3", source: 4 },
    { name: "num.partitions", value: "1", source: 5 },
  ]);
  assert.equal(entry?.readOnly, true);
  assert.equal(describeBrokerConfigs(server, ["log.retention.ms"])[0]?.value, null);
  assert.equal(
    serverConfigReader(new Map([["delete.topic.enable", " FALSE "]]))("delete.topic.enable"),
    "false",
  );
});

Deno.test("normalizeTopicConfig() trims, lower-cases booleans and joins lists", () => {
  assert.equal(normalizeTopicConfig("cleanup.policy", " compact, delete,compact "), "compact,delete");
  assert.equal(normalizeTopicConfig("preallocate", "TRUE"), "true");
  assert.equal(normalizeTopicConfig("retention.ms", " 5 "), "5");
});
