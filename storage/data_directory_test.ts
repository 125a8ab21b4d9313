import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import { openDataDirectory, openStoreMeta } from "./data_directory.ts";
import { DenoKvStorage } from "./deno_kv.ts";
import { DataDirectoryError } from "./errors.ts";
import { encodeStoreMeta, storeMetaKey } from "./keys/store_meta.ts";
import { MemoryStorage } from "./memory.ts";
import { testEnv } from "./storage_testkit.ts";

async function withDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    await run(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function failsWith(pattern: RegExp): (error: Error) => boolean {
  return (error) => {
    assert.ok(error instanceof DataDirectoryError, String(error));
    assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  };
}

Deno.test("openDataDirectory() makes the directory, and a store can be opened in it", async () => {
  await withDirectory(async (root) => {
    const env = realEnv();
    const directory = await openDataDirectory({ env, path: `${root}/a/b` });
    const storage = await DenoKvStorage.open({ env, path: directory.kvPath });
    const meta = await openStoreMeta({ env, storage });
    assert.match(meta.clusterId, /^[A-Za-z0-9_-]{22}$/);
    assert.deepEqual(await openStoreMeta({ env, storage }), meta);
    await storage.close();
    directory.release();
    directory.release();
  });
});

Deno.test("a directory that another process uses is refused with its process id, until that ends", async () => {
  await withDirectory(async (path) => {
    const holder = new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        `const f = await Deno.open(${JSON.stringify(`${path}/kavka.lock`)}, { create: true, write: true });
         await f.lock(true); await f.write(new TextEncoder().encode(String(Deno.pid))); console.log("locked");
         await Deno.stdin.read(new Uint8Array(1));`,
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = holder.stdout.getReader();
    await reader.read();
    const env = realEnv();
    await assert.rejects(
      openDataDirectory({ env, path }),
      failsWith(new RegExp(`process ${holder.pid}.*--data`)),
    );
    await holder.stdin.close();
    await reader.cancel();
    await holder.status;
    (await openDataDirectory({ env, path })).release();
  });
});

Deno.test("a file in the way is one clear line", async () => {
  await withDirectory(async (root) => {
    Deno.writeTextFileSync(`${root}/file`, "");
    const env = realEnv();
    await assert.rejects(openDataDirectory({ env, path: `${root}/file` }), failsWith(/in the way.*--data/));
    await assert.rejects(
      openDataDirectory({ env, path: `${root}/file/below` }),
      failsWith(/in the way.*--data/),
    );
  });
});

Deno.test("a denied permission is one clear line", async () => {
  const env = testEnv();
  const files = {
    ...env.files,
    makeDirectory: () => Promise.reject(new Deno.errors.PermissionDenied("os error 13")),
  };
  await assert.rejects(
    openDataDirectory({ env: { ...env, files }, path: "/x" }),
    failsWith(/"\/x".*permission denied/),
  );
});

Deno.test("a store of a newer layout is refused, whatever came of the write of an older one", async () => {
  const storage = new MemoryStorage();
  const env = testEnv();
  storage.next("throwAfter");
  const meta = await openStoreMeta({ env, storage });
  assert.deepEqual(await openStoreMeta({ env, storage }), meta);
  const value = encodeStoreMeta({ ...meta, layoutVersion: 2 });
  await storage.commit({ checks: [], mutations: [{ type: "set", key: storeMetaKey, value }] });
  await assert.rejects(openStoreMeta({ env, storage }), failsWith(/version 2 and this Kavka knows 1/));
});
