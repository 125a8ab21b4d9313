import assert from "node:assert/strict";
import { serveBroker } from "../served_broker.ts";
import fc from "fast-check";
import { ActorFailedError, OverloadedError } from "../../actors/runtime/errors.ts";
import { limits } from "../../core/config/limits.ts";
import { partitionForKey } from "../../core/partition/partitioner.ts";
import { encodeBase64 } from "../../lib/base64.ts";
import { buildBatch, readBatchHeader, readRecords } from "../../protocol/records/record_batch.ts";
import { HttpClient } from "./http_client.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const path = "/v1/topics/t/records";
const readPath = "/v1/topics/t/partitions/0/records";
const nowMs = 1_700_000_000_000;

function clientWithTopic(partitionCount = 1, configs: Record<string, string> = {}): HttpClient {
  const client = new HttpClient();
  client.broker.addTopic("t", partitionCount, configs);
  return client;
}

function stored(client: HttpClient, partition = 0) {
  return client.broker.partitionOf("t", partition).batches.flatMap((batch) => readRecords(batch));
}

Deno.test("one record: key, value, headers and timestamp are stored and told", async () => {
  const client = clientWithTopic();
  const answer = await client.post(path, {
    key: { type: "binary", data: "AP8=" },
    value: { type: "json", data: { a: [1, null] } },
    headers: [{ key: "h", value: "x" }, { key: "h", value: null }],
    partition: 0,
    timestamp: 5,
  });
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(answer.body, { topic: "t", records: [{ partition: 0, offset: 0, timestamp: 5 }] });
  assert.deepEqual(stored(client), [{
    offset: 0,
    timestamp: 5,
    key: new Uint8Array([0, 255]),
    value: encode('{"a":[1,null]}'),
    headers: [{ key: "h", value: encode("x") }, { key: "h", value: null }],
  }]);
});

Deno.test("many records go as one batch for each partition, by Kafka's partitioner", async () => {
  const client = clientWithTopic(3);
  const keys = ["a", "b", "c", "d", "e", "f"];
  const { body } = await client.post(path, { records: keys.map((key) => ({ key, value: key })) });
  const nextOffsets = [0, 0, 0];
  for (const [index, key] of keys.entries()) {
    const partition = partitionForKey(encode(key), 3);
    const offset = nextOffsets[partition] ?? 0;
    nextOffsets[partition] = offset + 1;
    assert.deepEqual(body.records[index], { partition, offset, timestamp: nowMs });
  }
  for (const partition of [0, 1, 2]) {
    assert.ok(client.broker.partitionOf("t", partition).produced.length <= 1);
  }
});

Deno.test("records without a key stay together in a request, and the next request takes the next partition", async () => {
  const client = clientWithTopic(3);
  const partitions: number[] = [];
  for (let round = 0; round < 4; round++) {
    const { body } = await client.post(path, { records: [{ value: "a" }, { value: "b" }] });
    assert.equal(body.records[0].partition, body.records[1].partition);
    partitions.push(body.records[0].partition);
  }
  assert.deepEqual(partitions, [0, 1, 2, 0]);
});

Deno.test("a raw body is one value", async () => {
  const client = clientWithTopic();
  const raw = new Uint8Array([0, 1, 255]);
  const answer = await client.postText(`${path}?key=k&timestamp=7`, raw, "application/octet-stream");
  assert.deepEqual(answer.body.records, [{ partition: 0, offset: 0, timestamp: 7 }]);
  await client.postText(`${path}?keyBase64=%2F%2F8%3D&partition=0`, "", "Application/Octet-Stream; x=y");
  assert.deepEqual(stored(client).map(({ key, value }) => [key, value]), [
    [encode("k"), raw],
    [new Uint8Array([255, 255]), new Uint8Array(0)],
  ]);
});

Deno.test("an unknown topic is created on produce, unless auto.create.topics.enable is off", async () => {
  const client = new HttpClient();
  assert.equal((await client.post(path, { value: "a" })).status, 200);
  assert.equal(stored(client).length, 1);
  const strict = new HttpClient();
  strict.broker.settings.set("auto.create.topics.enable", "false");
  assert.equal((await strict.post(path, { value: "a" })).status, 404);
  assert.equal((await client.post("/v1/topics/__consumer_offsets/records", { value: "a" })).status, 403);
  assert.equal((await client.post("/v1/topics/a%20b/records", { value: "a" })).status, 404);
});

Deno.test("the topic's max.message.bytes and timestamp type are sent along; append time is told", async () => {
  const client = clientWithTopic(1, {
    "max.message.bytes": "2000",
    "message.timestamp.type": "LogAppendTime",
  });
  const { body } = await client.post(path, { value: "a", timestamp: 5 });
  assert.equal(body.records[0].timestamp, 777);
  const [produce] = client.broker.partitionOf("t", 0).produced;
  assert.deepEqual([produce?.maxMessageBytes, produce?.requireKeys], [2000, false]);
  const compacted = clientWithTopic(1, { "cleanup.policy": "compact,delete" });
  await compacted.post(path, { key: "k", value: "a" });
  assert.equal(compacted.broker.partitionOf("t", 0).produced[0]?.requireKeys, true);
});

Deno.test("records beyond one batch's size become several batches, in order", async () => {
  const client = clientWithTopic(1, { "max.message.bytes": "1000" });
  const values = Array.from({ length: 20 }, (_, index) => `${index}`.padEnd(200, "x"));
  const { status, body } = await client.post(path, { records: values.map((value) => ({ value })) });
  assert.equal(status, 200);
  assert.deepEqual(body.records.map(({ offset }: { offset: number }) => offset), [...values.keys()]);
  assert.deepEqual(stored(client).map(({ value }) => new TextDecoder().decode(value ?? undefined)), values);
  assert.ok(client.broker.partitionOf("t", 0).batches.length > 1);
});

Deno.test("a record too large is 413, and what follows it is not tried", async () => {
  const client = clientWithTopic(1, { "max.message.bytes": "1000" });
  const large = await client.post(path, { value: "x".repeat(1000) });
  assert.deepEqual([large.status, large.body.kafkaError], [413, "MESSAGE_TOO_LARGE"]);
  const mixed = await client.post(path, {
    records: [{ value: "a" }, { value: "x".repeat(1000) }, { value: "b" }],
  });
  assert.equal(mixed.status, 207);
  assert.deepEqual(mixed.body.records[0], { partition: 0, offset: 0, timestamp: nowMs });
  assert.equal(mixed.body.records[1].error.status, 413);
  assert.match(mixed.body.records[2].error.detail, /^Not tried/);
  assert.equal(stored(client).length, 1);
});

Deno.test("a failure of some records is 207 with an outcome each, of all a problem", async () => {
  const client = clientWithTopic(2);
  client.broker.partitionOf("t", 1).failures.push(new ActorFailedError("x"), new OverloadedError("x"));
  const records = [{ value: "a", partition: 0 }, { value: "b", partition: 1 }];
  const mixed = await client.post(path, { records });
  assert.equal(mixed.status, 207);
  assert.equal(mixed.body.records[0].offset, 0);
  assert.deepEqual([mixed.body.records[1].partition, mixed.body.records[1].error.status], [1, 503]);
  const all = await client.post(path, { value: "b", partition: 1 });
  assert.deepEqual([all.status, all.headers.get("retry-after")], [503, "1"]);
});

const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

const faults: readonly (readonly [string, string, string])[] = [
  ["no JSON", "{", ""],
  ["empty", "  ", ""],
  ["not UTF-8", "\u0000", ""],
  ["NaN", '{"value":{"type":"json","data":NaN}}', ""],
  ["depth 100,000", `{"value":{"type":"json","data":${deep(100_000)}}}`, ""],
  ["no value", '{"key":"a"}', "value"],
  ["unknown field", '{"value":"a","valeu":"b"}', "valeu"],
  ["__proto__", '{"value":"a","__proto__":{"partition":1}}', "__proto__"],
  ["a number as value", '{"value":5}', "value"],
  ["an object as value", '{"value":{"a":1}}', "value"],
  ["a foreign type", '{"value":{"type":"avro","data":"x"}}', "value"],
  ["a third member", '{"value":{"type":"string","data":"x","more":1}}', "value"],
  ["bad base64", '{"value":{"type":"binary","data":"%%%"}}', "value"],
  ["base64 of a wrong length", '{"value":{"type":"binary","data":"AAAAA"}}', "value"],
  ["a lone surrogate in a value", '{"value":"\\ud800"}', "value"],
  [
    "a lone surrogate in a header's key",
    '{"value":"","headers":[{"key":"\\udfff","value":null}]}',
    "headers[0].key",
  ],
  ["a header without a value", '{"value":"","headers":[{"key":"k"}]}', "headers[0].value"],
  ["headers as an object", '{"value":"","headers":{"a":"b"}}', "headers"],
  ["negative partition", '{"value":"","partition":-1}', "partition"],
  ["partition 2^31", '{"value":"","partition":2147483648}', "partition"],
  ["a partition that is not there", '{"value":"","partition":7}', "partition"],
  ["half a partition", '{"value":"","partition":0.5}', "partition"],
  ["a partition as text", '{"value":"","partition":"0"}', "partition"],
  ["timestamp 1e400", '{"value":"","timestamp":1e400}', "timestamp"],
  ["timestamp 2^63", '{"value":"","timestamp":9223372036854775807}', "timestamp"],
  ["negative timestamp", '{"value":"","timestamp":-1}', "timestamp"],
  ["no records", '{"records":[]}', "records"],
  ["records as an object", '{"records":{}}', "records"],
  ["a fault in the second record", '{"records":[{"value":""},{"value":1}]}', "records[1].value"],
  [
    "a partition that is not there, in a list",
    '{"records":[{"value":""},{"value":"","partition":7}]}',
    "records[1].partition",
  ],
  ["a list", "[]", ""],
  ["a string", '"x"', ""],
  ["null", "null", ""],
];

for (const [name, body, field] of faults) {
  Deno.test(`produce answers 400 that names the field: ${name}`, async () => {
    const client = clientWithTopic();
    const bytes = name === "not UTF-8" ? new Uint8Array([0x22, 0xff, 0x22]) : body;
    const answer = await client.postText(path, bytes);
    assert.equal(answer.status, 400, answer.text);
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
    assert.equal(answer.body.errors?.[0].field ?? "", field, answer.text);
    assert.equal(stored(client).length, 0);
    assert.equal(client.broker.lines.length, 0);
    assert.equal((await client.post(path, { value: "still alive" })).status, 200);
  });
}

Deno.test("so many faults that they cannot all be told are 400, too", async () => {
  const client = new HttpClient();
  client.broker.addTopic("t");
  const faults = Array(300_000).fill(1);
  const bodies = [
    { records: faults },
    { records: [{ value: "a", headers: faults }] },
    { records: faults.map(() => ({ value: "a", partition: -1 })) },
  ];
  for (const body of bodies) {
    for (const path of ["/v1/topics/t/records", "/v1/records"]) {
      const { status, body: told } = await client.post(path, body);
      assert.deepEqual([status, /too many values/.test(told.detail)], [400, true], path);
    }
  }
});

Deno.test("raw parameters are checked", async () => {
  const client = clientWithTopic();
  const octets = "application/octet-stream";
  assert.equal(
    (await client.postText(`${path}?key=a&keyBase64=YQ`, "", octets)).body.errors[0].field,
    "keyBase64",
  );
  assert.equal((await client.postText(`${path}?keyBase64=!`, "", octets)).body.errors[0].field, "keyBase64");
  assert.equal((await client.postText(`${path}?partition=-1`, "", octets)).body.errors[0].field, "partition");
  assert.equal((await client.postText(`${path}?key=a`, '{"value":""}')).body.errors[0].field, "key");
});

Deno.test("a wrong content type is 415 and says what would be right", async () => {
  const client = clientWithTopic();
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
    const answer = await client.postText(path, '{"value":"a"}', type);
    assert.equal(answer.status, 415, type);
    assert.match(answer.body.detail, /application\/json/);
  }
  assert.equal((await client.send("POST", path, { body: encode('{"value":"a"}') })).status, 415);
  const encoded = { "content-type": "application/json", "content-encoding": "br" };
  assert.equal((await client.send("POST", path, { body: "x", headers: encoded })).status, 415);
  assert.equal(
    (await client.postText(path, '{"value":"a"}', "application/vnd.x.v1+json; charset=utf-8")).status,
    200,
  );
});

Deno.test("a body beyond the limit is 413, declared or chunked, and is not read to its end", async () => {
  const client = clientWithTopic();
  const declared = await client.send("POST", path, {
    body: "x",
    headers: { "content-type": "application/json", "content-length": String(limits.httpBodyBytesMax + 1) },
  });
  assert.equal(declared.status, 413);
  let pulled = 0;
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled += 1_048_576;
      controller.enqueue(new Uint8Array(1_048_576).fill(0x20));
    },
    cancel() {
      cancelled = true;
    },
  });
  const chunked = await client.send("POST", path, {
    body: endless,
    headers: { "content-type": "application/json" },
  });
  assert.deepEqual([chunked.status, chunked.headers.get("connection")], [413, "close"]);
  assert.ok(cancelled && pulled <= limits.httpBodyBytesMax + 4 * 1_048_576, String(pulled));
});

Deno.test("a body that does not arrive in time is 408", async () => {
  const client = clientWithTopic();
  client.broker.env.timer = (_ms, callback) => {
    const id = setTimeout(callback, 5);
    return () => clearTimeout(id);
  };
  let cancelled = false;
  const silent = new ReadableStream<Uint8Array>({
    cancel() {
      cancelled = true;
    },
  });
  const answer = await client.send("POST", path, {
    body: silent,
    headers: { "content-type": "application/json" },
  });
  assert.deepEqual([answer.status, answer.headers.get("connection"), cancelled], [408, "close", true]);
});

Deno.test("a body that breaks off is 400", async () => {
  const client = clientWithTopic();
  const broken = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.error(new Error("gone"));
    },
  });
  const answer = await client.send("POST", path, {
    body: broken,
    headers: { "content-type": "application/json" },
  });
  assert.equal(answer.status, 400);
});

Deno.test("JSON values are stored unchanged: large numbers, lone surrogates, doubled keys, __proto__", async () => {
  const client = clientWithTopic();
  for (
    const [sent, expected] of [
      ["9223372036854775807", "9223372036854775807"],
      ["[1e400,-0.0,1.50,1e2]", "[1e400,-0.0,1.50,1e2]"],
      ['"\\ud800"', '"\\ud800"'],
      ['{"a":1,"a":2}', '{"a":2}'],
      ['{"__proto__":{"x":1}}', '{"__proto__":{"x":1}}'],
    ]
  ) {
    const { status, text } = await client.postText(path, `{"value":{"type":"json","data":${sent}}}`);
    assert.equal(status, 200, text);
    assert.equal(new TextDecoder().decode(stored(client).at(-1)?.value ?? undefined), expected);
  }
});

Deno.test("whatever bytes go in come out, in every format", async () => {
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.string().map(encode),
    fc.jsonValue().map((v) => encode(JSON.stringify(v))),
  );
  const data = fc.option(bytes, { nil: null });
  const back = (view: { type: string; data: unknown } | null) =>
    view === null
      ? null
      : view.type === "binary"
      ? view.data
      : encodeBase64(encode(view.type === "json" ? JSON.stringify(view.data) : String(view.data)));
  await fc.assert(
    fc.asyncProperty(
      data,
      data,
      fc.array(data),
      fc.constantFrom("auto", "binary", "string"),
      async (key, value, headers, format) => {
        const client = clientWithTopic();
        const send = (b: Uint8Array | null) => b === null ? null : { type: "binary", data: encodeBase64(b) };
        const named = headers.map((header, index) => ({ key: `h${index}`, value: send(header) }));
        await client.post(path, { key: send(key), value: send(value), headers: named });
        const { body } = await client.get(`${readPath}?format=${format}`);
        const [record] = body.records;
        assert.equal(back(record.key), send(key)?.data ?? null);
        assert.equal(back(record.value), send(value)?.data ?? null);
        assert.deepEqual(
          record.headers.map((header: { value: never }) => back(header.value)),
          named.map((header) => header.value?.data ?? null),
        );
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("formats: text where it is UTF-8, JSON where it is JSON, as it was written", async () => {
  const client = clientWithTopic();
  for (const value of ["text", "\uFEFFbom", '{ "n": 9223372036854775807 }']) {
    await client.post(path, { value });
  }
  await client.post(path, { value: { type: "binary", data: "/w==" } });
  await client.post(path, { value: null });
  const views = async (format: string) =>
    (await client.get(`${readPath}?format=${format}`)).body.records.map(({ value }: { value: unknown }) =>
      value
    );
  const [text, bom, json, binary, none] = await views("auto");
  assert.deepEqual([text, bom, binary, none], [
    { type: "string", data: "text" },
    { type: "string", data: "\uFEFFbom" },
    { type: "binary", data: "/w==" },
    null,
  ]);
  assert.equal(json.data, '{ "n": 9223372036854775807 }');
  assert.equal((await views("binary"))[0].data, "dGV4dA==");
  const raw = await client.get(`${readPath}?format=json`);
  assert.ok(raw.text.includes('{"type":"json","data":{ "n": 9223372036854775807 }}'), raw.text);
  assert.equal(raw.body.records[0].value.type, "string");
});

async function clientWithBatches(): Promise<HttpClient> {
  const client = clientWithTopic();
  for (const start of [0, 3, 6]) {
    const records = [0, 1, 2].map((i) => ({
      value: `v${start + i}`,
      timestamp: (start + i) * 10,
      partition: 0,
    }));
    await client.post(path, { records });
  }
  return client;
}

Deno.test("reading begins at the asked offset, within its batch", async () => {
  const client = await clientWithBatches();
  const offsets = async (query: string) => {
    const { body, text } = await client.get(`${readPath}?${query}`);
    return [
      body.records?.map(({ offset }: { offset: number }) => offset),
      body.nextOffset,
      body.highWatermark ?? text,
    ];
  };
  const all = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  assert.deepEqual(await offsets(""), [all, 9, 9]);
  assert.deepEqual(await offsets("offset=earliest"), [all, 9, 9]);
  assert.deepEqual(await offsets("offset=4"), [[4, 5, 6, 7, 8], 9, 9]);
  assert.deepEqual(await offsets("offset=4&maxRecords=2"), [[4, 5], 6, 9]);
  assert.deepEqual(await offsets("offset=4&maxBytes=1"), [[4], 5, 9]);
  assert.deepEqual(await offsets("offset=latest"), [[], 9, 9]);
  assert.deepEqual(await offsets("timestamp=50"), [[3, 4, 5, 6, 7, 8], 9, 9]);
  assert.deepEqual(await offsets("timestamp=99999"), [[], 9, 9]);
});

Deno.test("an offset outside the log is 416 and tells where the log is", async () => {
  const client = await clientWithBatches();
  client.broker.partitionOf("t", 0).logStartOffset = 3;
  for (const offset of ["2", "10", "9223372036854775807"]) {
    const { status, body } = await client.get(`${readPath}?offset=${offset}`);
    assert.deepEqual([status, body.kafkaError], [416, "OFFSET_OUT_OF_RANGE"], offset);
  }
  const { body } = await client.get(`${readPath}?offset=2`);
  assert.deepEqual([body.logStartOffset, body.highWatermark], [3, 9]);
});

Deno.test("a long poll answers when a record comes, without polling", async () => {
  const client = clientWithTopic();
  const partition = client.broker.partitionOf("t", 0);
  const answer = client.get(`${readPath}?waitMs=20000`);
  while (partition.waiterCount === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await client.post(path, { value: "new" });
  const { body } = await answer;
  assert.deepEqual([body.records.length, body.nextOffset], [1, 1]);
});

Deno.test("a long poll ends empty after its time, or when the client leaves", async () => {
  const client = clientWithTopic();
  const { status, body } = await client.get(`${readPath}?waitMs=20`);
  assert.deepEqual([status, body.records, body.nextOffset], [200, [], 0]);
  const leave = new AbortController();
  const left = client.send("GET", `${readPath}?waitMs=20000`, { signal: leave.signal });
  while (client.broker.partitionOf("t", 0).waiterCount < 2) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  leave.abort();
  assert.equal((await left).status, 200);
});

Deno.test("control batches are passed over, and compressed ones read", async () => {
  const client = clientWithTopic();
  const partition = client.broker.partitionOf("t", 0);
  const record = { key: new Uint8Array([0, 0, 0, 1]), value: new Uint8Array(6), headers: [], timestamp: 1 };
  const control = {
    records: [record],
    isControl: true,
    isTransactional: true,
    producerId: 1,
    producerEpoch: 0,
  };
  partition.append(buildBatch(control));
  assert.deepEqual((await client.get(readPath)).body.nextOffset, 1);
  partition.append(buildBatch({ records: [{ ...record, value: encode("z") }], compression: "gzip" }));
  const { body } = await client.get(readPath);
  assert.deepEqual(body.records.map(({ offset }: { offset: number }) => offset), [1]);
});

Deno.test("a damaged batch is told after what was read before it, with the way past it", async () => {
  const client = await clientWithBatches();
  const { batches } = client.broker.partitionOf("t", 0);
  const second = batches[1];
  assert.ok(second !== undefined && readBatchHeader(second).recordCount === 3);
  second.fill(0xff, 61);
  const first = await client.get(readPath);
  assert.deepEqual([first.status, first.body.nextOffset], [200, 3]);
  const damaged = await client.get(`${readPath}?offset=3`);
  assert.deepEqual([damaged.status, damaged.body.nextOffset], [500, 6]);
  assert.equal((await client.get(`${readPath}?offset=6`)).body.records.length, 3);
});

Deno.test("a compression bomb stays within its bound", async () => {
  const client = clientWithTopic();
  const bomb = new Uint8Array(limits.decompressedBatchBytesMax + 1_000_000);
  const records = [{ key: null, value: bomb, headers: [], timestamp: 1 }];
  client.broker.partitionOf("t", 0).append(buildBatch({ records, compression: "gzip" }));
  const { status, body } = await client.get(readPath);
  assert.deepEqual([status, body.kafkaError, body.nextOffset], [500, "MESSAGE_TOO_LARGE", 1]);
});

const readFaults: readonly (readonly [string, number, string])[] = [
  ["/v1/topics/nope/partitions/0/records", 404, ""],
  ["/v1/topics/t/partitions/1/records", 404, ""],
  ["/v1/topics/t/partitions/2147483647/records", 404, ""],
  ["/v1/topics/t/partitions/2147483648/records", 400, "partition"],
  ["/v1/topics/t/partitions/-1/records", 400, "partition"],
  ["/v1/topics/t/partitions/x/records", 400, "partition"],
  [`${readPath}?offset=-1`, 400, "offset"],
  [`${readPath}?offset=1e3`, 400, "offset"],
  [`${readPath}?offset=soon`, 400, "offset"],
  [`${readPath}?offset=99999999999999999999`, 400, "offset"],
  [`${readPath}?offset=0&timestamp=0`, 400, "timestamp"],
  [`${readPath}?timestamp=9223372036854775807`, 400, "timestamp"],
  [`${readPath}?maxRecords=0`, 400, "maxRecords"],
  [`${readPath}?maxBytes=999999999`, 400, "maxBytes"],
  [`${readPath}?waitMs=-1`, 400, "waitMs"],
  [`${readPath}?format=xml`, 400, "format"],
];

for (const [url, status, field] of readFaults) {
  Deno.test(`a read is refused: ${url}`, async () => {
    const answer = await clientWithTopic().get(url);
    assert.equal(answer.status, status, answer.text);
    assert.equal(answer.body.errors?.[0].field ?? "", field);
  });
}

Deno.test("a long poll whose topic is deleted is 404", async () => {
  await using served = await serveBroker();
  const body = JSON.stringify({ name: "t" });
  const headers = { "content-type": "application/json" };
  assert.equal((await served.http("/v1/topics", { method: "POST", headers, body })).status, 201);
  const poll = served.http("/v1/topics/t/partitions/0/records?waitMs=60000");
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal((await served.http("/v1/topics/t", { method: "DELETE" })).status, 204);
  const answer = await poll;
  assert.deepEqual([answer.status, (await answer.json()).kafkaError], [404, "UNKNOWN_TOPIC_OR_PARTITION"]);
});
