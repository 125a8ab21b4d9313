/** Small damage to valid frames: bits flipped, bytes inserted, removed, doubled, counts made extreme. Pure. */

import type { Rng } from "../../sim/rng.ts";

/** Lengths, counts and ids that decoders get wrong. */
const INT32_EXTREMES = [-1, -2, 0, 1, 0x7fff_ffff, -0x8000_0000, 0x00ff_ffff, 100_000];
const BYTE_EXTREMES = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
const RUN_BYTES_MAX = 16;

/** API key, version and correlation id: damage there ends most requests before they are read. */
const HEADER_BYTES = 8;

/** `frame` without its size, damaged in one to four places, mostly behind the header; an empty frame only grows. */
export function mutate(rng: Rng, frame: Uint8Array): Uint8Array {
  const first = rng.chance(0.9) ? Math.min(HEADER_BYTES, frame.length) : 0;
  let bytes = frame;
  for (let i = rng.chance(0.6) ? 1 : 1 + rng.int(4); i > 0; i--) bytes = mutateOnce(rng, bytes, first);
  return bytes;
}

function mutateOnce(rng: Rng, bytes: Uint8Array, first: number): Uint8Array {
  const at = Math.min(bytes.length, first + rng.int(Math.max(1, bytes.length + 1 - first)));
  const run = 1 + rng.int(RUN_BYTES_MAX);
  switch (rng.int(6)) {
    case 0:
      return changed(bytes, at, (byte) => byte ^ (1 << rng.int(8)));
    case 1:
      return changed(bytes, at, () => rng.pick(BYTE_EXTREMES));
    case 2:
      return spliced(bytes, at, 0, Uint8Array.from({ length: run }, () => rng.int(256)));
    case 3:
      return spliced(bytes, at, run, new Uint8Array());
    case 4:
      return spliced(bytes, at, 0, bytes.subarray(at, at + run));
    default: {
      const extreme = new Uint8Array(4);
      new DataView(extreme.buffer).setInt32(0, rng.pick(INT32_EXTREMES));
      return spliced(bytes, at, 4, extreme);
    }
  }
}

function changed(bytes: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  const copy = bytes.slice();
  const byte = copy[at];
  if (byte !== undefined) copy[at] = change(byte);
  return copy;
}

function spliced(bytes: Uint8Array, at: number, removed: number, inserted: Uint8Array): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + removed));
  const result = new Uint8Array(at + inserted.length + rest.length);
  result.set(bytes.subarray(0, at));
  result.set(inserted, at);
  result.set(rest, at + inserted.length);
  return result;
}

/** The bytes on the wire: mostly with the size that is true, now and then with another. */
export function sized(rng: Rng, frame: Uint8Array): Uint8Array {
  const wire = new Uint8Array(4 + frame.length);
  wire.set(frame, 4);
  const lie = rng.chance(0.05) ? rng.pick([-1, 1, -frame.length, 7, 1_000_000]) : 0;
  new DataView(wire.buffer).setInt32(0, frame.length + lie);
  return wire;
}
