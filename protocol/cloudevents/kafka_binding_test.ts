import assert from "node:assert/strict";
import { encodeBase64 } from "../../lib/base64.ts";
import { eventTextOfRecord, type PlacedRecord, recordOfEvent } from "./kafka_binding.ts";

const options = { attributesMax: 100 };
const required = { specversion: "1.0", id: "1", source: "/s", type: "t" };
const encode = (text: string) => new TextEncoder().encode(text);

function headersOf(headers: Record<string, string>) {
  return Object.entries(headers).map(([key, value]) => ({ key, value: encode(value) }));
}

function read(record: Partial<PlacedRecord>) {
  const place = { topic: "orders", partition: 3, offset: 7, timestamp: 0 };
  return JSON.parse(eventTextOfRecord({ key: null, value: null, headers: [], ...place, ...record }, options));
}

const binary = { ce_specversion: "1.0", ce_id: "1", ce_source: "/s", ce_type: "t" };

Deno.test("recordOfEvent() writes binary mode: ce_ headers, content-type, the key from partitionkey", () => {
  const data = encode("x");
  const attributes = new Map(Object.entries({ ...required, partitionkey: "k", subject: "€" }));
  const record = recordOfEvent({ attributes, dataContentType: "text/plain", data });
  assert.deepEqual(record, {
    key: encode("k"),
    value: data,
    headers: headersOf({ ...binary, ce_partitionkey: "k", ce_subject: "€", "content-type": "text/plain" }),
  });
  const bare = recordOfEvent({
    attributes: new Map(Object.entries(required)),
    dataContentType: null,
    data: null,
  });
  assert.deepEqual(bare, { key: null, value: null, headers: headersOf(binary) });
  assert.deepEqual(read(record), {
    ...required,
    partitionkey: "k",
    subject: "€",
    datacontenttype: "text/plain",
    data: "x",
  });
});

Deno.test("eventTextOfRecord() reads structured mode, whatever other headers there are", () => {
  const text =
    `{ "specversion":"1.0","id":"2","source":"/x","type":"u","count":5,"data":{"n":12345678901234567890} }`;
  for (const type of ["application/cloudevents+json", "Application/CloudEvents+JSON; charset=UTF-8"]) {
    const headers = headersOf({ ...binary, "content-type": type });
    const record = {
      key: null,
      value: encode(text),
      headers,
      topic: "t",
      partition: 0,
      offset: 0,
      timestamp: 0,
    };
    assert.equal(eventTextOfRecord(record, options), text);
  }
});

Deno.test("eventTextOfRecord() takes what libraries write besides", () => {
  // The JavaScript library tells the media type twice, and writes names that no attribute has.
  const headers = headersOf({ ...binary, ce_datacontenttype: "text/plain", ce_data_base64: "eA==" });
  assert.deepEqual(read({ headers, value: encode("x") }), {
    ...required,
    datacontenttype: "text/plain",
    data: "x",
  });
  const capital = headersOf({ ...binary, "Content-Type": "application/json" });
  assert.deepEqual(read({ headers: capital, value: encode("[1]") }), {
    ...required,
    datacontenttype: "application/json",
    data: [1],
  });
});

Deno.test("a record that holds no valid event comes as one of type kavka.record, and no byte is lost", () => {
  const plain = {
    specversion: "1.0",
    id: "7",
    source: "/v1/topics/orders/partitions/3",
    type: "kavka.record",
    time: "1970-01-01T00:00:00.000Z",
  };
  assert.deepEqual(read({ key: encode("k"), value: encode('{"a":1}') }), {
    ...plain,
    partitionkey: "k",
    data: { a: 1 },
  });
  assert.deepEqual(read({ key: new Uint8Array([255]), value: encode("no json") }), {
    ...plain,
    data_base64: encodeBase64(encode("no json")),
  });
  assert.deepEqual(read({ key: encode(""), timestamp: -1 }), {
    specversion: "1.0",
    id: "7",
    source: plain.source,
    type: "kavka.record",
  });
  const { ce_id: _, ...lacking } = binary;
  for (
    const headers of [
      lacking,
      { ...binary, ce_specversion: "0.3" },
      { ...binary, ce_time: "yesterday" },
      { "content-type": "text/plain" },
    ]
  ) {
    const event = read({
      headers: headersOf({ "content-type": "text/plain", ...headers }),
      value: encode("x"),
    });
    assert.deepEqual(event, { ...plain, datacontenttype: "text/plain", data: "x" }, JSON.stringify(headers));
  }
  const structured = headersOf({ "content-type": "application/cloudevents+json" });
  assert.deepEqual(read({ headers: structured, value: encode('{"specversion":"0.3"}') }), {
    ...plain,
    datacontenttype: "application/cloudevents+json",
    data: { specversion: "0.3" },
  });
  for (const value of [encode("{"), new Uint8Array([255]), null]) {
    assert.equal(read({ headers: structured, value }).type, "kavka.record");
  }
  const odd = headersOf({ "content-type": "no media type" });
  assert.equal(read({ headers: odd, value: encode("1") }).datacontenttype, undefined);
});
