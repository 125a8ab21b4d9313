import assert from "node:assert/strict";
import type { Conn } from "../lib/env.ts";
import { ReplyQueue } from "./reply_queue.ts";

/** A connection that records what is written; `hold` makes writes wait until `release`. */
class RecordingConn implements Conn {
  readonly remoteAddress = "127.0.0.1:1";
  readonly written: number[] = [];
  writes = 0;
  #held: (() => void)[] = [];
  #holding = false;
  failure: Error | null = null;

  hold(): void {
    this.#holding = true;
  }

  release(): void {
    this.#holding = false;
    for (const resume of this.#held.splice(0)) resume();
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.#holding) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.failure !== null) throw this.failure;
    // Short writes happen on real sockets.
    const count = Math.min(bytes.byteLength, 3);
    this.written.push(...bytes.subarray(0, count));
    this.writes += 1;
    return count;
  }

  read(): Promise<number | null> {
    return Promise.resolve(null);
  }

  close(): void {}
}

function queue(conn: Conn, requestCountMax = 10, bytesMax = 1_000): ReplyQueue {
  return new ReplyQueue({ conn, requestCountMax, bytesMax });
}

Deno.test("ReplyQueue writes replies in the order of their requests", async () => {
  const conn = new RecordingConn();
  const replies = queue(conn);
  const fills = [replies.reserve(), replies.reserve(), replies.reserve()];
  fills[2]?.([Uint8Array.of(5, 6)]);
  fills[1]?.([Uint8Array.of(3), Uint8Array.of(4)]);
  assert.deepEqual(conn.written, []);
  fills[0]?.([Uint8Array.of(1, 2)]);
  await replies.drained();
  assert.deepEqual(conn.written, [1, 2, 3, 4, 5, 6]);
});

Deno.test("ReplyQueue goes on after a request without a reply was all there was", async () => {
  const conn = new RecordingConn();
  const replies = queue(conn);
  replies.reserve()([]);
  await replies.drained();
  replies.reserve()([Uint8Array.of(7)]);
  await replies.drained();
  assert.deepEqual(conn.written, [7]);
});

Deno.test("ReplyQueue passes over a request that gets no reply", async () => {
  const conn = new RecordingConn();
  const replies = queue(conn);
  const [silent, loud] = [replies.reserve(), replies.reserve()];
  loud([Uint8Array.of(9)]);
  silent([]);
  await replies.drained();
  assert.deepEqual(conn.written, [9]);
});

Deno.test("ReplyQueue is full by requests until one is answered, and room() waits for that", async () => {
  const conn = new RecordingConn();
  const replies = queue(conn, 2);
  const first = replies.reserve();
  replies.reserve();
  assert.equal(replies.full, true);
  let hasRoom = false;
  const room = replies.room().then(() => hasRoom = true);
  await Promise.resolve();
  assert.equal(hasRoom, false);
  first([Uint8Array.of(1)]);
  await room;
  assert.equal(replies.full, false);
});

Deno.test("ReplyQueue is full by bytes while a slow reader takes nothing", async () => {
  const conn = new RecordingConn();
  conn.hold();
  const replies = queue(conn, 10, 5);
  replies.reserve()([new Uint8Array(6)]);
  replies.reserve();
  assert.equal(replies.full, true);
  const room = replies.room();
  conn.release();
  await room;
  assert.equal(replies.full, false);
});

Deno.test("ReplyQueue wakes waiters with the failure when the connection breaks", async () => {
  const conn = new RecordingConn();
  conn.failure = new Error("broken pipe");
  const replies = queue(conn, 1);
  const fill = replies.reserve();
  const room = replies.room();
  const drained = replies.drained();
  fill([Uint8Array.of(1)]);
  await assert.rejects(drained, /broken pipe/);
  await assert.rejects(
    (async () => {
      await room;
      await replies.room();
    })(),
    /broken pipe/,
  );
});

Deno.test("ReplyQueue writes a reply that is filled at whatever moment of the writing before it", async () => {
  for (let turns = 0; turns < 20; turns++) {
    const conn = new RecordingConn();
    const replies = queue(conn);
    const [first, second] = [replies.reserve(), replies.reserve()];
    first([Uint8Array.of(1)]);
    for (let i = 0; i < turns; i++) await null;
    second([Uint8Array.of(2)]);
    for (let i = 0; i < 40; i++) await null;
    assert.deepEqual(conn.written, [1, 2], `filled after ${turns} turns`);
  }
});
