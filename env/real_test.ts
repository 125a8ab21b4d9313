/** The real Env against the real machine: sockets on loopback, files in a temporary directory. */
import assert from "node:assert/strict";
import { type Conn, UnreachableError } from "../lib/env.ts";
import { realEnv } from "./real.ts";

const env = realEnv();

async function withConns(use: (ours: Conn, peer: Conn) => Promise<void>): Promise<void> {
  const listener = await env.listen({ hostname: "127.0.0.1", port: 0 });
  const [ours, peer] = await Promise.all([
    env.connect({ hostname: "127.0.0.1", port: listener.port }),
    listener.accept(),
  ]);
  assert.ok(peer !== null);
  try {
    await use(ours, peer);
  } finally {
    ours.close();
    peer.close();
    listener.close();
  }
}

async function withDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("bytes cross a connection, and the end of the peer's stream is null", async () => {
  await withConns(async (ours, peer) => {
    assert.match(peer.remoteAddress, /^127\.0\.0\.1:\d+$/);
    assert.equal(await ours.write(new Uint8Array([1, 2, 3])), 3);
    const buffer = new Uint8Array(8);
    assert.equal(await peer.read(buffer), 3);
    assert.deepEqual([...buffer.subarray(0, 3)], [1, 2, 3]);
    ours.close();
    assert.equal(await peer.read(buffer), null);
  });
});

Deno.test("closeWrite() is the end for the peer, whose answer is still read", async () => {
  await withConns(async (ours, peer) => {
    await ours.closeWrite?.();
    const buffer = new Uint8Array(8);
    assert.equal(await peer.read(buffer), null);
    await peer.write(new Uint8Array([7]));
    assert.equal(await ours.read(buffer), 1);
  });
});

Deno.test("our own close() ends a pending read with null; closing twice is harmless", async () => {
  await withConns(async (ours) => {
    const pending = ours.read(new Uint8Array(8));
    ours.close();
    ours.close();
    assert.equal(await pending, null);
    assert.equal(await ours.read(new Uint8Array(8)), null);
    await assert.rejects(ours.write(new Uint8Array(1)));
  });
});

Deno.test("write throws when the peer is gone", async () => {
  await withConns(async (ours, peer) => {
    await ours.write(new Uint8Array(1000));
    await env.sleep(20);
    // Bytes that nobody read make the kernel reset the connection.
    peer.close();
    await env.sleep(20);
    await assert.rejects(async () => {
      for (let i = 0; i < 10; i++) await ours.write(new Uint8Array(1000));
    });
  });
});

Deno.test("closing a listener ends accept() with null", async () => {
  const listener = await env.listen({ hostname: "127.0.0.1", port: 0 });
  assert.ok(listener.port > 0);
  const accepted = listener.accept();
  listener.close();
  listener.close();
  assert.equal(await accepted, null);
  assert.equal(await listener.accept(), null);
  await assert.rejects(env.connect({ hostname: "127.0.0.1", port: listener.port }));
});

Deno.test("an aborted signal ends connect() and sleep() with its reason", async () => {
  const reason = new RangeError("enough");
  const signal = AbortSignal.abort(reason);
  await assert.rejects(env.connect({ hostname: "127.0.0.1", port: 1, signal }), reason);
  await assert.rejects(env.sleep(60_000, signal), reason);
  const controller = new AbortController();
  const sleeping = env.sleep(60_000, controller.signal);
  controller.abort(reason);
  await assert.rejects(sleeping, reason);
});

Deno.test("a timer fires once after its time, and a cancelled one never", async () => {
  const events: string[] = [];
  const beganAtMs = env.mono();
  env.timer(5, () => events.push("never"))();
  await new Promise<void>((resolve) => env.timer(10, resolve));
  assert.ok(env.mono() - beganAtMs >= 9);
  assert.equal(events.length, 0);
  // Longer than setTimeout knows: it must not fire at once.
  const cancel = env.timer(2 ** 40, () => events.push("early"));
  await env.sleep(5);
  cancel();
  assert.equal(events.length, 0);
});

Deno.test("files are written whole and read back", async () => {
  await withDirectory(async (directory) => {
    const path = `${directory}/a/b/text`;
    await env.files.makeDirectory(`${directory}/a/b`);
    await env.files.makeDirectory(`${directory}/a/b`);
    assert.equal(await env.files.exists(path), false);
    await env.files.writeText(path, "first and longer");
    await env.files.writeText(path, "second");
    assert.equal(await env.files.readText(path), "second");
    assert.deepEqual([...Deno.readDirSync(`${directory}/a/b`)].map((entry) => entry.name), ["text"]);
    await env.files.remove(path);
    assert.equal(await env.files.exists(path), false);
  });
});

Deno.test("a file that goes while its directory is listed hides no other", async () => {
  await withDirectory(async (directory) => {
    const names = Array.from({ length: 20 }, (_, i) => `${i}`);
    for (const [i, name] of names.entries()) {
      // A link to nothing is what a file is that was named and is gone when it is looked at.
      if (i % 2 === 1) await Deno.symlink(`${directory}/nothing`, `${directory}/${name}`);
      else await Deno.writeFile(`${directory}/${name}`, new Uint8Array(i));
    }
    const found = new Map((await env.files.list(directory)).map(({ name, sizeBytes }) => [name, sizeBytes]));
    assert.deepEqual(found, new Map(names.filter((_, i) => i % 2 === 0).map((name) => [name, Number(name)])));
    assert.deepEqual(await env.files.list(`${directory}/nothing`), []);
  });
});

Deno.test("a lock is exclusive between processes and names its holder", async () => {
  await withDirectory(async (directory) => {
    const path = `${directory}/lock`;
    const held = await env.files.lock(path);
    assert.ok(held !== null);
    assert.equal(await env.files.readText(path), `${Deno.pid}\n`);
    const tryInChild = async () => {
      const code = `import { realEnv } from ${JSON.stringify(import.meta.resolve("./real.ts"))};
        console.log(await realEnv().files.lock(${JSON.stringify(path)}) === null ? "refused" : "locked");`;
      const child = new Deno.Command(Deno.execPath(), {
        args: ["eval", "--no-lock", code],
      });
      return new TextDecoder().decode((await child.output()).stdout).trim();
    };
    assert.equal(await tryInChild(), "refused");
    assert.equal(await env.files.readText(path), `${Deno.pid}\n`);
    held.release();
    held.release();
    assert.equal(await tryInChild(), "locked");
  });
});

Deno.test("kv opens a store in memory", async () => {
  const kv = await env.kv(":memory:");
  try {
    assert.equal((await kv.atomic().set(["a"], 1).commit()).ok, true);
    assert.equal((await kv.get(["a"])).value, 1);
  } finally {
    kv.close();
  }
});

Deno.test("a positional file takes overlapping writes, reads short at its end, and is created only once", async () => {
  const path = `${await Deno.makeTempDir()}/file`;
  const { files } = realEnv();
  const file = await files.create(path);
  const first = new Uint8Array(100_000).fill(1);
  assert.deepEqual(await Promise.all([file.write(first, 0), file.write(Uint8Array.of(2, 3), 100_000)]), [
    100_000,
    2,
  ]);
  await file.syncData();
  await files.syncDirectory(path.slice(0, -"/file".length));
  const buffer = new Uint8Array(4);
  assert.equal(await file.read(buffer, 99_999), 3);
  assert.deepEqual(buffer, Uint8Array.of(1, 2, 3, 0));
  const reads = [99_998, 5, 100_001].map((position) => {
    const two = new Uint8Array(2);
    return file.read(two, position).then((count) => [count, ...two]);
  });
  assert.equal(await file.write(Uint8Array.of(9), 6), 1);
  assert.deepEqual(await Promise.all(reads), [[2, 1, 1], [2, 1, 9], [1, 3, 0]]);
  await file.close();
  await assert.rejects(files.create(path));
  const again = await files.open(path);
  assert.equal(await again.read(buffer, 100_002), 0);
  await again.close();
  assert.deepEqual(await files.list(path.slice(0, -"/file".length)), [{ name: "file", sizeBytes: 100_002 }]);
  assert.deepEqual(await files.list(`${path}-absent`), []);
  await files.remove(path);
  await assert.rejects(files.open(path));
});

Deno.test("real env resolves names, and plain http goes to the addresses that are given, in order", async () => {
  assert.ok((await env.resolve("localhost")).every((address) => ["127.0.0.1", "::1"].includes(address)));
  for (const hostname of ["::1", "127.0.0.1"]) {
    await using server = Deno.serve(
      { port: 0, hostname, onListen: () => {} },
      ({ headers }) => new Response(`${hostname} ${headers.get("host")}`),
    );
    const { port } = server.addr;
    const url = `http://localhost:${port}/`;
    const get = async (...addresses: string[]) => await (await env.fetch(url, { addresses })).text();
    const expected = `${hostname} localhost:${port}`;
    assert.equal(await get(hostname), expected);
    assert.equal(
      await get(hostname === "::1" ? "127.0.0.1" : "::1", hostname),
      expected,
      "the second answers",
    );
    await assert.rejects(get(hostname === "::1" ? "127.0.0.1" : "::1"), UnreachableError);
    await assert.rejects(get(), UnreachableError);
  }
});
