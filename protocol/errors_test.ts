import assert from "node:assert/strict";
import { errorCode, type ErrorName, errorName, errors, isRetriable } from "./errors.ts";

Deno.test("errors: codes run from −1 to 133 without gaps, and names and codes lead to each other", () => {
  const names = Object.keys(errors) as ErrorName[];
  assert.deepEqual(names.map(errorCode), Array.from({ length: 135 }, (_, index) => index - 1));
  for (const name of names) assert.equal(errorName(errorCode(name)), name);
});

Deno.test("errors: well-known codes", () => {
  assert.equal(errors.NONE.code, 0);
  assert.equal(errors.UNKNOWN_TOPIC_OR_PARTITION.code, 3);
  assert.equal(errorCode("UNSUPPORTED_VERSION"), 35);
  assert.equal(errorCode("MEMBER_ID_REQUIRED"), 79);
  assert.equal(errorCode("UNKNOWN_TOPIC_ID"), 100);
  assert.equal(isRetriable(errorCode("NOT_LEADER_OR_FOLLOWER")), true);
  assert.equal(isRetriable(errorCode("OFFSET_OUT_OF_RANGE")), false);
});

Deno.test("errorName() of a code that Kafka does not know is UNKNOWN_SERVER_ERROR", () => {
  assert.equal(errorName(9999), "UNKNOWN_SERVER_ERROR");
});
