import assert from "node:assert/strict";
import { StorageUnavailableError, StoreClosedError } from "./errors.ts";
import { Retry } from "./retry.ts";
import { testEnv } from "./storage_testkit.ts";

Deno.test("a store that was closed is not tried again, one that fails is", async () => {
  let slept = 0;
  const env = { ...testEnv(), sleep: () => Promise.resolve(void slept++) };
  const retry = new Retry(env, 1_000);
  await retry.pause("read", new StorageUnavailableError("busy"));
  assert.equal(slept, 1);
  await assert.rejects(retry.pause("read", new StoreClosedError()), StoreClosedError);
  assert.equal(slept, 1);
});
