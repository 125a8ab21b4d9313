import assert from "node:assert/strict";
import fc from "fast-check";
import { parseProperties } from "./properties.ts";

function parsed(text: string): Record<string, string> {
  return Object.fromEntries(parseProperties(text));
}

Deno.test("parseProperties() reads the three separators and skips comments", () => {
  assert.deepEqual(
    parsed("# no\n! no\n\n  a=1\nb : 2\r\nc 3\rd\t=\t4 \ne\nf==x\n"),
    { a: "1", b: "2", c: "3", d: "4 ", e: "", f: "=x" },
  );
});

Deno.test("parseProperties() joins continued lines, comment signs in them included", () => {
  assert.deepEqual(parsed("a=1,\\\n   2,\\\n  # not a comment\nb=x\\\\\nc=y"), {
    a: "1,2,# not a comment",
    b: "x\\",
    c: "y",
  });
  assert.deepEqual(parsed("last=1\\"), { last: "1" });
});

Deno.test("parseProperties() resolves escapes in keys and values", () => {
  assert.deepEqual(parsed("a\\=b\\ c=\\u00e4\\t\\q\\u12"), { "a=b c": "ä\tqu12" });
  assert.deepEqual(parsed("\uFEFFa=1"), { a: "1" });
});

Deno.test("parseProperties() lets the last of two equal keys win", () => {
  assert.deepEqual(parsed("a=1\nb=2\na=3"), { b: "2", a: "3" });
  assert.equal(parseProperties("__proto__=x").get("__proto__"), "x");
});

Deno.test("parseProperties() reads back what is escaped, whatever it is", () => {
  const escape = (text: string) =>
    [...Array(text.length).keys()].map((i) => "\\u" + text.charCodeAt(i).toString(16).padStart(4, "0")).join(
      "",
    );
  fc.assert(fc.property(fc.string({ minLength: 1 }), fc.string(), (key, value) => {
    assert.deepEqual([...parseProperties(`${escape(key)}=${escape(value)}`)], [[key, value]]);
  }));
  fc.assert(fc.property(fc.string(), (text) => void parseProperties(text)));
});
