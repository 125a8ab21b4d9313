import assert from "node:assert/strict";
import { LogLimiter } from "./log_limiter.ts";

Deno.test("LogLimiter admits some lines a second and tells how many it held back", () => {
  const limiter = new LogLimiter(2);
  assert.deepEqual([0, 1, 2, 3].map((at) => limiter.admit(at)), [0, 0, null, null]);
  assert.deepEqual([1_000, 1_001, 1_002].map((at) => limiter.admit(at)), [2, 0, null]);
  assert.equal(limiter.admit(5_000), 1);
});
