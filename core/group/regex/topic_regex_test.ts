/** Regular expressions of subscriptions: against JavaScript's own where the languages agree, and what is refused. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { RegexError } from "../../../lib/parse_regex.ts";
import { TopicRegex } from "./topic_regex.ts";

const matches = (pattern: string, name: string) => new TopicRegex(pattern).matches(name);

Deno.test("the whole name must match", () => {
  assert(matches("orders", "orders"));
  assert(!matches("orders", "orders2"));
  assert(!matches("rders", "orders"));
  assert(matches("orders.*", "orders-eu"));
  assert(matches("a|bc|", "bc"));
  assert(matches("", ""));
  assert(!matches(".*", "é"));
});

Deno.test("RE2's own: quoting, flags, named groups, POSIX classes", () => {
  assert(matches("\\Qa.b\\E+", "a.bbb"));
  assert(matches("\\Qa.b\\E", "a.b"));
  assert(!matches("\\Qa.b\\E", "axb"));
  assert(matches("(?i)ORDERS", "orders"));
  assert(matches("(?i:O)rders", "orders"));
  assert(!matches("(?i:O)RDERS", "orders"));
  assert(matches("(?P<kind>a|b)-x", "b-x"));
  assert(matches("[[:alpha:]]+[[:^alpha:]]", "abc1"));
  assert(matches("\\Aabc\\z", "abc"));
  assert(matches("\\x61\\x{62}", "ab"));
  assert(matches("[]a]+", "a"));
});

Deno.test("what is not valid or not safe is refused", () => {
  const patterns = [
    "(",
    ")",
    "[",
    "[b-a]",
    "*",
    "a**",
    "a{2,1}",
    "a{1001}",
    "\\1",
    "\\",
    "(?=a)",
    "(?!a)",
    "(?<=a)",
  ]
    .concat([
      "a++",
      "\\pL",
      "(?>a)",
      "[[:none:]]",
      "(?z)",
      "a".repeat(5_000),
      "(".repeat(200) + ")".repeat(200),
    ])
    .concat(["((a{100}){100}){100}"]);
  for (const pattern of patterns) assert.throws(() => new TopicRegex(pattern), RegexError, pattern);
});

Deno.test("what takes others exponential time takes none here", () => {
  const regex = new TopicRegex("(a*)*(a|a?){50}b");
  assert(!regex.matches("a".repeat(249)));
  assert(regex.matches("a".repeat(248) + "b"));
});

Deno.test("it agrees with JavaScript", () => {
  const atom = fc.constantFrom(
    "a",
    "b",
    ".",
    "[ab]",
    "[^a]",
    "\\d",
    "\\w",
    "-",
    "\\.",
    "^",
    "$",
    "\\b",
    "\\B",
  );
  const { node } = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof(
      { depthSize: "small" },
      atom,
      fc.tuple(tie("node"), tie("node")).map(([a, b]) => a + b),
      fc.tuple(tie("node"), tie("node")).map(([a, b]) => `(?:${a}|${b})`),
      fc.tuple(tie("node"), fc.constantFrom("*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"))
        .map(([a, times]) => `(?:${a})${times}`),
    ),
  }));
  const name = fc.string({ unit: fc.constantFrom("a", "b", "1", ".", "-", "_"), maxLength: 6 });
  fc.assert(
    fc.property(node, fc.array(name, { maxLength: 20 }), (pattern, names) => {
      const expected = new RegExp(`^(?:${pattern})$`);
      const regex = new TopicRegex(pattern);
      for (const each of names) {
        assert.equal(regex.matches(each), expected.test(each), `${pattern} on ${each}`);
      }
    }),
    { numRuns: 300 },
  );
});
