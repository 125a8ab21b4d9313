import assert from "node:assert/strict";
import { below } from "./keys/keyspace.ts";
import { MemoryStorage } from "./memory.ts";
import { scan } from "./scan.ts";

Deno.test("scan() walks the whole range of a store whose pages are short", async () => {
  const storage = new MemoryStorage({ limits: { listPageMax: 7 } });
  const keys = Array.from({ length: 20 }, (_, i) => ["a", i] as const);
  await storage.commit({
    checks: [],
    mutations: keys.map((key) => ({ type: "set", key, value: new Uint8Array([1]) })),
  });
  const found = [];
  for await (const { key } of scan(storage, below(["a"]))) found.push(key);
  assert.deepEqual(found, keys);
});
