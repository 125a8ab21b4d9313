/** Group ids and the shards that they fall into. */
import assert from "node:assert/strict";
import { groupIdError, groupShardIndex } from "./group_config.ts";

Deno.test("groupShardIndex() is Java's hash of the id", () => {
  // "hello".hashCode() is 99162322 in Java; "polygenelubricants" has the hash of the least integer.
  assert.equal(groupShardIndex("hello", 50), 99_162_322 % 50);
  assert.equal(groupShardIndex("polygenelubricants", 50), 0);
  assert.equal(groupShardIndex("", 50), 0);
  assert.equal(groupShardIndex("my-group", 50), javaHash("my-group") % 50);
});

/** The definition, with big integers. */
function javaHash(text: string): number {
  let hash = 0n;
  for (let i = 0; i < text.length; i++) hash = BigInt.asIntN(32, hash * 31n + BigInt(text.charCodeAt(i)));
  return Math.abs(Number(hash));
}

Deno.test("groupIdError() bounds the id in bytes", () => {
  assert.equal(groupIdError("g"), "NONE");
  assert.equal(groupIdError(" "), "NONE");
  assert.equal(groupIdError(""), "INVALID_GROUP_ID");
  assert.equal(groupIdError("", true), "NONE");
  assert.equal(groupIdError("é".repeat(450)), "NONE");
  assert.equal(groupIdError("é".repeat(451)), "INVALID_GROUP_ID");
  assert.equal(groupIdError("x".repeat(2_000_000), true), "INVALID_GROUP_ID");
});
