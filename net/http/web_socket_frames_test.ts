import assert from "node:assert/strict";
import fc from "fast-check";
import { closeFrame, FrameError, FrameReader, serverFrame, textFrame } from "./web_socket_frames.ts";

const encoder = new TextEncoder();

interface Sent {
  readonly opcode: number;
  readonly payload: Uint8Array;
  readonly isLast?: boolean;
  readonly mask?: readonly number[];
}

/** A frame as a client sends it. */
function clientFrame({ opcode, payload, isLast = true, mask = [1, 2, 3, 4] }: Sent): Uint8Array {
  const whole = serverFrame(opcode, payload);
  const head = [...whole.subarray(0, whole.length - payload.length)];
  head[0] = (isLast ? 0x80 : 0) | opcode;
  head[1] = (head[1] ?? 0) | 0x80;
  return Uint8Array.from([...head, ...mask, ...payload.map((byte, at) => byte ^ (mask[at & 3] ?? 0))]);
}

function read(bytes: Uint8Array, cut = bytes.length, messageBytesMax = 1_000) {
  const reader = new FrameReader(messageBytesMax);
  const frames = [];
  for (let at = 0; at < bytes.length; at += cut) frames.push(...reader.push(bytes.subarray(at, at + cut)));
  return frames;
}

function codeOf(...bytes: readonly Uint8Array[]): number {
  try {
    read(Uint8Array.from(bytes.flatMap((each) => [...each])));
  } catch (error) {
    assert.ok(error instanceof FrameError, String(error));
    return error.code;
  }
  return 0;
}

const text = (payload: string, isLast = true, opcode = 1) =>
  clientFrame({ opcode, payload: encoder.encode(payload), isLast });

Deno.test("FrameReader reads messages as they were sent, however they are cut into fragments and reads", () => {
  const message = fc.record({
    parts: fc.array(fc.string({ unit: "binary", maxLength: 150 }), { minLength: 1, maxLength: 4 }),
    ping: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), fc.integer({ min: 1, max: 300 }), (messages, cut) => {
      const bytes: number[] = [];
      const expected: unknown[] = [];
      for (const { parts, ping } of messages) {
        // Cut between bytes, not between characters.
        const whole = encoder.encode(parts.join("").toWellFormed());
        const step = Math.max(1, Math.ceil(whole.length / parts.length));
        const pieces = parts.map((_, n) => whole.subarray(n * step, (n + 1) * step));
        for (const [n, payload] of pieces.entries()) {
          bytes.push(...clientFrame({ opcode: n === 0 ? 1 : 0, payload, isLast: n === pieces.length - 1 }));
          if (ping && n === 0) {
            bytes.push(...clientFrame({ opcode: 9, payload: Uint8Array.of(7) }));
            expected.push({ type: "ping", payload: Uint8Array.of(7) });
          }
        }
        const told = { type: "message", text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(whole) };
        expected.push(told);
        // A ping of a message in one frame comes behind it.
        if (ping && pieces.length === 1) expected.push(...expected.splice(-2, 1));
      }
      assert.deepEqual(read(Uint8Array.from(bytes), cut, 10_000), expected);
    }),
  );
});

Deno.test("FrameReader tells bytes, pongs and closes", () => {
  const bytes = [
    clientFrame({ opcode: 2, payload: Uint8Array.of(255) }),
    clientFrame({ opcode: 10, payload: new Uint8Array(0) }),
    clientFrame({ opcode: 8, payload: new Uint8Array(0) }),
    clientFrame({ opcode: 8, payload: Uint8Array.of(0x0f, 0xa1, 0x61) }),
  ];
  assert.deepEqual(read(Uint8Array.from(bytes.flatMap((each) => [...each]))), [
    { type: "message", text: null },
    { type: "pong" },
    { type: "close", code: 1000 },
    { type: "close", code: 4001 },
  ]);
});

Deno.test("FrameReader takes a message up to the bound, in however many fragments, and not a byte more", () => {
  assert.equal(codeOf(text("x".repeat(1_000))), 0);
  assert.equal(codeOf(text("x".repeat(1_001))), 1009);
  const part = (count: number, isLast = false) => text("x".repeat(count), isLast, 0);
  assert.equal(codeOf(text("x".repeat(400), false), part(300), part(300, true)), 0);
  assert.equal(codeOf(text("x".repeat(400), false), part(300), part(301, true)), 1009);
  // Told from the head alone, before any of it has come.
  for (const length of [[0, 0, 0, 0, 0x40, 0, 0, 0], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]) {
    assert.equal(codeOf(Uint8Array.of(0x81, 0xff, ...length)), 1009);
  }
  // Empty fragments are nothing, however many.
  assert.equal(codeOf(text("", false), ...Array(5_000).fill(part(0)), part(1, true)), 0);
});

Deno.test("FrameReader tells what is against the protocol by its code", () => {
  const control = (opcode: number, length: number, isLast = true) =>
    clientFrame({ opcode, payload: new Uint8Array(length), isLast });
  const close = (...payload: number[]) => clientFrame({ opcode: 8, payload: Uint8Array.from(payload) });
  const cases: readonly [why: string, bytes: readonly Uint8Array[], code: number][] = [
    ["no mask", [serverFrame(1, encoder.encode("x"))], 1002],
    ["a reserved bit", [Uint8Array.of(0xc1, 0x80)], 1002],
    ["an unknown opcode", [control(3, 0)], 1002],
    ["an unknown control opcode", [control(11, 0)], 1002],
    ["a fragment of nothing", [text("x", true, 0)], 1002],
    ["a message within another", [text("x", false), text("y")], 1002],
    ["a ping in fragments", [control(9, 1, false)], 1002],
    ["a long ping", [control(9, 126)], 1002],
    ["a close of one byte", [close(3)], 1002],
    ["a close with a code that nobody sends", [close(0x03, 0xed)], 1002],
    ["a close with no code", [close(0, 0)], 1002],
    ["a reason that is not UTF-8", [close(0x03, 0xe8, 0xff)], 1007],
    ["a text that is not UTF-8", [clientFrame({ opcode: 1, payload: Uint8Array.of(0xff) })], 1007],
    ["half a character at the end", [clientFrame({ opcode: 1, payload: Uint8Array.of(0xc3) })], 1007],
  ];
  for (const [why, bytes, code] of cases) assert.equal(codeOf(...bytes), code, why);
});

Deno.test("FrameReader takes any bytes without another error", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    codeOf(bytes);
  }));
});

Deno.test("frames of the server have the head that their length needs", () => {
  assert.deepEqual([...textFrame("é").subarray(0, 4)], [0x81, 2, 0xc3, 0xa9]);
  assert.deepEqual([...textFrame("x".repeat(126)).subarray(0, 4)], [0x81, 126, 0, 126]);
  assert.deepEqual([...textFrame("x".repeat(65_536)).subarray(0, 10)], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
  assert.deepEqual([...closeFrame(1001, "bye")], [0x88, 5, 0x03, 0xe9, 0x62, 0x79, 0x65]);
  assert.equal(closeFrame(1008, "ä".repeat(100)).length, 2 + 2 + 122);
});
