import assert from "node:assert/strict";
import fc from "fast-check";
import type { Conn } from "../lib/env.ts";
import { FrameError, FrameReader } from "./frame_reader.ts";

const FRAME_BYTES_MAX = 3_000_000;

/** A connection that delivers `chunks` one read at a time, then the end of the stream. */
function connOf(chunks: readonly Uint8Array[]): Conn {
  const queue = chunks.filter((chunk) => chunk.byteLength > 0);
  return {
    remoteAddress: "127.0.0.1:1",
    read(buffer) {
      const chunk = queue.shift();
      if (chunk === undefined) return Promise.resolve(null);
      const count = Math.min(chunk.byteLength, buffer.byteLength);
      buffer.set(chunk.subarray(0, count));
      if (count < chunk.byteLength) queue.unshift(chunk.subarray(count));
      return Promise.resolve(count);
    },
    write: () => Promise.reject(new Error("not written to")),
    close() {},
  };
}

function framed(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + body.byteLength);
  new DataView(bytes.buffer).setInt32(0, body.byteLength);
  bytes.set(body, 4);
  return bytes;
}

function sized(size: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, size);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

Deno.test("FrameReader gives the same frames however the stream is cut", async () => {
  const body = fc.uint8Array({ minLength: 8, maxLength: 400 });
  const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 });
  await fc.assert(fc.asyncProperty(fc.array(body, { maxLength: 12 }), cuts, async (bodies, cuts) => {
    const stream = joined(bodies.map(framed));
    const chunks: Uint8Array[] = [];
    for (let at = 0, i = 0; at < stream.byteLength; i++) {
      const length = cuts[i % cuts.length] ?? 1;
      chunks.push(stream.subarray(at, at + length));
      at += length;
    }
    const reader = new FrameReader(connOf(chunks), FRAME_BYTES_MAX);
    for (const expected of bodies) assert.deepEqual(await reader.next(), expected);
    assert.equal(await reader.next(), null);
  }));
});

Deno.test("FrameReader reads a frame larger than it trusts at once, and the one behind it", async () => {
  const large = new Uint8Array(2_500_000).map((_, i) => i % 251);
  const small = new Uint8Array(20).fill(7);
  const stream = new Uint8Array(large.byteLength + small.byteLength + 8);
  stream.set(framed(large));
  stream.set(framed(small), large.byteLength + 4);
  const reader = new FrameReader(connOf([stream]), FRAME_BYTES_MAX);
  assert.deepEqual(await reader.next(), large);
  assert.deepEqual(await reader.next(), small);
});

Deno.test("FrameReader gives each frame bytes that later frames do not touch", async () => {
  const reader = new FrameReader(
    connOf([framed(new Uint8Array(8).fill(1)), framed(new Uint8Array(8).fill(2))]),
    100,
  );
  const first = await reader.next();
  await reader.next();
  assert.deepEqual(first, new Uint8Array(8).fill(1));
});

Deno.test("FrameReader refuses impossible sizes before it reads the body", async () => {
  for (const size of [-1, 0, 3, 7, FRAME_BYTES_MAX + 1, 0x7fff_ffff]) {
    const reader = new FrameReader(connOf([sized(size)]), FRAME_BYTES_MAX);
    await assert.rejects(reader.next(), FrameError, `size ${size}`);
  }
});

Deno.test("FrameReader tells a stream that ends inside a frame from one that ends after it", async () => {
  const whole = framed(new Uint8Array(50));
  for (const length of [2, 4, 30]) {
    const reader = new FrameReader(connOf([whole.slice(0, length)]), 100);
    await assert.rejects(reader.next(), FrameError);
  }
});

Deno.test("FrameReader takes no memory for what a size announces, but for what arrives", async () => {
  const whole = framed(new Uint8Array(1_000_000).map((_, i) => i % 251));
  for (const cut of [[4], [4, 1], [5], [4, 100, 2_000], [4_000, 30_000]]) {
    const chunks: Uint8Array[] = [];
    let at = 0;
    for (const length of cut) chunks.push(whole.subarray(at, at += length));
    chunks.push(whole.subarray(at));
    const conn = connOf(chunks);
    let arrived = 0;
    const reader = new FrameReader({
      ...conn,
      async read(buffer) {
        const { byteLength } = buffer.buffer;
        const most = Math.max(4_096, 16 * arrived);
        assert.ok(byteLength <= most, `a buffer of ${byteLength} bytes where ${arrived} arrived`);
        const count = await conn.read(buffer);
        arrived += count ?? 0;
        return count;
      },
    }, FRAME_BYTES_MAX);
    assert.deepEqual(await reader.next(), whole.subarray(4), `cut ${cut}`);
  }
});

Deno.test("FrameReader keeps little for a connection that says little, and more for one that says much", async () => {
  const bodies = Array.from({ length: 3_000 }, (_, i) => new Uint8Array(20).fill(i));
  const stream = joined(bodies.map(framed));
  const conn = connOf([framed(new Uint8Array(20)), stream]);
  const asked: number[] = [];
  const reader = new FrameReader({
    ...conn,
    read(buffer) {
      asked.push(buffer.byteLength);
      return conn.read(buffer);
    },
  }, FRAME_BYTES_MAX);
  assert.deepEqual(await reader.next(), new Uint8Array(20));
  for (const body of bodies) assert.deepEqual(await reader.next(), body);
  assert.equal(await reader.next(), null);
  assert.ok((asked[0] ?? 0) <= 4_096, `${asked[0]} bytes for one small frame`);
  assert.ok(asked.length < 10, `${asked.length} reads`);
});
