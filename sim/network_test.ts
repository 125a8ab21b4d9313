import assert from "node:assert/strict";
import type { Conn, Env } from "../lib/env.ts";
import { FaultLog } from "./fault_log.ts";
import { SimNetwork } from "./network.ts";
import { SimProcess } from "./process.ts";
import { Rng } from "./rng.ts";
import { Scheduler } from "./scheduler.ts";
import { SimDisk } from "./sim_files.ts";
import { type NetFaults, noDiskFaults, noKvFaults, noProcessFaults } from "./swarm.ts";
import { Trace } from "./trace.ts";

function twoHosts(faults: Partial<NetFaults> = {}) {
  const rng = new Rng("network_test");
  const scheduler = new Scheduler(rng.split("scheduler"), new Trace());
  const faultLog = new FaultLog();
  const net = { latencyMs: [0.1, 5] as const, chunk: 0, shortWrite: 0, refuse: 0, ...faults };
  const network = new SimNetwork({ scheduler, rng: rng.split("network"), faultLog, faults: () => net });
  const processOn = (hostname: string) =>
    new SimProcess({
      name: hostname,
      hostname,
      scheduler,
      network,
      rng: rng.split(hostname),
      faultLog,
      disk: new SimDisk(),
      kvFaults: () => noKvFaults,
      processFaults: () => noProcessFaults,
      diskFaults: () => noDiskFaults,
    });
  const client = processOn("client");
  const server = processOn("server");
  const run = (until: () => boolean, ms = 60_000) =>
    scheduler.run({ until, deadlineMs: scheduler.nowMs + ms, stepCountMax: 100_000 });
  return { client, server, network, scheduler, run };
}

async function connected(world: ReturnType<typeof twoHosts>): Promise<{ near: Conn; far: Conn }> {
  let near: Conn | null = null;
  let far: Conn | null = null;
  world.server.env.listen({ hostname: "server", port: 1 }).then((listener) => listener.accept())
    .then((conn) => far = conn);
  world.client.env.connect({ hostname: "server", port: 1 }).then((conn) => near = conn);
  await world.run(() => near !== null && far !== null);
  assert.ok(near !== null && far !== null);
  return { near, far };
}

async function writeAll(conn: Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

async function readAll(conn: Conn, into: number[]): Promise<"end" | "reset"> {
  const buffer = new Uint8Array(700);
  try {
    for (;;) {
      const count = await conn.read(buffer);
      if (count === null) return "end";
      for (const byte of buffer.subarray(0, count)) into.push(byte);
    }
  } catch {
    return "reset";
  }
}

/** More than a window. */
const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 31) & 0xff);

Deno.test("bytes arrive whole and in order through pieces, short writes and a full window", async () => {
  const world = twoHosts({ chunk: 0.7, shortWrite: 0.7 });
  const { near, far } = await connected(world);
  const received: number[] = [];
  let end = "";
  readAll(far, received).then((how) => end = how);
  writeAll(near, bytes).then(() => near.close());
  assert.equal(await world.run(() => end !== ""), "done");
  assert.equal(end, "end");
  assert.deepEqual(Uint8Array.from(received), bytes);
});

Deno.test("a dead link holds bytes back in one direction until it heals", async () => {
  const world = twoHosts();
  const { near, far } = await connected(world);
  world.network.block("client", "server");
  const received: number[] = [];
  void readAll(far, received);
  void writeAll(near, new Uint8Array([1, 2, 3]));
  await world.run(() => false, 10_000);
  assert.equal(received.length, 0);
  world.network.unblock("client", "server");
  await world.run(() => received.length === 3, 1_000);
  assert.deepEqual(received, [1, 2, 3]);
});

Deno.test("a cut delivers a beginning of what was written, then resets or leaves the reader waiting", async () => {
  for (let i = 0; i < 20; i++) {
    const world = twoHosts({ chunk: 0.5 });
    const { near, far } = await connected(world);
    const received: number[] = [];
    let end = "";
    readAll(far, received).then((how) => end = how);
    writeAll(near, bytes).catch(() => "cut, too");
    await world.run(() => received.length > i * 100, 1_000);
    assert.ok(world.network.cutSome());
    await world.run(() => end !== "", 10_000);
    assert.notEqual(end, "end");
    assert.ok(received.length < bytes.length);
    assert.deepEqual(Uint8Array.from(received), bytes.subarray(0, received.length));
  }
});

Deno.test("the peers of a killed process read to the end of what it had written", async () => {
  const world = twoHosts();
  const { near, far } = await connected(world);
  const received: number[] = [];
  let end = "";
  readAll(far, received).then((how) => end = how);
  void near.write(new Uint8Array([7, 8]));
  world.client.kill("test");
  await world.run(() => end !== "");
  assert.deepEqual([end, received], ["end", [7, 8]]);
});

Deno.test("nobody listens after the listener's process has died", async () => {
  const world = twoHosts();
  await connected(world);
  world.server.kill("test");
  const env: Env = world.client.env;
  let refused = "";
  env.connect({ hostname: "server", port: 1 }).catch((error: unknown) => refused = String(error));
  await world.run(() => refused !== "");
  assert.match(refused, /refused/);
});
