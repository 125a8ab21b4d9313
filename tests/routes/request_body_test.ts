/** Bodies as they come over a socket: whole, cut, slow, deep. */
import assert from "node:assert/strict";
import type { Env } from "../../lib/env.ts";
import { BodyDeadlines } from "../../routes/body_deadline.ts";
import { isDeeperThan, parseExactly } from "../../routes/request_body.ts";
import { FakeBroker } from "./fake_broker.ts";
import { httpApp } from "../../routes/app.ts";

Deno.test("isDeeperThan() counts brackets outside of strings only", () => {
  const cases: [string, number, boolean][] = [
    ["[[[]]]", 3, false],
    ["[[[]]]", 2, true],
    ['{"a":{"b":[1]}}', 2, true],
    ['["[[[[", "\\"[[[[", "\\\\", [1]]', 2, false],
    ['["\\\\\\"[[[", [[1]]]', 2, true],
    ['["\\\\", [[1]]]', 2, true],
    ["[][][][]", 1, false],
    ['["[[[', 1, false],
    ["", 0, false],
  ];
  for (const [text, depth, expected] of cases) assert.equal(isDeeperThan(text, depth), expected, text);
});

Deno.test("parseExactly() keeps numbers that a double cannot hold, and only those", () => {
  const kept = [
    "[12345678901234567890]",
    "[0.1234567890123456789]",
    '{"a":1e400}',
    "[1.0E5]",
    '[{"b":[-1e-400]}]',
  ];
  for (const text of kept) assert.equal(JSON.stringify(parseExactly(text)), text);
  const plain = '[1,-2.5,true,false,null,"12345678901234567890 1e9","\\"",123456789012345]';
  assert.deepEqual(parseExactly(plain), JSON.parse(plain));
  assert.equal(JSON.stringify(parseExactly("[1.50]")), "[1.5]");
});

Deno.test("BodyDeadlines: one timer for all, late ones are rejected, none is left behind", async () => {
  const timers: (() => void)[] = [];
  let nowMs = 0;
  const env = {
    mono: () => nowMs,
    timer: (_ms: number, callback: () => void) => (timers.push(callback), () => {}),
  } as unknown as Env;
  const deadlines = new BodyDeadlines(env);
  const never = new Promise<string>(() => {});
  const quick = deadlines.within(500, Promise.resolve("in time"), () => new Error("late"));
  const slow = deadlines.within(1_500, never, () => new Error("late"));
  const failed = deadlines.within(1_500, Promise.reject(new Error("broke")), () => new Error("late"));
  await assert.rejects(failed, /broke/);
  assert.equal(await quick, "in time");
  assert.equal(timers.length, 1);
  nowMs = 1_000;
  timers.shift()?.();
  assert.equal(timers.length, 1);
  nowMs = 2_000;
  timers.shift()?.();
  await assert.rejects(slow, /late/);
  assert.equal(timers.length, 0);
});

Deno.test("bodies over a socket: what arrives whole is stored, what is cut off is not", async () => {
  const broker = new FakeBroker();
  broker.addTopic("t");
  const app = httpApp(broker, { version: "0" });
  const statuses: number[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const response = await app.fetch(request);
    statuses.push(response.status);
    return response;
  });
  const { port } = server.addr;
  const head = "POST /v1/topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
  async function send(text: string): Promise<string> {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await conn.write(new TextEncoder().encode(text));
    const answer = new Uint8Array(2_000);
    const count = await conn.read(answer) ?? 0;
    return new TextDecoder().decode(answer.subarray(0, count));
  }
  assert.match(await send(`${head}Content-Length: 13\r\n\r\n{"value":"a"}`), /^HTTP\/1.1 200 /);
  assert.match(await send(`${head}Content-Length: 14\r\n\r\n{"value":"aé"}`), /^HTTP\/1.1 400 /);
  assert.match(
    await send(`${head}Transfer-Encoding: chunked\r\n\r\nd\r\n{"value":"b"}\r\n0\r\n\r\n`),
    /^HTTP\/1.1 200 /,
  );
  assert.match(await send(`${head}Content-Length: 16777217\r\n\r\n`), /^HTTP\/1.1 413 /);
  assert.match(await send(`${head}Content-Length: 0\r\n\r\n`), /^HTTP\/1.1 400 /);
  // Closed in the middle: nobody reads the answer, and nothing is stored.
  const cut = await Deno.connect({ hostname: "127.0.0.1", port });
  await cut.write(new TextEncoder().encode(`${head}Content-Length: 100\r\n\r\n{"value":"c"}`));
  await new Promise((resolve) => setTimeout(resolve, 50));
  cut.close();
  while (statuses.length < 6) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(statuses[5], 400);
  assert.equal(broker.partitionOf("t", 0).produced.length, 2);
});
