/**
 * Folds a long message into a short one with the same CRC-32C, sixteen bytes a step with nothing but XOR, in WebAssembly SIMD.
 *
 * With y = x^128, the Castagnoli polynomial divides y^209 + y^144 + y^54 + y^39 + y^14 + 1: it divides that sum of powers of x,
 * found by search, and so its 128th power, which over GF(2) is the same sum with y for x. So a block of 16 bytes with 209 blocks
 * or more behind it may be taken away when it is added to those 65, 155, 170, 195 and 209 blocks further on, and what remains
 * of any message are its last 209 blocks. None of six terms is shorter: up to 5,243 bits the polynomial has distance six, up
 * to 209 distance eight (Koopman, "32-bit cyclic redundancy codes for internet applications").
 * Measured on Deno 2.9.6 against the tables alone: 13.1 instead of 2.4 GB/s for 128 KB, 6.0 instead of 2.4 for 16 KB.
 * The idea, for another polynomial and with scalar words: Chorba (Russell, "Chorba: a novel CRC32 implementation").
 */

import { ByteWriter } from "./byte_writer.ts";

export const BLOCK_BYTES = 16;
/** What remains of a message. */
const WINDOW_BYTES = 209 * BLOCK_BYTES;
const OFFSETS_BYTES = [65, 155, 170, 195, 209].map((blocks) => blocks * BLOCK_BYTES);

/** A message is folded in slices of so many bytes, which stay in the processor's caches; the last window is in front of each. */
const SLICE_BYTES = 32 * 1_024;
const PAGE_BYTES = 64 * 1_024;

interface Kernel {
  /** Its whole memory: a window, and a slice behind it. */
  readonly room: Uint8Array;
  /** Adds to each block in [`at` + a window, `end` + a window) those that fold into it, in order. */
  fold(at: number, end: number): void;
  /** Adds the blocks from `from` on to those in [`to`, `end`). */
  add(to: number, from: number, end: number): void;
}

let kernel: Kernel | undefined;

/**
 * A window of bytes whose CRC register, begun with 0, ends as that of `bytes[start, end)` begun with `register`: a view that
 * the next call overwrites. The range must be whole blocks, more than a window.
 */
export function foldBlocks(bytes: Uint8Array, start: number, end: number, register: number): Uint8Array {
  const { room, fold, add } = kernel ??= makeKernel();
  const restAt = end - WINDOW_BYTES;
  room.fill(0, 0, WINDOW_BYTES);
  for (let at = start; at < restAt;) {
    const count = Math.min(SLICE_BYTES, restAt - at);
    room.set(bytes.subarray(at, at + count), WINDOW_BYTES);
    if (at === start) addRegister(room, register);
    fold(0, count);
    room.copyWithin(0, count, count + WINDOW_BYTES);
    at += count;
  }
  room.set(bytes.subarray(restAt, end), WINDOW_BYTES);
  for (const offset of OFFSETS_BYTES) add(WINDOW_BYTES, WINDOW_BYTES - offset, WINDOW_BYTES + offset);
  return room.subarray(WINDOW_BYTES, 2 * WINDOW_BYTES);
}

function addRegister(room: Uint8Array, register: number): void {
  for (let i = 0; i < 4; i++) room[WINDOW_BYTES + i]! ^= register >>> (8 * i);
}

const I32 = 0x7f;
const LOOP = [0x03, 0x40];
const END = 0x0b;
const BRANCH_IF = [0x0d, 0];
const LESS = 0x49;
const ADD_BLOCK = [0x41, BLOCK_BYTES, 0x6a];
const XOR = [0xfd, 0x51];
const get = (local: number) => [0x20, local];
const set = (local: number) => [0x21, local];
const tee = (local: number) => [0x22, local];
const load = (offset: number) => [0xfd, 0x00, 4, ...unsigned(offset)];
const store = (offset: number) => [0xfd, 0x0b, 4, ...unsigned(offset)];

/** The WebAssembly module, written out: two loops of a few instructions each. */
function makeKernel(): Kernel {
  const fold = [
    ...LOOP,
    ...[get(0), get(0), load(WINDOW_BYTES)].flat(),
    ...OFFSETS_BYTES.flatMap((offset) => [get(0), load(WINDOW_BYTES - offset), XOR].flat()),
    ...store(WINDOW_BYTES),
    ...[get(0), ADD_BLOCK, tee(0), get(1)].flat(),
    LESS,
    ...BRANCH_IF,
    END,
  ];
  const add = [
    ...LOOP,
    ...[get(0), get(0), load(0), get(1), load(0), XOR, store(0)].flat(),
    ...[get(1), ADD_BLOCK, set(1)].flat(),
    ...[get(0), ADD_BLOCK, tee(0), get(2)].flat(),
    LESS,
    ...BRANCH_IF,
    END,
  ];
  const pages = Math.ceil((SLICE_BYTES + WINDOW_BYTES) / PAGE_BYTES);
  const [types, functions, memories, exports, codes] = [1, 3, 5, 7, 10];
  const module = Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(types, [[0x60, 2, I32, I32, 0], [0x60, 3, I32, I32, I32, 0]]),
    ...section(functions, [[0], [1]]),
    ...section(memories, [[1, pages, pages]]),
    ...section(exports, [named("memory", [2, 0]), named("fold", [0, 0]), named("add", [0, 1])]),
    ...section(codes, [sized([0, ...fold, END]), sized([0, ...add, END])]),
  ]);
  const { exports: made } = new WebAssembly.Instance(new WebAssembly.Module(module));
  const { memory, ...loops } = made as unknown as
    & Omit<Kernel, "room">
    & { readonly memory: WebAssembly.Memory };
  return { ...loops, room: new Uint8Array(memory.buffer) };
}

function section(id: number, entries: readonly (readonly number[])[]): number[] {
  return [id, ...sized([...unsigned(entries.length), ...entries.flat()])];
}

function named(name: string, what: readonly number[]): number[] {
  return [...sized([...new TextEncoder().encode(name)]), ...what];
}

function sized(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

/** What WebAssembly calls LEB128. */
function unsigned(value: number): number[] {
  const writer = new ByteWriter();
  writer.unsignedVarint(value);
  return [...writer.toBytes()];
}
