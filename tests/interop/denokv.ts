/**
 * Deno KV's own server, denokv, held to the suite that the fake stores pass: directly, and through a proxy that delays and loses
 * replies. What the fakes do to commits must be what it does: a reply that is lost makes an applied commit look refused, a
 * server that was away applies what a client has given up. At the end a partition's log is kept on it under such faults.
 *
 * DENOKV is the server's program.
 */
import assert from "node:assert/strict";
import { realEnv } from "../../env/real.ts";
import { silentLogger } from "../../lib/log.ts";
import { DenoKvStorage } from "../../storage/deno_kv.ts";
import { UnknownOutcomeError } from "../../storage/errors.ts";
import { remoteLimits } from "../../storage/limits.ts";
import { PartitionLog } from "../../storage/partition_log.ts";
import { ShardStore } from "../../storage/shard.ts";
import { appendAfter, TOPIC_ID } from "../../storage/storage_testkit.ts";
import { storageSuite } from "../../storage/storage_suite.ts";
import { KvProxy } from "./kv_proxy.ts";

const TOKEN = "interop-test-token";
const isLong = Deno.env.get("KAVKA_INTEROP_LONG") === "1";
const program = Deno.env.get("DENOKV") ?? "denokv";
Deno.env.set("DENO_KV_ACCESS_TOKEN", TOKEN);

let failedCount = 0;

async function check(name: string, run: () => Promise<string | void>): Promise<void> {
  try {
    const result = await run();
    console.log(`ok ${name}${result ? ` (${result})` : ""}`);
  } catch (error) {
    failedCount++;
    console.log(
      `FAIL ${name}: ${String(error instanceof Error ? error.message : error).replaceAll("\n", " ")}`,
    );
  }
}

/** One denokv process on a file of its own. */
class DenoKvServer {
  readonly port = freePort();
  readonly #directory = Deno.makeTempDirSync({ prefix: "kavka-interop-" });
  #child: Deno.ChildProcess | null = null;

  async start(): Promise<void> {
    this.#child = new Deno.Command(program, {
      args: [
        "--sqlite-path",
        `${this.#directory}/kv.sqlite`,
        "serve",
        "--addr",
        `127.0.0.1:${this.port}`,
        "--access-token",
        TOKEN,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    for (let attempt = 0; attempt < 200; attempt++) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port: this.port })).close();
        return;
      } catch {
        await sleep(50);
      }
    }
    throw new Error("denokv does not listen");
  }

  async stop(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.status;
    this.#child = null;
  }

  async remove(): Promise<void> {
    await this.stop();
    await Deno.remove(this.#directory, { recursive: true });
  }
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

interface Remote {
  readonly server: DenoKvServer;
  readonly proxy: KvProxy;
  /** `port`: the proxy's, unless told otherwise. */
  open(deadlineMs?: number, port?: number): Promise<DenoKvStorage>;
}

/** A server, a proxy before it, and stores opened through the proxy; all gone afterwards. */
async function withRemote(body: (remote: Remote) => Promise<string | void>): Promise<string | void> {
  const server = new DenoKvServer();
  await server.start();
  const proxy = new KvProxy(server.port);
  const stores: DenoKvStorage[] = [];
  try {
    return await body({
      server,
      proxy,
      async open(deadlineMs = 10_000, port = proxy.port) {
        const path = `http://127.0.0.1:${port}`;
        const store = await DenoKvStorage.open({ env: realEnv(), path, limits: remoteLimits, deadlineMs });
        stores.push(store);
        return store;
      },
    });
  } finally {
    for (const store of stores) await store.close();
    proxy.close();
    await server.remove();
  }
}

const value = new Uint8Array([1]);

for (const { name, run } of storageSuite) {
  await check(`denokv: ${name}`, () => withRemote(async ({ open }) => await run(await open())));
}

for (const { name, run } of storageSuite) {
  if (!isLong && !name.startsWith("commit")) continue;
  await check(`denokv with slow replies: ${name}`, () =>
    withRemote(async ({ open, proxy }) => {
      proxy.delayMs = () => Math.random() * 30;
      await run(await open());
    }));
}

await check(
  "a lost reply makes an applied commit look refused, as the fake's refuseAfter",
  () =>
    withRemote(async ({ open, proxy }) => {
      const store = await open();
      await store.get(["a"]);
      let isArmed = true;
      proxy.losesReply = () => {
        const loses = isArmed;
        isArmed = false;
        return loses;
      };
      const commit = {
        checks: [{ key: ["a"], versionstamp: null }],
        mutations: [{ type: "set", key: ["a"], value } as const],
      };
      assert.deepEqual(await store.commit(commit), { ok: false });
      assert.deepEqual((await store.get(["a"]))?.value, value);
      assert.equal(proxy.lostCount, 1);
    }),
);

await check(
  "a commit without a check is applied again when its reply is lost",
  () =>
    withRemote(async ({ open, proxy, server }) => {
      const store = await open();
      await store.get(["a"]);
      let lossCount = 0;
      proxy.losesReply = () => lossCount++ < 2;
      const stamps = new Set<string>();
      const direct = await open(10_000, server.port);
      let isDone = false;
      const committing = store.commit({ checks: [], mutations: [{ type: "set", key: ["a"], value }] })
        .finally(() => isDone = true);
      while (!isDone) {
        const found = await direct.get(["a"]);
        if (found !== null) stamps.add(found.versionstamp);
        await sleep(10);
      }
      const result = await committing;
      assert.ok(result.ok);
      stamps.add(result.versionstamp);
      assert.ok(stamps.size > 1, "it was applied once: the fake may be too harsh");
    }),
);

await check(
  "what a client gave up while the server was away is applied later, as the fake's late",
  () =>
    withRemote(async ({ open, server }) => {
      const store = await open(1_000);
      await store.get(["a"]);
      await server.stop();
      const commit = store.commit({ checks: [], mutations: [{ type: "set", key: ["a"], value }] });
      await assert.rejects(commit, UnknownOutcomeError);
      await server.start();
      const reader = await open();
      const end = performance.now() + 10_000;
      while (await reader.get(["a"]) === null) {
        assert.ok(performance.now() < end, "it was never applied: the fake may be too harsh");
        await sleep(100);
      }
    }),
);

await check(
  "a log on denokv keeps what it acknowledged, once and in order, whatever replies are lost",
  () =>
    withRemote(async ({ open, proxy }) => {
      const env = realEnv();
      const wanted = isLong ? 2_000 : 150;
      let openings = 0;
      const openLog = async () => {
        openings++;
        const storage = await open(2_000);
        const incarnation = env.uuid();
        const shards = await ShardStore.open({
          storage,
          env,
          log: silentLogger,
          brokerId: 1,
          incarnation,
          resolveMs: 5_000,
        });
        return await PartitionLog.open(shards, TOPIC_ID, 0);
      };
      let log = await openLog();
      proxy.delayMs = () => Math.random() < 0.1 ? Math.random() * 50 : 0;
      proxy.losesReply = () => Math.random() < 0.05;
      const acknowledged: number[] = [];
      while (acknowledged.length < wanted) {
        const sizes = [10, 3_000, 70_000, 900_000];
        const valueBytes = sizes[Math.floor(Math.random() * (isLong ? 4 : 3))] ?? 10;
        const append = appendAfter(log.head, { timestamps: [1, 2], valueBytes });
        try {
          await log.append([append]);
          acknowledged.push(append.baseOffset);
          assert.equal(log.head.logEndOffset, append.lastOffset + 1);
        } catch {
          // In doubt: whether it was stored shows when the log is opened anew.
          log = await openLog();
        }
      }
      proxy.losesReply = () => false;
      proxy.delayMs = () => 0;
      log = await openLog();
      const end = log.head.logEndOffset;
      assert.ok(end >= acknowledged.length * 2);
      let offset = 0;
      const bases = new Set<number>();
      while (offset < end) {
        const options = { maxBytes: 4 << 20, minOneBatch: true, upTo: end };
        for (const batch of await log.read(offset, options)) {
          assert.equal(Number(new DataView(batch.buffer, batch.byteOffset).getBigInt64(0)), offset);
          bases.add(offset);
          offset += 2;
        }
      }
      for (const base of acknowledged) assert.ok(bases.has(base), `offset ${base} is gone`);
      return `${acknowledged.length} acknowledged, ${proxy.lostCount} replies lost, ${openings} openings`;
    }),
);

Deno.exit(failedCount === 0 ? 0 : 1);
