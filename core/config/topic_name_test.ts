import assert from "node:assert/strict";
import { collidingTopicName, topicNameFault } from "./topic_name.ts";

Deno.test("topicNameFault() accepts Kafka's names", () => {
  for (const name of ["a", "a.b_c-D9", "...", "__consumer_offsets", "x".repeat(249)]) {
    assert.equal(topicNameFault(name), null, name);
  }
});

Deno.test("topicNameFault() refuses the others", () => {
  for (
    const name of ["", ".", "..", "x".repeat(250), "a/b", "a b", "a\0", "a\u202E", "ä", "a\n", "a:b", "*"]
  ) {
    assert.equal(typeof topicNameFault(name), "string", JSON.stringify(name));
  }
});

Deno.test("collidingTopicName() finds names that differ in . and _ only", () => {
  assert.equal(collidingTopicName("a.b", ["x", "a_b"]), "a_b");
  assert.equal(collidingTopicName("a_b", ["a_b", "a-b"]), null);
  assert.equal(collidingTopicName("ab", ["a_b"]), null);
});
