import assert from "node:assert/strict";
import { CorruptStorageError } from "../errors.ts";
import { MemoryStorage } from "../memory.ts";
import { MetadataStore } from "../metadata_store.ts";
import { openShards } from "../storage_testkit.ts";
import { decodeApiKey, encodeApiKey } from "./api_key.ts";
import { sealed } from "./sealed_testkit.ts";

const key = {
  id: "0123456789ab",
  name: "größe",
  scopes: ["produce:orders", "consume:log-*"],
  secretHash: Uint8Array.from({ length: 32 }, (_, n) => n),
  createdMs: 1_700_000_000_000,
  expiresMs: null,
};

Deno.test("API keys: golden bytes of version 1 are read", () => {
  const golden = "010867" + "72c3b6c39f65" + "00000002" + "0f" + "70726f647563653a6f7264657273" + "0e" +
    "636f6e73756d653a6c6f672d2a" + "00000020" +
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" + "0000018bcfe56800" +
    "ffffffffffffffff";
  assert.equal(encodeApiKey(key).toHex(), sealed(golden));
  assert.deepEqual(decodeApiKey(key.id, Uint8Array.fromHex(golden)), key);
  const ends = { ...key, expiresMs: 1_700_000_060_000 };
  assert.deepEqual(decodeApiKey(key.id, encodeApiKey(ends)), ends);
  assert.throws(() => decodeApiKey(key.id, Uint8Array.fromHex(`02${golden.slice(2)}`)), CorruptStorageError);
});

Deno.test("API keys are there after opening again, and gone after their removal", async () => {
  const storage = new MemoryStorage();
  const store = await MetadataStore.open(await openShards(storage));
  await store.putApiKey(key);
  const opened = await MetadataStore.open(await openShards(storage));
  assert.deepEqual([...opened.apiKeys().values()], [key]);
  await opened.removeApiKey(key.id);
  assert.equal((await MetadataStore.open(await openShards(storage))).apiKeys().size, 0);
});
