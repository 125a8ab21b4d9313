import assert from "node:assert/strict";
import fc from "fast-check";
import type { CloudEvent } from "./cloud_event.ts";
import { eventOfJson, jsonOfEvent } from "./json_format.ts";

const options = { attributesMax: 20 };
const required = { specversion: "1.0", id: "1", source: "/s", type: "t" };
const encode = (text: string) => new TextEncoder().encode(text);

function parse(members: Record<string, unknown>): CloudEvent {
  const event = eventOfJson({ ...required, ...members }, options);
  assert.ok(!Array.isArray(event), JSON.stringify(event));
  return event;
}

function faultsOf(value: unknown): string[] {
  const faults = eventOfJson(value, options);
  assert.ok(Array.isArray(faults));
  return faults.map(({ attribute, detail }) => `${attribute}: ${detail}`);
}

Deno.test("eventOfJson() turns attributes into their canonical strings; null is absent", () => {
  const { attributes } = parse({ flag: true, count: -5, subject: null });
  assert.deepEqual(Object.fromEntries(attributes), { ...required, flag: "true", count: "-5" });
});

Deno.test("eventOfJson() reads data by its media type", () => {
  const cases: readonly (readonly [Record<string, unknown>, string | null, string | null])[] = [
    [{}, null, null],
    [{ data: { a: 1 } }, "application/json", '{"a":1}'],
    [{ data: "I'm just a string" }, "application/json", `"I'm just a string"`],
    [{ data: null }, "application/json", "null"],
    [{ data: "<a/>", datacontenttype: "application/xml" }, "application/xml", "<a/>"],
    [{ data: [1], datacontenttype: "application/x+json" }, "application/x+json", "[1]"],
    [{ data_base64: "eHk=" }, null, "xy"],
    [{ data_base64: "eHk=", datacontenttype: "image/png" }, "image/png", "xy"],
    [{ data: 1, data_base64: null }, "application/json", "1"],
  ];
  for (const [members, dataContentType, data] of cases) {
    const event = parse(members);
    assert.equal(event.dataContentType, dataContentType, JSON.stringify(members));
    assert.deepEqual(event.data, data === null ? null : encode(data), JSON.stringify(members));
  }
});

Deno.test("eventOfJson() names what is wrong", () => {
  assert.deepEqual(faultsOf([]), [": expected a CloudEvent as a JSON object"]);
  assert.deepEqual(faultsOf({ ...required, id: null, subject: 5, x: { a: 1 } }), [
    "subject: expected a string",
    "x: expected a string, a boolean or a whole number of 32 bits",
    "id: is missing",
  ]);
  assert.deepEqual(faultsOf({ ...required, n: 2 ** 31 }), [
    "n: expected a string, a boolean or a whole number of 32 bits",
  ]);
  assert.deepEqual(faultsOf({ ...required, data: 1, data_base64: "eA==" }), ["data_base64: excludes data"]);
  assert.deepEqual(faultsOf({ ...required, data_base64: "&" }), ["data_base64: expected base64"]);
  assert.deepEqual(faultsOf({ ...required, data: {}, datacontenttype: "text/plain" }), [
    "data: expected a string, since datacontenttype is not JSON",
  ]);
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`a${index}`, "x"]));
  assert.deepEqual(faultsOf({ ...required, ...many }), [": expected at most 20 attributes"]);
});

Deno.test("jsonOfEvent() shows data as JSON, text or base64, and leaves JSON as it was written", () => {
  const attributes = new Map(Object.entries(required));
  const show = (dataContentType: string | null, data: Uint8Array | null) =>
    jsonOfEvent({ attributes, dataContentType, data }).slice(
      jsonOfEvent({ attributes, dataContentType, data: null }).length - 1,
    );
  assert.equal(show(null, null), "}");
  assert.equal(show("application/json", encode('{"n": 1.0e400}')), ',"data":{"n": 1.0e400}}');
  assert.equal(show(null, encode("12345678901234567890")), ',"data":12345678901234567890}');
  assert.equal(show("application/json", encode("no json")), ',"data_base64":"bm8ganNvbg=="}');
  assert.equal(show("text/plain", encode('a"b')), ',"data":"a\\"b"}');
  assert.equal(show("text/plain", new Uint8Array([255])), ',"data_base64":"/w=="}');
  assert.equal(show("image/png", encode("a")), ',"data_base64":"YQ=="}');
});

Deno.test("an event is the same after jsonOfEvent() and eventOfJson(), whatever its bytes", () => {
  const type = fc.constantFrom("application/json", "text/plain", "application/octet-stream", "a/b+json");
  fc.assert(fc.property(
    type,
    fc.oneof(fc.uint8Array(), fc.json().map(encode), fc.string({ unit: "binary" }).map(encode)),
    (dataContentType, data) => {
      const event = { attributes: new Map(Object.entries(required)), dataContentType, data };
      const again = eventOfJson(JSON.parse(jsonOfEvent(event)), options);
      assert.ok(!Array.isArray(again));
      const same = (bytes: Uint8Array | null) => {
        const text = new TextDecoder().decode(bytes ?? undefined);
        // White space and the order of keys like numbers are JSON's own affair.
        return /json/.test(dataContentType) && isJson(text) ? JSON.stringify(JSON.parse(text)) : text;
      };
      assert.equal(same(again.data), same(data));
      assert.equal(again.dataContentType, dataContentType);
    },
  ));
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
