import assert from "node:assert/strict";
import { matchesPattern } from "./subscription.ts";

Deno.test("a star is one segment, two are any number of them", () => {
  const cases: [pattern: string, path: string, expected: boolean][] = [
    ["events/*", "events/a", true],
    ["events/*", "events", false],
    ["events/*", "events/a/b", false],
    ["events/**", "events", true],
    ["events/**", "events/a/b", true],
    ["**", "a/b", true],
    ["**/c", "a/b/c", true],
    ["**/c", "c", true],
    ["a/**/c/*", "a/b/c/c/d", true],
    ["a.b", "axb", false],
    ["a*", "ab", false],
  ];
  for (const [pattern, path, expected] of cases) {
    assert.equal(matchesPattern(pattern, path), expected, `${pattern} ${path}`);
  }
  assert.equal(matchesPattern(new Array(200).fill("**").join("/"), new Array(200).fill("a").join("/")), true);
});
