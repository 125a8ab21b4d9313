/** A WebSocket's end on a connection that the test holds in its hands, with a clock that it turns. */
import assert from "node:assert/strict";
import { WebSocketEnd } from "./web_socket.ts";

const SILENCE_MS_MAX = 30_000;

/** A client by hand: what it sends, what it takes. */
class Client {
  nowMs = 0;
  /** How many bytes it takes. */
  takes = Infinity;
  isClosed = false;
  readonly written: number[] = [];
  readonly #sent: Uint8Array[] = [];
  #wakeRead = () => {};
  #wakeWrite = () => {};

  readonly connection = {
    coarseMs: () => this.nowMs,
    input: {
      read: async (buffer: Uint8Array): Promise<number | null> => {
        while (this.#sent.length === 0) {
          if (this.isClosed) return null;
          await new Promise<void>((resolve) => this.#wakeRead = resolve);
        }
        const bytes = this.#sent.shift() ?? new Uint8Array(0);
        buffer.set(bytes);
        return bytes.length;
      },
    },
    conn: {
      write: async (bytes: Uint8Array): Promise<number> => {
        while (this.takes <= 0) {
          if (this.isClosed) throw new Error("broken");
          await new Promise<void>((resolve) => this.#wakeWrite = resolve);
        }
        // A byte at a time is the slowest that a client can be.
        this.takes--;
        this.written.push(bytes[0] ?? 0);
        return 1;
      },
      close: () => {
        this.isClosed = true;
        this.#wakeRead();
        this.#wakeWrite();
      },
    },
  };

  send(...bytes: number[]): void {
    this.#sent.push(Uint8Array.from(bytes));
    this.#wakeRead();
  }

  take(count = Infinity): void {
    this.takes = count;
    this.#wakeWrite();
  }
}

const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

function open() {
  const client = new Client();
  const socket = new WebSocketEnd({ protocol: null, messageBytesMax: 100, silenceMsMax: SILENCE_MS_MAX });
  const told: (string | null)[] = [];
  socket.handlers = { opened() {}, message: (text) => told.push(text), closed: () => told.push("closed") };
  const run = socket.run(client.connection);
  return { client, socket, told, run };
}

Deno.test("a client that is silent is pinged, and dropped when it stays silent", async () => {
  const { client, socket, told, run } = open();
  for (const [nowMs, written] of [[10_000, []], [16_000, [0x89, 0]], [21_000, [0x89, 0]]] as const) {
    client.nowMs = nowMs;
    socket.expire(nowMs);
    await turn();
    assert.deepEqual(client.written, written);
  }
  // It answers: all its time begins anew.
  client.send(0x8a, 0x80, 0, 0, 0, 0);
  await turn();
  for (const nowMs of [35_000, 50_000]) socket.expire(client.nowMs = nowMs);
  await turn();
  assert.equal(client.isClosed, false);
  socket.expire(client.nowMs = 52_000);
  await run;
  assert.deepEqual([client.isClosed, told], [true, ["closed"]]);
});

Deno.test("a client that takes nothing is dropped; one that takes a byte now and then is not", async () => {
  const { client, socket, told, run } = open();
  client.takes = 0;
  socket.send("x".repeat(50));
  assert.equal(socket.bufferedBytes, 52);
  await turn();
  for (let nowMs = 0; nowMs <= 500_000; nowMs += 50_000) {
    client.nowMs = nowMs;
    socket.expire(nowMs);
    client.take(1);
    await turn();
  }
  assert.equal(client.isClosed, false);
  const drained = socket.drained(10);
  client.nowMs += 61_000;
  socket.expire(client.nowMs);
  await run;
  // Whoever waits for room is told, too.
  await drained;
  assert.deepEqual([client.isClosed, told], [true, ["closed"]]);
});

Deno.test("drained() resolves as soon as few bytes are left", async () => {
  const { client, socket } = open();
  client.takes = 0;
  for (let n = 0; n < 3; n++) socket.send("x".repeat(8));
  assert.equal(socket.bufferedBytes, 30);
  let isDrained = false;
  void socket.drained(10).then(() => isDrained = true);
  for (const [takes, left] of [[0, 30], [10, 20], [9, 20]] as const) {
    client.take(takes);
    await turn();
    assert.deepEqual([isDrained, socket.bufferedBytes], [false, left]);
  }
  // The third frame still waits for the client.
  client.take(1);
  await turn();
  assert.deepEqual([isDrained, socket.bufferedBytes], [true, 10]);
  client.take();
  await turn();
  assert.equal(socket.bufferedBytes, 0);
  client.connection.conn.close();
});

Deno.test("pings are answered with the newest one's bytes, and are no way to fill the memory", async () => {
  const { client, socket } = open();
  client.takes = 0;
  socket.send("a");
  await turn();
  for (let n = 0; n < 1_000; n++) client.send(0x89, 0x81, 0, 0, 0, 0, n & 255);
  await turn();
  assert.equal(socket.bufferedBytes, 3);
  client.take();
  await turn();
  assert.deepEqual(client.written, [0x81, 1, 0x61, 0x8a, 1, 999 & 255]);
  client.connection.conn.close();
});

Deno.test("close() sends what was given, then the code; the client has its time to answer", async () => {
  const { client, socket, told, run } = open();
  socket.send("a");
  socket.close(1001, "");
  socket.send("never");
  client.send(0x81, 0x81, 0, 0, 0, 0, 0x78);
  await turn();
  assert.deepEqual(client.written, [0x81, 1, 0x61, 0x88, 2, 0x03, 0xe9]);
  assert.deepEqual([client.isClosed, told], [false, []]);
  client.nowMs = 6_000;
  socket.expire(client.nowMs);
  await run;
  assert.deepEqual([client.isClosed, told], [true, ["closed"]]);
});

Deno.test("a client that closes gets its code back", async () => {
  const { client, told, run } = open();
  client.send(0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8);
  await run;
  assert.deepEqual([client.written, client.isClosed, told], [[0x88, 2, 0x03, 0xe8], true, ["closed"]]);
});

Deno.test("what comes behind a fault is dropped until the client has had the code", async () => {
  const { client, socket, told, run } = open();
  client.send(0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0);
  for (let n = 0; n < 100; n++) client.send(...new Uint8Array(500));
  await turn();
  assert.deepEqual(client.written.slice(0, 4), [0x88, client.written.length - 2, 0x03, 0xf1]);
  assert.equal(client.isClosed, false);
  client.nowMs = 6_000;
  socket.expire(client.nowMs);
  await run;
  assert.deepEqual(told, ["closed"]);
});
