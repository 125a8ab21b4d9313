import assert from "node:assert/strict";
import { decodeHeaderValue, eventModeOf, eventOfRequest } from "./http_binding.ts";

const required = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t" };
const body = new TextEncoder().encode("{}");

Deno.test("eventModeOf() tells the three modes, other formats, and what is no event", () => {
  const none = new Headers();
  assert.equal(eventModeOf("application/cloudevents+json", none), "structured");
  assert.equal(eventModeOf("application/cloudevents-batch+json", none), "batched");
  assert.equal(eventModeOf("application/cloudevents+avro", none), "unknown");
  assert.equal(eventModeOf("application/json", none), null);
  assert.equal(eventModeOf("application/json", new Headers({ "CE-Id": "1" })), "binary");
  assert.equal(eventModeOf("", new Headers({ "ce-type": "t" })), "binary");
});

Deno.test("eventOfRequest() takes attributes from headers and the media type from Content-Type", () => {
  const headers = new Headers({
    ...required,
    "ce-myext": "a%20b",
    "content-type": "application/json",
    "x-ce": "no",
  });
  const event = eventOfRequest(headers, body);
  assert.ok(!Array.isArray(event));
  assert.deepEqual(Object.fromEntries(event.attributes), {
    id: "1",
    myext: "a b",
    source: "/s",
    specversion: "1.0",
    type: "t",
  });
  assert.equal(event.dataContentType, "application/json");
  assert.equal(event.data, body);
  const empty = eventOfRequest(new Headers(required), new Uint8Array());
  assert.ok(!Array.isArray(empty));
  assert.deepEqual([empty.data, empty.dataContentType], [null, null]);
});

Deno.test("eventOfRequest() names what is wrong, each attribute once", () => {
  const headers = new Headers({ "ce-id": "%ff", "ce-datacontenttype": "text/plain", "ce-a-b": "c" });
  const faults = eventOfRequest(headers, body);
  assert.ok(Array.isArray(faults));
  assert.deepEqual(faults.map(({ attribute }) => attribute).sort(), [
    "a-b",
    "datacontenttype",
    "id",
    "source",
    "specversion",
    "type",
  ]);
});

Deno.test("decodeHeaderValue() undoes quotes and one round of percent-encoding", () => {
  const cases: readonly (readonly [string, string | null])[] = [
    ["Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"],
    ["%e2%82%ac", "€"],
    ["%2541", "%41"],
    ['"a \\"b\\" c"', 'a "b" c'],
    ['a "b" c', 'a "b" c'],
    ["100%", "100%"],
    ["%C0%A0", null],
    ["\u00e2\u0082\u00ac", "€"],
    ["\u00ff", null],
    ["€", "€"],
  ];
  for (const [given, expected] of cases) assert.equal(decodeHeaderValue(given), expected, given);
});
