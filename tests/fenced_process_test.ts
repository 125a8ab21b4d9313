/** A whole server process whose store another one takes over: it ends by itself, with one line and exit code 1. */
import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import { DenoKvStorage } from "../storage/deno_kv.ts";
import { brokerFenceKey, encodeBrokerFence } from "../storage/keys/broker_fence.ts";

Deno.test("a server whose fence was taken stops serving and ends with one clear line", async () => {
  const directory = Deno.makeTempDirSync();
  const root = new URL("..", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-net",
      "--allow-read",
      "--allow-write",
      "--allow-env",
      `${root}main.ts`,
      "--data",
      directory,
      "--kafka",
      "127.0.0.1:0",
      "--http",
      "127.0.0.1:0",
      "--override",
      "broker.heartbeat.interval.ms=200",
      "--log",
      "error",
    ],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const killer = setTimeout(() => child.kill("SIGKILL"), 60_000);
  try {
    const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let said = "";
    while (!said.includes("kafka listening")) {
      const { value, done } = await output.read();
      assert.ok(!done, `the server ended: ${said}`);
      said += value;
    }
    await output.cancel();
    const env = realEnv();
    const storage = await DenoKvStorage.open({ env, path: `${directory}/kavka.sqlite` });
    const fence = await storage.get(brokerFenceKey(1));
    const result = await storage.commit({
      checks: [{ key: brokerFenceKey(1), versionstamp: fence?.versionstamp ?? null }],
      mutations: [{
        type: "set",
        key: brokerFenceKey(1),
        value: encodeBrokerFence({ incarnation: env.uuid(), startCount: 2 }),
      }],
    });
    assert.ok(result.ok);
    await storage.close();
    const errors = await new Response(child.stderr).text();
    assert.equal((await child.status).code, 1);
    assert.match(errors, /^kavka: Cannot serve store "[^"]+kavka\.sqlite": a newer process .*\n$/);
  } finally {
    clearTimeout(killer);
    Deno.removeSync(directory, { recursive: true });
  }
});
