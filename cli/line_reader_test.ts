import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "./command_line.ts";
import { LineReader } from "./line_reader.ts";
import { LineSplitter, LineTooLongError } from "./line_splitter.ts";

const decoder = new TextDecoder();

function read(line: string, properties: Record<string, string> = {}) {
  const { key, value, headers } = new LineReader(new Map(Object.entries(properties))).read(utf8(line));
  const text = (bytes: Uint8Array | null) => bytes === null ? null : decoder.decode(bytes);
  return [text(key), text(value), ...headers.map((header) => `${header.key}=${text(header.value)}`)];
}

Deno.test("LineReader takes the whole line as value unless it is told otherwise", () => {
  assert.deepEqual(read("a\tb"), [null, "a\tb"]);
  assert.deepEqual(read(""), [null, ""]);
});

Deno.test("LineReader cuts off headers and key", () => {
  assert.deepEqual(read("k\tv\tw", { "parse.key": "true" }), ["k", "v\tw"]);
  assert.deepEqual(read("k::v", { "parse.key": "true", "key.separator": "::" }), ["k", "v"]);
  assert.deepEqual(read("a:1,b:2\tk\tv", { "parse.key": "true", "parse.headers": "true" }), [
    "k",
    "v",
    "a=1",
    "b=2",
  ]);
  assert.deepEqual(read("a:1\tv", { "parse.headers": "TRUE" }), [null, "v", "a=1"]);
});

Deno.test("LineReader names the line without separator, or takes it as value", () => {
  assert.throws(() => read("nokey", { "parse.key": "true" }), {
    message: "No key separator found on line number 1: 'nokey'",
  });
  assert.deepEqual(read("nokey", { "parse.key": "true", "ignore.error": "true" }), [null, "nokey"]);
});

Deno.test("LineReader turns the null marker into null", () => {
  const properties = { "parse.key": "true", "parse.headers": "true", "null.marker": "NULL" };
  assert.deepEqual(read("NULL\tNULL\tNULL", properties), [null, null]);
  assert.deepEqual(read("a:NULL\tk\tNULLS", properties), ["k", "NULLS", "a=null"]);
});

Deno.test("LineReader refuses separators that cannot be told apart, and unknown properties", () => {
  assert.throws(() => read("", { "headers.separator": "\t" }), /may not be equal/);
  assert.throws(() => read("", { "null.marker": "\t" }), /may not be equal/);
  assert.throws(() => read("", { "parse.keys": "true" }), /not known/);
});

Deno.test("LineSplitter gives the same lines however the stream is cut", () => {
  const line = fc.uint8Array({ maxLength: 12 }).map((bytes) =>
    bytes.filter((byte) => byte !== 10 && byte !== 13)
  );
  fc.assert(fc.property(fc.array(line), fc.boolean(), fc.integer({ min: 1, max: 9 }), (lines, crlf, size) => {
    const end = crlf ? [13, 10] : [10];
    const stream = Uint8Array.from(lines.flatMap((bytes) => [...bytes, ...end]));
    const splitter = new LineSplitter(1000);
    const found: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += size) {
      found.push(...splitter.push(stream.slice(at, at + size)));
    }
    assert.deepEqual(
      [...found, ...splitter.end()].map((bytes) => [...bytes]),
      lines.map((bytes) => [...bytes]),
    );
  }));
});

Deno.test("LineSplitter gives a last line without line feed, and refuses one that is too long", () => {
  const splitter = new LineSplitter(4);
  assert.equal(splitter.push(utf8("abcd")).length, 0);
  assert.deepEqual(splitter.end(), [utf8("abcd")]);
  assert.deepEqual(splitter.end(), []);
  assert.throws(() => splitter.push(utf8("abcde")), LineTooLongError);
});
