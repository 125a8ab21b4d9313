/** xxHash32, the checksum inside LZ4 frames. Source: the xxHash specification, "XXH32 algorithm". */

import { runAtOnce, type Steps } from "../../lib/steps.ts";

const PRIME_1 = 0x9e3779b1 | 0;
const PRIME_2 = 0x85ebca77 | 0;
const PRIME_3 = 0xc2b2ae3d | 0;
const PRIME_4 = 0x27d4eb2f | 0;
const PRIME_5 = 0x165667b1 | 0;

/** Hashed between two places to rest; whole stripes. */
const STEP_BYTES = 1024 * 1024;
const STRIPE_BYTES = 16;

/** The hash of `bytes[start, end)` with seed 0, as an unsigned 32-bit number. */
export function xxhash32(bytes: Uint8Array, start = 0, end = bytes.length): number {
  return runAtOnce(xxhash32Steps(bytes, start, end));
}

/** The same, with places to rest. */
export function* xxhash32Steps(bytes: Uint8Array, start = 0, end = bytes.length): Steps<number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = start;
  let hash: number;
  if (end - start >= STRIPE_BYTES) {
    const lanes = new Int32Array([PRIME_1 + PRIME_2, PRIME_2, 0, -PRIME_1]);
    const stripesEnd = end - ((end - start) % STRIPE_BYTES);
    for (;;) {
      const stop = Math.min(position + STEP_BYTES, stripesEnd);
      absorb(lanes, view, position, stop);
      position = stop;
      if (position === stripesEnd) break;
      yield;
    }
    hash = (rotate(lanes[0]!, 1) + rotate(lanes[1]!, 7) + rotate(lanes[2]!, 12) + rotate(lanes[3]!, 18)) | 0;
  } else {
    hash = PRIME_5;
  }
  hash = (hash + (end - start)) | 0;
  return finish(hash, bytes, view, position, end);
}

/** Takes whole stripes in. */
function absorb(lanes: Int32Array, view: DataView, start: number, end: number): void {
  let a = lanes[0]!;
  let b = lanes[1]!;
  let c = lanes[2]!;
  let d = lanes[3]!;
  for (let position = start; position < end; position += STRIPE_BYTES) {
    a = round(a, view.getInt32(position, true));
    b = round(b, view.getInt32(position + 4, true));
    c = round(c, view.getInt32(position + 8, true));
    d = round(d, view.getInt32(position + 12, true));
  }
  lanes.set([a, b, c, d]);
}

function finish(begun: number, bytes: Uint8Array, view: DataView, start: number, end: number): number {
  let hash = begun;
  let position = start;
  for (; position + 4 <= end; position += 4) {
    hash = (hash + Math.imul(view.getInt32(position, true), PRIME_3)) | 0;
    hash = Math.imul(rotate(hash, 17), PRIME_4);
  }
  for (; position < end; position++) {
    hash = (hash + Math.imul(bytes[position]!, PRIME_5)) | 0;
    hash = Math.imul(rotate(hash, 11), PRIME_1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
