import assert from "node:assert/strict";
import { DenoServer, type DenoServerOptions } from "./deno_server.ts";

Deno.test("a server that ends by itself begins anew, also when that fails at first, and is told of", async () => {
  const breaking = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let opened = 0;
  const reopened = Promise.withResolvers<void>();
  const told: unknown[] = [];
  const serve: DenoServerOptions["serve"] = (options, handler) => {
    opened++;
    if (opened === 2) throw new Error("Too many open files");
    const server = Deno.serve(options, handler);
    const { promise } = breaking.shift() ?? Promise.withResolvers<void>();
    if (opened === 3) reopened.resolve();
    return { addr: server.addr, finished: promise, shutdown: () => server.shutdown() };
  };
  const [first] = breaking;
  const server = new DenoServer({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => new Response("here"),
    onEnded: (error) => told.push(error),
    serve,
  });
  const firstPort = server.port;
  first?.reject(new Error("Too many open files"));
  await reopened.promise;
  assert.equal(told.length, 1);
  assert.notEqual(server.port, 0);
  for (const port of [firstPort, server.port]) {
    const response = await fetch(`http://127.0.0.1:${port}/`);
    assert.equal(await response.text(), "here", "connections of either go on");
  }
  await server.shutdown();
  await assert.rejects(fetch(`http://127.0.0.1:${firstPort}/`));
});

Deno.test("an address that cannot be had is an error at the start", async () => {
  const options = { hostname: "127.0.0.1", fetch: () => new Response(), onEnded() {} };
  const first = new DenoServer({ ...options, port: 0 });
  assert.throws(() => new DenoServer({ ...options, port: first.port }), Deno.errors.AddrInUse);
  await first.shutdown();
});
