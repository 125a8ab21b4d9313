import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import { silentLogger } from "../lib/log.ts";
import { DenoKvStorage } from "./deno_kv.ts";
import { DataDirectoryError } from "./errors.ts";
import { openStore } from "./open_store.ts";
import { inspectStoreFile } from "./store_file.ts";

const env = realEnv();

async function withStore(work: (path: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/kavka.sqlite`;
  try {
    const storage = await DenoKvStorage.open({ env, path });
    for (let i = 0; i < 20; i++) {
      await storage.commit({
        checks: [],
        mutations: [{ type: "set", key: ["k", i], value: new Uint8Array(50_000).fill(i) }],
      });
    }
    await storage.close();
    await work(path);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("inspectStoreFile() finds a file that lost its end, is something else, or is not there", async () => {
  await withStore(async (path) => {
    assert.equal(await inspectStoreFile(env.files, path), "sound");
    const bytes = Deno.readFileSync(path);
    for (const length of [bytes.length - 1, bytes.length - 4_096, bytes.length >> 1, 4_096]) {
      Deno.writeFileSync(path, bytes.subarray(0, length));
      const state = await inspectStoreFile(env.files, path);
      assert.ok(typeof state === "object", `${length} of ${bytes.length}: ${state}`);
      assert.match(state.fault, new RegExp(`${length} of ${bytes.length} bytes`));
    }
    Deno.writeFileSync(path, bytes.subarray(0, 50));
    assert.deepEqual(await inspectStoreFile(env.files, path), { fault: "it has only 50 bytes" });
    Deno.writeFileSync(path, new Uint8Array(8_192).fill(7));
    assert.deepEqual(await inspectStoreFile(env.files, path), { fault: "it is no database" });
    Deno.writeFileSync(path, new Uint8Array());
    assert.equal(await inspectStoreFile(env.files, path), "absent");
    Deno.removeSync(path);
    assert.equal(await inspectStoreFile(env.files, path), "absent");
  });
});

Deno.test("inspectStoreFile() finds a store sound whose process died with pages in the write-ahead log", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/kavka.sqlite`;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        "--unstable-kv",
        `const kv = await Deno.openKv(${JSON.stringify(path)});
         for (let i = 0; i < 150; i++) await kv.set(["k", i], new Uint8Array(60_000));
         Deno.kill(Deno.pid, "SIGKILL");`,
      ],
      stderr: "null",
    });
    await child.output();
    assert.ok(Deno.statSync(`${path}-wal`).size > 100_000);
    assert.equal(await inspectStoreFile(env.files, path), "sound");
    const bytes = Deno.readFileSync(path);
    Deno.truncateSync(path, bytes.length >> 1);
    const state = await inspectStoreFile(env.files, path);
    assert.ok(typeof state === "object", state as string);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

async function open(directory: string, brokerId = 1): Promise<void> {
  const store = await openStore({
    env,
    log: silentLogger,
    directory,
    path: `${directory}/kavka.sqlite`,
    brokerId,
    incarnation: env.uuid(),
  });
  await store.close();
}

Deno.test("openStore() refuses a store that lost its end, is another, or is not there any more, in one clear line", async () => {
  const [mine, other] = [Deno.makeTempDirSync(), Deno.makeTempDirSync()];
  try {
    await open(mine);
    await open(mine);
    await open(other);
    const refused = (pattern: RegExp, brokerId = 1) =>
      assert.rejects(open(mine, brokerId), (error: Error) => {
        assert.ok(error instanceof DataDirectoryError, String(error));
        assert.match(error.message, pattern);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    await refused(/broker 1.*--broker-id 2/, 2);
    const path = `${mine}/kavka.sqlite`;
    const bytes = Deno.readFileSync(path);
    Deno.truncateSync(path, bytes.length >> 1);
    await refused(/cut short.*backup/);
    Deno.copyFileSync(`${other}/kavka.sqlite`, path);
    await refused(/another cluster/);
    Deno.removeSync(path);
    await refused(/not there any more/);
    // From before the last start.
    Deno.writeFileSync(path, bytes);
    await open(mine);
    Deno.copyFileSync(path, `${path}.newest`);
    Deno.writeFileSync(path, bytes);
    await refused(/older copy.*2 starts.*3.*backup of the whole data directory/);
    // Refused again, and not written to.
    await refused(/older copy/);
    Deno.copyFileSync(`${path}.newest`, path);
    await open(mine);
    // A directory of an older Kavka has no such file, and gets one.
    Deno.removeSync(`${mine}/meta.properties`);
    await open(mine);
    Deno.removeSync(path);
    await refused(/not there any more/);
  } finally {
    for (const directory of [mine, other]) Deno.removeSync(directory, { recursive: true });
  }
});
