import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import { DenoKvStorage } from "./deno_kv.ts";
import { MemoryStorage } from "./memory.ts";
import type { Storage } from "./storage.ts";
import { storageSuite } from "./storage_suite.ts";

function suite(name: string, open: () => Promise<{ storage: Storage; remove?: () => void }>): void {
  for (const { name: caseName, run } of storageSuite) {
    Deno.test(`${name}: ${caseName}`, async () => {
      const { storage, remove } = await open();
      try {
        await run(storage);
      } finally {
        await storage.close();
        remove?.();
      }
    });
  }
}

suite("MemoryStorage", () => Promise.resolve({ storage: new MemoryStorage() }));

suite("DenoKvStorage in memory", async () => ({
  storage: await DenoKvStorage.open({ env: realEnv(), path: ":memory:" }),
}));

suite("DenoKvStorage in a file", async () => {
  const directory = Deno.makeTempDirSync();
  return {
    storage: await DenoKvStorage.open({ env: realEnv(), path: `${directory}/kv.sqlite` }),
    remove: () => Deno.removeSync(directory, { recursive: true }),
  };
});

Deno.test("what a file store committed is there after it is opened again", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/kv.sqlite`;
    const before = await DenoKvStorage.open({ env: realEnv(), path });
    await before.commit({ checks: [], mutations: [{ type: "set", key: ["a"], value: new Uint8Array([7]) }] });
    await before.close();
    const after = await DenoKvStorage.open({ env: realEnv(), path });
    assert.deepEqual((await after.get(["a"]))?.value, new Uint8Array([7]));
    await after.close();
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
