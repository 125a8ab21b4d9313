import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import { durationMs } from "./api_keys.ts";
import type { Terminal } from "./command_line.ts";
import { kavka } from "./kavka.ts";

function terminal(variables: Record<string, string>) {
  const out: string[] = [];
  const errors: string[] = [];
  const world: Terminal = {
    env: realEnv(),
    variable: (name) => variables[name],
    writeOut: (bytes) => Promise.resolve(void out.push(new TextDecoder().decode(bytes))),
    writeError: (line) => void errors.push(line),
  };
  return { world, out, errors };
}

Deno.test("kavka key: makes, lists and revokes over HTTP, with the key of the environment", async () => {
  const seen: unknown[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { method, url, headers } = request;
    const text = await request.text();
    seen.push([
      method,
      new URL(url).pathname,
      headers.get("authorization"),
      text === "" ? null : JSON.parse(text),
    ]);
    const key = { id: "a1", name: "n", scopes: ["produce:x"], createdMs: 0, expiresMs: 1_000 };
    if (method === "POST") return Response.json({ ...key, key: "kvk_a1_secret" }, { status: 201 });
    if (method === "GET") return Response.json({ required: true, keys: [key] });
    return Response.json({ detail: "There is no key with this id" }, { status: 404 });
  });
  const variables = { KAVKA_SERVER: `http://127.0.0.1:${server.addr.port}/`, KAVKA_API_KEY: "k" };
  const made = terminal(variables);
  const options = ["--name", "n", "--scope", "produce:x", "--scope", "consume", "--expires-in", "2h"];
  assert.equal(await kavka(["key", "create", ...options], made.world), 0);
  assert.deepEqual(made.out, ["kvk_a1_secret\n"]);
  const listed = terminal(variables);
  assert.equal(await kavka(["key", "list"], listed.world), 0);
  assert.deepEqual(listed.out, ["a1  n  produce:x, expires 1970-01-01T00:00:01.000Z\n"]);
  await assert.rejects(kavka(["key", "revoke", "b/2"], terminal(variables).world), /no key with this id/);
  assert.deepEqual(seen, [
    ["POST", "/v1/api-keys", "Bearer k", {
      name: "n",
      scopes: ["produce:x", "consume"],
      expiresInMs: 7_200_000,
    }],
    ["GET", "/v1/api-keys", "Bearer k", null],
    ["DELETE", "/v1/api-keys/b%2F2", "Bearer k", null],
  ]);
});

Deno.test("kavka key: wrong arguments are one line", async () => {
  for (
    const args of [[], ["make"], ["create"], ["create", "--name", "n"], ["revoke"], ["list", "--server", "x"]]
  ) {
    await assert.rejects(kavka(["key", ...args], terminal({}).world), { name: "UsageError" }, args.join(" "));
  }
  for (const wrong of ["", "1", "0d", "1w", "-1h", "1.5h"]) assert.throws(() => durationMs(wrong), wrong);
  assert.equal(durationMs("30d"), 2_592_000_000);
});
