/** REST v3: configurations of brokers, one and all, on a whole broker: the contract's shapes, and that they take effect. */
import assert from "node:assert/strict";
import { Admin } from "../../client/mod.ts";
import { serveBroker, type ServedBroker } from "../served_broker.ts";

const ID = "kavka-test-cluster-001";
const CLUSTER = `/v3/clusters/${ID}`;
const ONE = `${CLUSTER}/brokers/1/configs`;
const ALL = `${CLUSTER}/broker-configs`;

// deno-lint-ignore no-explicit-any -- tests look into answers freely
type Body = any;

async function call(served: ServedBroker, method: string, path: string, body?: unknown) {
  const response = await served.http(path, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) as Body };
}

async function outcome(served: ServedBroker, method: string, path: string, body?: unknown) {
  const { status, body: answer } = await call(served, method, path, body);
  return answer === null ? [status] : [status, answer.error_code, answer.message];
}

const asDefault = (value: string) => ({ name: "compression.type", value, source: "DEFAULT_CONFIG" });
const ofAll = (value: string) => ({
  name: "compression.type",
  value,
  source: "DYNAMIC_DEFAULT_BROKER_CONFIG",
});
const ofOne = (value: string) => ({ name: "compression.type", value, source: "DYNAMIC_BROKER_CONFIG" });

/** As the contract's own tests have it. */
function brokerConfig(fields: object) {
  return {
    kind: "KafkaBrokerConfig",
    metadata: {
      self: `http://127.0.0.1${ONE}/compression.type`,
      resource_name: `crn:///kafka=${ID}/broker=1/config=compression.type`,
    },
    cluster_id: ID,
    broker_id: 1,
    name: "compression.type",
    is_default: false,
    is_read_only: false,
    is_sensitive: false,
    ...fields,
  };
}

Deno.test("v3: a setting of all brokers is made, told, in force, and reset", async () => {
  await using served = await serveBroker();
  assert.deepEqual(await outcome(served, "GET", `${ALL}/compression.type`), [
    404,
    404,
    "Config compression.type cannot be found.",
  ]);
  const before = brokerConfig({
    value: "producer",
    is_default: true,
    source: "DEFAULT_CONFIG",
    synonyms: [asDefault("producer")],
  });
  assert.deepEqual((await call(served, "GET", `${ONE}/compression.type`)).body, before);
  assert.deepEqual(await outcome(served, "PUT", `${ALL}/compression.type`, { value: "gzip" }), [204]);
  const made = {
    kind: "KafkaClusterConfig",
    metadata: {
      self: `http://127.0.0.1${ALL}/compression.type`,
      resource_name: `crn:///kafka=${ID}/broker-config=compression.type`,
    },
    cluster_id: ID,
    config_type: "BROKER",
    name: "compression.type",
    value: "gzip",
    is_default: false,
    is_read_only: false,
    is_sensitive: false,
    source: "DYNAMIC_DEFAULT_BROKER_CONFIG",
    synonyms: [ofAll("gzip")],
  };
  assert.deepEqual(await call(served, "GET", `${ALL}/compression.type`), { status: 200, body: made });
  assert.deepEqual((await call(served, "GET", ALL)).body, {
    kind: "KafkaClusterConfigList",
    metadata: { self: `http://127.0.0.1${ALL}`, next: null },
    data: [made],
  });
  assert.deepEqual(
    (await call(served, "GET", `${ONE}/compression.type`)).body,
    brokerConfig({
      value: "gzip",
      source: "DYNAMIC_DEFAULT_BROKER_CONFIG",
      synonyms: [ofAll("gzip"), asDefault("producer")],
    }),
  );
  assert.equal(served.broker.config("compression.type"), "gzip");
  assert.deepEqual(await outcome(served, "DELETE", `${ALL}/compression.type`), [204]);
  assert.deepEqual((await call(served, "GET", ALL)).body.data, []);
  assert.deepEqual((await call(served, "GET", `${ONE}/compression.type`)).body, before);
  assert.deepEqual(await outcome(served, "DELETE", `${ALL}/compression.type`), [
    404,
    404,
    `Config compression.type cannot be found for BROKER in cluster ${ID}.`,
  ]);
});

Deno.test("v3: a setting of one broker goes before that of all, and topics show where theirs comes from", async () => {
  await using served = await serveBroker();
  await call(served, "POST", `${CLUSTER}/topics`, { topic_name: "t", partitions_count: 1 });
  await call(served, "PUT", `${ALL}/compression.type`, { value: "gzip" });
  assert.deepEqual(await outcome(served, "PUT", `${ONE}/compression.type`, { value: "zstd" }), [204]);
  const fields = {
    value: "zstd",
    source: "DYNAMIC_BROKER_CONFIG",
    synonyms: [ofOne("zstd"), ofAll("gzip"), asDefault("producer")],
  };
  assert.deepEqual((await call(served, "GET", `${ONE}/compression.type`)).body, brokerConfig(fields));
  for (const path of [ONE, `${CLUSTER}/brokers/-/configs`]) {
    const { body } = await call(served, "GET", path);
    assert.deepEqual(
      body.data.find(({ name }: Body) => name === "compression.type"),
      brokerConfig(fields),
      path,
    );
  }
  const { body: topic } = await call(served, "GET", `${CLUSTER}/topics/t/configs/compression.type`);
  assert.deepEqual([topic.value, topic.is_default, topic.source, topic.synonyms], [
    "zstd",
    false,
    fields.source,
    fields.synonyms,
  ]);
  assert.deepEqual(await outcome(served, "DELETE", `${ONE}/compression.type`), [204]);
  assert.equal((await call(served, "GET", `${ONE}/compression.type`)).body.value, "gzip");
  // What is not set can be reset, as in Kafka.
  assert.deepEqual(await outcome(served, "DELETE", `${ONE}/compression.type`), [204]);
});

Deno.test("v3: several settings of brokers change at once, or none", async () => {
  await using served = await serveBroker();
  const value = async (name: string) => (await call(served, "GET", `${ONE}/${name}`)).body.value;
  for (const [path, source] of [[ONE, "DYNAMIC_BROKER_CONFIG"], [ALL, "DYNAMIC_DEFAULT_BROKER_CONFIG"]]) {
    const data = [{ name: "max.connections", value: "1000" }, {
      name: "compression.type",
      value: "gzip",
      operation: "SET",
    }];
    assert.deepEqual(await outcome(served, "POST", `${path}:alter`, { data, validate_only: true }), [204]);
    assert.equal(await value("max.connections"), "2147483647");
    const wrong = [...data, { name: "log.segment.bytes", value: "x" }];
    const refused = await outcome(served, "POST", `${path}:alter`, { data: wrong });
    assert.deepEqual(refused.slice(0, 2), [400, 40002]);
    assert.equal(await value("max.connections"), "2147483647");
    assert.deepEqual(await outcome(served, "POST", `${path}%3Aalter`, { data }), [204]);
    const { body } = await call(served, "GET", `${ONE}/max.connections`);
    assert.deepEqual([body.value, body.source], ["1000", source]);
    assert.equal(await value("compression.type"), "gzip");
    const back = data.map(({ name }) => ({ name, operation: "DELETE" }));
    assert.deepEqual(await outcome(served, "POST", `${path}:alter`, { data: back }), [204]);
    assert.equal(await value("max.connections"), "2147483647");
  }
});

Deno.test("v3: what cannot be set of brokers is refused with the contract's codes", async () => {
  await using served = await serveBroker();
  const absent = `Config foobar cannot be found for BROKER 1 in cluster ${ID}.`;
  const alter = (name: string) => ({ data: [{ name, value: "1" }] });
  const cases: readonly (readonly [string, string, unknown, number, number, string | null])[] = [
    ["GET", `${ONE}/foobar`, undefined, 404, 404, "Config foobar cannot be found."],
    ["PUT", `${ONE}/foobar`, { value: "1" }, 404, 404, absent],
    ["DELETE", `${ONE}/foobar`, undefined, 404, 404, absent],
    ["POST", `${ONE}:alter`, alter("foobar"), 404, 404, absent],
    ["PUT", `${ONE}/constructor`, { value: "1" }, 404, 404, null],
    ["DELETE", `${ALL}/constructor`, undefined, 404, 404, null],
    ["PUT", `${ALL}/foobar`, { value: "1" }, 400, 40002, 'Unknown broker configuration "foobar"'],
    ["POST", `${ALL}:alter`, alter("foobar"), 400, 40002, null],
    // Not while the broker runs: who may administer may not let webhooks into the network, for one.
    ["PUT", `${ONE}/webhook.allowed.addresses`, { value: "*" }, 400, 40002, null],
    ["PUT", `${ALL}/listeners`, { value: "PLAINTEXT://:1" }, 400, 40002, null],
    ["PUT", `${ONE}/message.max.bytes`, { value: "many" }, 400, 40002, null],
    ["PUT", `${ONE}/message.max.bytes`, { value: null }, 400, 40002, null],
    ["PUT", `${ONE}/message.max.bytes`, { value: 5 }, 400, 400, null],
    ["POST", `${ONE}:alter`, { data: [{ name: "message.max.bytes", operation: "APPEND" }] }, 400, 400, null],
    ["PUT", `${CLUSTER}/brokers/2/configs/message.max.bytes`, { value: "9" }, 404, 404, null],
    ["PUT", `${CLUSTER}/brokers/foobar/configs/message.max.bytes`, { value: "9" }, 404, 404, null],
    ["POST", `${CLUSTER}/brokers/2/configs:alter`, alter("message.max.bytes"), 404, 404, null],
    ["PUT", `/v3/clusters/foobar/broker-configs/message.max.bytes`, { value: "9" }, 404, 404, null],
    ["POST", `/v3/clusters/foobar/broker-configs:alter`, alter("message.max.bytes"), 404, 404, null],
    ["DELETE", `/v3/clusters/foobar/brokers/1/configs/message.max.bytes`, undefined, 404, 404, null],
    ["PATCH", `${ALL}/message.max.bytes`, {}, 405, 405, null],
  ];
  for (const [method, path, body, status, code, message] of cases) {
    const [gotStatus, gotCode, gotMessage] = await outcome(served, method, path, body);
    assert.deepEqual([gotStatus, gotCode], [status, code], `${method} ${path}: ${gotMessage}`);
    if (message !== null) assert.equal(gotMessage, message);
  }
  assert.deepEqual((await call(served, "GET", ALL)).body.data, []);
});

Deno.test("v3: Kafka's clients and REST v3 change the same settings of brokers", async () => {
  await using served = await serveBroker();
  using admin = new Admin(served.env, { bootstrapServers: served.bootstrapServers });
  await call(served, "PUT", `${ONE}/message.max.bytes`, { value: "5000" });
  const entries = (await admin.describeConfigs("broker", ["1"])).get("1") ?? [];
  assert.equal(entries.find(({ name }) => name === "message.max.bytes")?.value, "5000");
  await admin.alterConfigs({ type: "broker", name: "" }, [{ name: "message.max.bytes", value: "6000" }]);
  assert.equal((await call(served, "GET", `${ALL}/message.max.bytes`)).body.value, "6000");
});
