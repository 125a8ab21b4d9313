import assert from "node:assert/strict";
import { eventFaults, isJsonData, isTextData } from "./cloud_event.ts";

const required = { specversion: "1.0", id: "1", source: "/s", type: "t" };

function faultsOf(changes: Record<string, string>, dataContentType: string | null = null): string[] {
  const attributes = new Map(Object.entries({ ...required, ...changes }));
  return eventFaults(attributes, dataContentType).map(({ attribute, detail }) => `${attribute}: ${detail}`);
}

Deno.test("eventFaults() names every required attribute that is not there", () => {
  const names = eventFaults(new Map(), null).map(({ attribute }) => attribute);
  assert.deepEqual(names, ["specversion", "id", "source", "type"]);
  assert.deepEqual(faultsOf({}), []);
});

Deno.test("eventFaults() holds names and values against the specification", () => {
  const wrong: readonly (readonly [Record<string, string>, string])[] = [
    [{ specversion: "0.3" }, "specversion: expected 1.0"],
    [{ id: "" }, "id: is empty"],
    [{ type: "" }, "type: is empty"],
    [{ source: "" }, "source: is empty"],
    [{ source: "a b" }, "source: expected a URI reference"],
    [{ source: "/a%2" }, "source: expected a URI reference"],
    [{ source: "#a#b" }, "source: expected a URI reference"],
    [{ subject: "" }, "subject: is empty"],
    [{ partitionkey: "" }, "partitionkey: is empty"],
    [{ dataschema: "/relative" }, "dataschema: expected a URI with its scheme"],
    [{ time: "2026-02-29T00:00:00Z" }, "time: expected a time as in RFC 3339"],
    [{ time: "2026-02-28 00:00:00Z" }, "time: expected a time as in RFC 3339"],
    [{ time: "2026-02-28T24:00:00Z" }, "time: expected a time as in RFC 3339"],
    [{ time: "2026-02-28T00:00:00" }, "time: expected a time as in RFC 3339"],
    [{ data: "x" }, "data: is not the name of an attribute"],
    [{ "my-ext": "x" }, "my-ext: the name of an attribute has only a to z and 0 to 9"],
    [{ myExt: "x" }, "myExt: the name of an attribute has only a to z and 0 to 9"],
    [{ ext: "a\nb" }, "ext: has a control character"],
    [{ ext: "a\u0085b" }, "ext: has a control character"],
    [{ ext: "\ud800" }, "ext: has a lone surrogate"],
    [{ ext: "\ufdd0" }, "ext: has a character that Unicode keeps for nobody"],
    [{ ext: "\u{2ffff}" }, "ext: has a character that Unicode keeps for nobody"],
  ];
  for (const [changes, fault] of wrong) assert.deepEqual(faultsOf(changes), [fault], JSON.stringify(changes));
  assert.deepEqual(faultsOf({}, "json"), ["datacontenttype: expected a media type"]);
  const right = {
    source: "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
    dataschema: "https://example.com/s?a=b%20c#d",
    time: "2016-12-31t23:59:60.123456789+05:30",
    subject: "Euro € 😀",
    ext: "",
  };
  assert.deepEqual(faultsOf(right, "text/plain; charset=utf-8"), []);
});

Deno.test("isJsonData() and isTextData() go by the media type", () => {
  for (const type of [null, "application/json", "text/json; charset=utf-8", "application/vnd.x+JSON"]) {
    assert.ok(isJsonData(type), String(type));
  }
  for (const type of ["application/jsonp", "text/plain", "application/xml"]) {
    assert.ok(!isJsonData(type), type);
  }
  for (const type of ["text/plain", "application/xml", "image/svg+xml", 'text/csv; charset="UTF-8"']) {
    assert.ok(isTextData(type), type);
  }
  for (const type of ["application/octet-stream", "text/plain; charset=latin1"]) {
    assert.ok(!isTextData(type), type);
  }
});
