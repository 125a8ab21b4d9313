/** REST v3 on a whole broker, at both of its mounts. */
import assert from "node:assert/strict";
import { encodeAssignment, encodeSubscription } from "../../protocol/messages/consumer_protocol.ts";
import { serveBroker, type ServedBroker } from "../served_broker.ts";

const CLUSTER = "/v3/clusters/kavka-test-cluster-001";
const json = { "content-type": "application/json" };

// deno-lint-ignore no-explicit-any -- tests look into answers freely
type Body = any;

async function call(
  served: ServedBroker,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = json,
): Promise<{ status: number; body: Body }> {
  const init = body === undefined ? { method } : {
    method,
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body),
  };
  const response = await served.http(path, init);
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

async function createTopic(served: ServedBroker, name: string, partitions = 1): Promise<void> {
  const { status } = await call(served, "POST", `${CLUSTER}/topics`, {
    topic_name: name,
    partitions_count: partitions,
  });
  assert.equal(status, 201);
}

Deno.test("v3: the cluster, its brokers and their configurations, at both mounts", async () => {
  await using served = await serveBroker();
  for (const mount of ["/v3", "/kafka/v3"]) {
    const { body: clusters } = await call(served, "GET", `${mount}/clusters`);
    const [cluster] = clusters.data;
    assert.equal(clusters.kind, "KafkaClusterList");
    assert.equal(clusters.metadata.self, `http://127.0.0.1${mount}/clusters`);
    assert.equal(cluster.cluster_id, "kavka-test-cluster-001");
    assert.equal(cluster.metadata.resource_name, "crn:///kafka=kavka-test-cluster-001");
    assert.equal(cluster.topics.related, `http://127.0.0.1${mount}/clusters/kavka-test-cluster-001/topics`);
  }
  const { body: brokers } = await call(served, "GET", `${CLUSTER}/brokers`);
  assert.deepEqual(brokers.data.map((each: Body) => [each.broker_id, each.host, each.port]), [[
    1,
    "127.0.0.1",
    served.port,
  ]]);
  const { body: broker } = await call(served, "GET", `${CLUSTER}/brokers/1`);
  assert.equal(broker.kind, "KafkaBroker");
  const { body: config } = await call(served, "GET", `${CLUSTER}/brokers/1/configs/num.partitions`);
  assert.deepEqual([config.name, config.value, config.is_default, config.source], [
    "num.partitions",
    "1",
    true,
    "DEFAULT_CONFIG",
  ]);
});

Deno.test("v3: a topic's life: validated, created, described, grown, configured, deleted", async () => {
  await using served = await serveBroker();
  const wish = {
    topic_name: "t",
    partitions_count: 2,
    replication_factor: 1,
    configs: [{ name: "retention.ms", value: "5" }],
  };
  assert.equal(
    (await call(served, "POST", `${CLUSTER}/topics`, { ...wish, validate_only: true })).status,
    200,
  );
  assert.equal((await call(served, "GET", `${CLUSTER}/topics/t`)).status, 404);
  const created = await call(served, "POST", `${CLUSTER}/topics`, wish);
  assert.deepEqual([created.status, created.body.partitions_count, created.body.replication_factor], [
    201,
    2,
    1,
  ]);
  assert.equal(created.body.metadata.resource_name, "crn:///kafka=kavka-test-cluster-001/topic=t");
  const again = await call(served, "POST", `${CLUSTER}/topics`, wish);
  assert.deepEqual([again.status, again.body.error_code], [400, 40002]);
  assert.equal(
    (await call(served, "PATCH", `${CLUSTER}/topics/t`, { partitions_count: 3 })).body.partitions_count,
    3,
  );
  assert.equal((await call(served, "PATCH", `${CLUSTER}/topics/t`, { partitions_count: 1 })).status, 400);
  const { body: partitions } = await call(served, "GET", `${CLUSTER}/topics/t/partitions`);
  assert.deepEqual(partitions.data.map((each: Body) => each.partition_id), [0, 1, 2]);
  const { body: replicas } = await call(served, "GET", `${CLUSTER}/topics/t/partitions/2/replicas`);
  assert.deepEqual(replicas.data.map((each: Body) => [each.broker_id, each.is_leader, each.is_in_sync]), [[
    1,
    true,
    true,
  ]]);
  assert.equal(
    (await call(served, "GET", `${CLUSTER}/topics/t/partitions/2/replicas/1`)).body.kind,
    "KafkaReplica",
  );
  assert.equal((await call(served, "GET", `${CLUSTER}/brokers/1/partition-replicas`)).body.data.length, 3);
  assert.equal((await call(served, "GET", `${CLUSTER}/topics/-/configs`)).body.kind, "KafkaTopicConfigList");

  const config = `${CLUSTER}/topics/t/configs`;
  assert.equal((await call(served, "GET", `${config}/retention.ms`)).body.value, "5");
  assert.equal((await call(served, "PUT", `${config}/retention.ms`, { value: "6" })).status, 204);
  assert.equal((await call(served, "GET", `${config}/retention.ms`)).body.value, "6");
  assert.equal((await call(served, "DELETE", `${config}/retention.ms`)).status, 204);
  assert.equal((await call(served, "GET", `${config}/retention.ms`)).body.is_default, true);
  const data = [{ name: "retention.ms", value: "7" }, { name: "cleanup.policy", operation: "DELETE" }];
  assert.equal((await call(served, "POST", `${config}:alter`, { data, validate_only: true })).status, 204);
  assert.equal((await call(served, "GET", `${config}/retention.ms`)).body.is_default, true);
  assert.equal((await call(served, "POST", `${config}%3Aalter`, { data })).status, 204);
  assert.equal((await call(served, "GET", `${config}/retention.ms`)).body.value, "7");

  assert.equal((await call(served, "DELETE", `${CLUSTER}/topics/t`)).status, 204);
  const gone = await call(served, "GET", `${CLUSTER}/topics/t`);
  assert.deepEqual([gone.status, gone.body.error_code], [404, 40403]);
});

Deno.test("v3: one record, with headers and a time, is what was sent", async () => {
  await using served = await serveBroker();
  await createTopic(served, "t", 3);
  const { status, body } = await call(served, "POST", `${CLUSTER}/topics/t/records`, {
    partition_id: 2,
    headers: [{ name: "h", value: "AQI=" }, { name: "n" }],
    key: { type: "BINARY", data: "AAE=" },
    value: { type: "JSON", data: { n: [1, null] } },
    timestamp: "2021-02-05T19:14:42Z",
  });
  assert.deepEqual([status, body], [200, {
    error_code: 200,
    cluster_id: "kavka-test-cluster-001",
    topic_name: "t",
    partition_id: 2,
    offset: 0,
    timestamp: "2021-02-05T19:14:42.000Z",
    key: { type: "BINARY", size: 2 },
    value: { type: "JSON", size: 14 },
  }]);
  const { body: read } = await call(served, "GET", "/v1/topics/t/partitions/2/records?format=binary");
  const [record] = read.records;
  assert.deepEqual(record.key.data, "AAE=");
  assert.equal(atob(record.value.data), '{"n":[1,null]}');
  assert.deepEqual(record.headers, [{ key: "h", value: { type: "binary", data: "AQI=" } }, {
    key: "n",
    value: null,
  }]);
});

Deno.test("v3: a stream of records is reported one by one while the body still comes", async () => {
  await using served = await serveBroker();
  await createTopic(served, "t");
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const send = (text: string) => void writer.write(new TextEncoder().encode(text));
  const response = await served.http(`${CLUSTER}/topics/t/records`, {
    method: "POST",
    headers: json,
    body: readable,
  });
  assert.equal(response.status, 200);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const next = async () => JSON.parse((await reader?.read())?.value ?? "null");
  send('{"value":{"type":"STRING","data":"a"}} {"value":{"type":"STR');
  assert.equal((await next()).offset, 0);
  send(
    'ING","data":"b"}}{"value":{"type":"NONE","data":"x"}}{"partition_id":7,"value":{"type":"STRING","data":"x"}}',
  );
  assert.equal((await next()).offset, 1);
  assert.equal((await next()).error_code, 400);
  assert.equal((await next()).error_code, 400);
  send('{"key":{"type":"STRING","data":"k"}}');
  assert.equal((await next()).offset, 2);
  await writer.close();
  assert.equal((await reader?.read())?.done, true);
});

Deno.test("v3: many records in one body keep their order", async () => {
  await using served = await serveBroker();
  await createTopic(served, "t");
  const count = 1_000;
  const body = Array.from({ length: count }, (_, n) => JSON.stringify({ value: { type: "JSON", data: n } }))
    .join("");
  const response = await served.http(`${CLUSTER}/topics/t/records`, { method: "POST", headers: json, body });
  const reports = (await response.text()).trim().split("\r\n").map((line) => JSON.parse(line));
  assert.deepEqual(reports.map(({ offset }) => offset), Array.from({ length: count }, (_, n) => n));
  const { body: read } = await call(
    served,
    "GET",
    "/v1/topics/t/partitions/0/records?maxRecords=1000&format=string",
  );
  assert.deepEqual(
    read.records.map((each: Body) => Number(each.value.data)),
    reports.map(({ offset }) => offset),
  );
});

Deno.test("v3: more records in one body than an actor takes at once are all stored", async () => {
  await using served = await serveBroker();
  await createTopic(served, "t");
  const count = 20_000;
  const response = await served.http(`${CLUSTER}/topics/t/records`, {
    method: "POST",
    headers: { ...json, "content-encoding": "gzip" },
    body: await new Response(
      new Blob(["{}".repeat(count)]).stream().pipeThrough(new CompressionStream("gzip")),
    ).bytes(),
  });
  const reports = (await response.text()).trim().split("\r\n").map((line) => JSON.parse(line));
  assert.equal(reports.length, count);
  assert.equal(reports.find(({ error_code: code }) => code !== 200), undefined);
  assert.equal(reports.at(-1).offset, count - 1);
});

Deno.test("v3: a batch tells each entry's outcome in a 207", async () => {
  await using served = await serveBroker();
  await createTopic(served, "t");
  const entry = (id: string, value: unknown) => ({ id, value });
  const { status, body } = await call(served, "POST", `${CLUSTER}/topics/t/records:batch`, {
    entries: [
      entry("1", { type: "STRING", data: "a" }),
      entry("2", { type: "BINARY", data: "%" }),
      entry("3", { type: "AVRO", data: {} }),
      entry("4", { type: "STRING", data: "b" }),
    ],
  });
  assert.equal(status, 207);
  assert.deepEqual(body.successes.map((each: Body) => [each.id, each.error_code, each.offset]), [[
    "1",
    200,
    0,
  ], ["4", 200, 1]]);
  assert.deepEqual(body.failures.map((each: Body) => [each.id, each.error_code]), [["2", 400], ["3", 422]]);
});

Deno.test("v3: groups, members, assignments, lags", async () => {
  await using served = await serveBroker();
  await createTopic(served, "t", 2);
  await call(served, "POST", `${CLUSTER}/topics/t/records`, {
    partition_id: 1,
    value: { type: "STRING", data: "a" },
  });
  const group = served.broker.group("g/1");
  const joined = await group.ask({
    type: "joinGroup",
    client: { clientId: "c", clientHost: "/127.0.0.1" },
    memberId: "",
    groupInstanceId: null,
    protocolType: "consumer",
    protocols: [{
      name: "range",
      metadata: encodeSubscription(1, { topics: ["t"], userData: null, ownedPartitions: [] }),
    }],
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 30_000,
    requireKnownMemberId: false,
    supportsSkippingAssignment: false,
    reason: null,
  });
  const { memberId, generationId } = joined;
  const assignment = encodeAssignment(1, {
    assignedPartitions: [{ topic: "t", partitions: [0, 1] }],
    userData: null,
  });
  await group.ask({
    type: "syncGroup",
    generationId,
    memberId,
    groupInstanceId: null,
    protocolType: "consumer",
    protocolName: "range",
    assignments: [{ memberId, assignment }],
  });
  const topicId = served.broker.metadata.topicsByName.get("t")?.topicId ?? "";
  const offsets = [0, 1].map((partition) => ({
    topic: "t",
    topicId,
    partition,
    offset: 0,
    leaderEpoch: -1,
    metadata: "",
  }));
  await group.ask({ type: "offsetCommit", generationId, memberId, groupInstanceId: null, offsets });

  const path = `${CLUSTER}/consumer-groups`;
  const { body: groups } = await call(served, "GET", path);
  assert.deepEqual(
    groups.data.map((
      each: Body,
    ) => [each.consumer_group_id, each.state, each.partition_assignor, each.is_simple]),
    [["g/1", "STABLE", "range", false]],
  );
  assert.equal((await call(served, "GET", `${path}/g%2F1`)).body.kind, "KafkaConsumerGroup");
  const { body: consumers } = await call(served, "GET", `${path}/g%2F1/consumers`);
  assert.deepEqual(consumers.data.map((each: Body) => [each.consumer_id, each.client_id]), [[memberId, "c"]]);
  const assignments = await call(served, "GET", `${path}/g%2F1/consumers/${memberId}/assignments`);
  assert.deepEqual(assignments.body.data.map((each: Body) => each.partition_id), [0, 1]);
  const { body: lags } = await call(served, "GET", `${path}/g%2F1/lags`);
  assert.deepEqual(lags.data.map((each: Body) => [each.partition_id, each.lag, each.consumer_id]), [[
    0,
    0,
    memberId,
  ], [1, 1, memberId]]);
  assert.equal((await call(served, "GET", `${path}/g%2F1/lags/t/partitions/1`)).body.log_end_offset, 1);
  const { body: summary } = await call(served, "GET", `${path}/g%2F1/lag-summary`);
  assert.deepEqual([summary.max_lag, summary.total_lag, summary.max_lag_partition_id], [1, 1, 1]);
});

const bad: readonly [
  name: string,
  method: string,
  path: string,
  body: unknown,
  status: number,
  code: number,
][] = [
  ["an unknown cluster", "GET", "/v3/clusters/x", undefined, 404, 404],
  ["an unknown path", "GET", "/v3/nope", undefined, 404, 404],
  ["a wrong method", "PUT", `${CLUSTER}/topics`, {}, 405, 405],
  ["an unknown broker", "GET", `${CLUSTER}/brokers/7`, undefined, 404, 404],
  ["a broker that is no number", "GET", `${CLUSTER}/brokers/x`, undefined, 404, 404],
  ["an unknown topic", "GET", `${CLUSTER}/topics/x`, undefined, 404, 40403],
  ["an unknown partition", "GET", `${CLUSTER}/topics/t/partitions/9`, undefined, 404, 40403],
  ["an unknown configuration", "GET", `${CLUSTER}/topics/t/configs/x`, undefined, 404, 404],
  ["setting an unknown configuration", "PUT", `${CLUSTER}/topics/t/configs/x`, { value: "1" }, 404, 404],
  ["a wrong configuration", "PUT", `${CLUSTER}/topics/t/configs/retention.ms`, { value: "x" }, 400, 40002],
  ["an unknown group", "GET", `${CLUSTER}/consumer-groups/x`, undefined, 404, 404],
  ["access control", "GET", `${CLUSTER}/acls`, undefined, 400, 40002],
  ["making access control", "POST", `${CLUSTER}/acls`, {}, 400, 40002],
  ["making much access control", "POST", `${CLUSTER}/acls:batch`, {}, 400, 40002],
  ["removing access control", "DELETE", `${CLUSTER}/acls`, undefined, 400, 40002],
  ["no topic name", "POST", `${CLUSTER}/topics`, {}, 400, 400],
  ["a bad topic name", "POST", `${CLUSTER}/topics`, { topic_name: "a b" }, 400, 40002],
  ["too many replicas", "POST", `${CLUSTER}/topics`, { topic_name: "n", replication_factor: 9 }, 400, 40002],
  ["a body that is no JSON", "POST", `${CLUSTER}/topics`, "{", 400, 400],
  ["broken percent-encoding", "GET", `${CLUSTER}/topics/%zz`, undefined, 400, 400],
  [
    "produce to an unknown topic",
    "POST",
    `${CLUSTER}/topics/x/records`,
    { value: { type: "STRING", data: "" } },
    404,
    40403,
  ],
  [
    "a batch with one id twice",
    "POST",
    `${CLUSTER}/topics/t/records:batch`,
    { entries: [{ id: "1" }, { id: "1" }] },
    400,
    400,
  ],
  ["an empty batch", "POST", `${CLUSTER}/topics/t/records:batch`, { entries: [] }, 400, 400],
  ["recordsXbatch", "POST", `${CLUSTER}/topics/t/recordsXbatch`, {}, 404, 404],
];

Deno.test("v3: bad input has the contract's error", async () => {
  await using served = await serveBroker();
  await createTopic(served, "t");
  for (const [name, method, path, body, status, code] of bad) {
    const answer = await call(served, method, path, body);
    assert.deepEqual(
      [answer.status, answer.body.error_code],
      [status, code],
      `${name}: ${JSON.stringify(answer.body)}`,
    );
    assert.equal(typeof answer.body.message, "string", name);
  }
  const type = await call(served, "POST", `${CLUSTER}/topics/t/records`, "{}", {
    "content-type": "text/plain",
  });
  assert.deepEqual([type.status, type.body.error_code], [415, 415]);
});
