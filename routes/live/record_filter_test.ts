import assert from "node:assert/strict";
import { recordFilter } from "./record_filter.ts";

const bytes = (text: string | null) => text === null ? null : new TextEncoder().encode(text);

function passes(
  { keys = [], headers = [] }: { keys?: string[]; headers?: string[] },
  key: string | null,
  has: readonly [string, string | null][] = [],
): boolean {
  const record = {
    offset: 0,
    timestamp: 0,
    key: bytes(key),
    value: null,
    headers: has.map(([key, value]) => ({ key, value: bytes(value) })),
  };
  return recordFilter(keys, headers)?.(record) ?? true;
}

Deno.test("recordFilter() is null when every record passes", () => {
  assert.equal(recordFilter([], []), null);
});

Deno.test("recordFilter() takes any of the keys, byte by byte; a record without a key has none", () => {
  const keys = ["a", "ä"];
  assert.deepEqual(["a", "ä", "A", "ab", "", null].map((key) => passes({ keys }, key)), [
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
  assert.equal(passes({ keys: [""] }, ""), true);
  assert.equal(passes({ keys: [""] }, null), false);
});

Deno.test("recordFilter() wants all of the headers, by name or by name and value", () => {
  const headers = ["type:paid", "source"];
  assert.equal(passes({ headers }, null, [["type", "paid"], ["source", null]]), true);
  assert.equal(passes({ headers }, null, [["type", "due"], ["type", "paid"], ["source", "x"]]), true);
  assert.equal(passes({ headers }, null, [["type", "paid"]]), false);
  assert.equal(passes({ headers }, null, [["type", null], ["source", "x"]]), false);
  assert.equal(passes({ headers: ["at:10:30"] }, null, [["at", "10:30"]]), true);
  assert.equal(passes({ headers: ["empty:"] }, null, [["empty", ""]]), true);
  assert.equal(passes({ keys: ["k"], headers: ["a"] }, "k", [["b", ""]]), false);
});
