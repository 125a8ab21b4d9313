/** CloudEvents through the HTTP door: three modes in, a batch out, and what is told of wrong ones. */
import assert from "node:assert/strict";
import { limits } from "../../core/config/limits.ts";
import { readRecords } from "../../protocol/records/record_batch.ts";
import { HttpClient } from "./http_client.ts";

const path = "/v1/topics/t/records";
const readPath = "/v1/topics/t/partitions/0/records?format=cloudevents";
const decode = (bytes: Uint8Array | null) => bytes === null ? null : new TextDecoder().decode(bytes);

const event = { specversion: "1.0", id: "1", source: "/s", type: "t" };
const eventHeaders = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t" };

function client(configs: Record<string, string> = {}): HttpClient {
  const made = new HttpClient();
  made.broker.addTopic("t", 1, configs);
  return made;
}

function stored({ broker }: HttpClient) {
  return broker.partitionOf("t", 0).batches.flatMap((batch) => readRecords(batch)).map((
    { key, value, headers },
  ) => ({
    key: decode(key),
    value: decode(value),
    headers: Object.fromEntries(headers.map((header) => [header.key, decode(header.value)])),
  }));
}

const asStored = { ce_specversion: "1.0", ce_id: "1", ce_source: "/s", ce_type: "t" };

Deno.test("a CloudEvent in binary mode: headers become headers, the body is the value as it is", async () => {
  const http = client();
  const answer = await http.send("POST", path, {
    headers: {
      ...eventHeaders,
      "ce-subject": "%E2%82%AC",
      "ce-partitionkey": "k",
      "content-type": "application/json",
    },
    body: '{ "a": 1.0 }',
  });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.body.records[0].offset, 0);
  assert.deepEqual(stored(http), [{
    key: "k",
    value: '{ "a": 1.0 }',
    headers: { ...asStored, ce_subject: "€", ce_partitionkey: "k", "content-type": "application/json" },
  }]);
  // Without Content-Type and without a body.
  assert.equal((await http.send("POST", path, { headers: eventHeaders })).status, 200);
  assert.deepEqual(stored(http)[1], { key: null, value: null, headers: asStored });
});

Deno.test("a CloudEvent in structured mode, and many in a batch, are stored in binary mode", async () => {
  const http = client();
  const structured = await http.postText(
    path,
    `{"specversion":"1.0","id":"1","source":"/s","type":"t","count":5,"data":{"n":12345678901234567890}}`,
    "application/cloudevents+json; charset=utf-8",
  );
  assert.equal(structured.status, 200, structured.text);
  const first = {
    key: null,
    value: '{"n":12345678901234567890}',
    headers: { ...asStored, ce_count: "5", "content-type": "application/json" },
  };
  assert.deepEqual(stored(http), [first]);
  const batch = [{ ...event, partitionkey: "k" }, {
    ...event,
    id: "2",
    datacontenttype: "text/plain",
    data: "x",
  }];
  const batched = await http.postText(path, JSON.stringify(batch), "application/cloudevents-batch+json");
  assert.deepEqual(batched.body.records.map(({ offset }: { offset: number }) => offset), [1, 2]);
  assert.deepEqual(stored(http).slice(1), [
    { key: "k", value: null, headers: { ...asStored, ce_partitionkey: "k" } },
    { key: null, value: "x", headers: { ...asStored, ce_id: "2", "content-type": "text/plain" } },
  ]);
  const empty = await http.postText(path, "[]", "application/cloudevents-batch+json");
  assert.deepEqual([empty.status, empty.body], [200, { topic: "t", records: [] }]);
});

Deno.test("format=cloudevents answers a batch, and tells in headers where it ends", async () => {
  const http = client();
  const batch = [event, { ...event, id: "2", data: [1] }];
  await http.postText(path, JSON.stringify(batch), "application/cloudevents-batch+json");
  await http.post(path, { key: "k", value: "plain", timestamp: 0 });
  const all = await http.get(readPath);
  assert.equal(all.headers.get("content-type"), "application/cloudevents-batch+json");
  assert.deepEqual(all.body, [event, { ...event, id: "2", datacontenttype: "application/json", data: [1] }, {
    specversion: "1.0",
    id: "2",
    source: "/v1/topics/t/partitions/0",
    type: "kavka.record",
    time: "1970-01-01T00:00:00.000Z",
    partitionkey: "k",
    data_base64: "cGxhaW4=",
  }]);
  const names = ["kavka-next-offset", "kavka-high-watermark", "kavka-log-start-offset"];
  assert.deepEqual(names.map((name) => all.headers.get(name)), ["3", "3", "0"]);
  const one = await http.get(`${readPath}&offset=1&maxRecords=1`);
  assert.deepEqual([one.body.length, one.headers.get("kavka-next-offset")], [1, "2"]);
  const none = await http.get(`${readPath}&offset=latest`);
  assert.deepEqual([none.body, none.headers.get("kavka-next-offset")], [[], "3"]);
});

Deno.test("wrong CloudEvents are refused with the fields that are wrong, and nothing is stored", async () => {
  const http = client();
  const fields = async (sending: ReturnType<HttpClient["send"]>) => {
    const { status, body } = await sending;
    return [status, ...(body.errors ?? []).map(({ field }: { field: string }) => field)];
  };
  const binary = (headers: Record<string, string>) => http.send("POST", path, { headers, body: "x" });
  const { "ce-source": _, ...lacking } = eventHeaders;
  assert.deepEqual(await fields(binary({ ...lacking, "ce-time": "now" })), [400, "ce-source", "ce-time"]);
  assert.deepEqual(await fields(binary({ ...eventHeaders, "ce-my-ext": "x" })), [400, "ce-my-ext"]);
  assert.deepEqual(await fields(binary({ ...eventHeaders, "content-type": "nonsense" })), [
    400,
    "Content-Type",
  ]);
  const json = (value: unknown) => http.postText(path, JSON.stringify(value), "application/cloudevents+json");
  assert.deepEqual(await fields(json({ ...event, id: 5, myExt: "x" })), [400, "id", "myExt"]);
  assert.deepEqual(await fields(json({ ...event, specversion: "0.3", type: null })), [
    400,
    "type",
    "specversion",
  ]);
  const batch = (value: unknown) =>
    http.postText(path, JSON.stringify(value), "application/cloudevents-batch+json");
  assert.deepEqual(await fields(batch([event, 5, { ...event, source: "a b" }])), [400, "[1]", "[2].source"]);
  assert.deepEqual(await fields(batch(event)), [400, ""]);
  const many = new Array(limits.httpProduceRecordsMax + 1).fill(event);
  assert.equal((await batch(many)).status, 400);
  const faulty = await batch(new Array(1_000).fill({}));
  assert.equal(faulty.body.errors.length, 20);
  assert.equal((await http.postText(path, "{", "application/cloudevents+json")).status, 400);
  const avro = await http.postText(path, "x", "application/cloudevents+avro");
  assert.deepEqual([avro.status, avro.headers.get("accept")], [
    415,
    "application/cloudevents+json, application/cloudevents-batch+json",
  ]);
  const keyed = await http.postText(`${path}?key=k`, JSON.stringify(event), "application/cloudevents+json");
  assert.deepEqual(await fields(Promise.resolve(keyed)), [400, "key"]);
  const numbered = await http.send("POST", path, {
    headers: {
      "content-type": "application/cloudevents-batch+json",
      "producer-id": "p",
      "producer-epoch": "0",
      "producer-seq": "0",
    },
    body: "[]",
  });
  assert.equal(numbered.status, 400);
  assert.deepEqual(stored(http), []);
});
