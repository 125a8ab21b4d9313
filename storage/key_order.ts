/**
 * How Deno KV orders keys and how many bytes it counts for them: FoundationDB's tuple layer.
 *
 * Part by part: bytes < string < bigint < number < boolean (measured on Deno 2.9.6; its manual has bigint and number
 * the other way round). A key that is the beginning of another comes first. Pure.
 */
import type { KvKey, KvKeyPart } from "./storage.ts";

/** Negative, zero or positive, like the store orders `a` and `b`. */
export function compareKeys(a: KvKey, b: KvKey): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = compareParts(a[i] as KvKeyPart, b[i] as KvKeyPart);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function rank(part: KvKeyPart): number {
  if (part instanceof Uint8Array) return 0;
  switch (typeof part) {
    case "string":
      return 1;
    case "bigint":
      return 2;
    case "number":
      return 3;
    default:
      return 4;
  }
}

function compareParts(a: KvKeyPart, b: KvKeyPart): number {
  if (typeof a === "number" && typeof b === "number") return compareNumbers(a, b);
  if (typeof a === "string" && typeof b === "string") return compareStrings(a, b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** As IEEE 754 bit patterns: −0 before 0, NaN after infinity. */
function compareNumbers(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return a === 0 ? Number(Object.is(b, -0)) - Number(Object.is(a, -0)) : 0;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

/** As UTF-8, which differs from UTF-16 where surrogates meet U+E000 to U+FFFF. */
function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xIsSurrogate = x >= 0xd800 && x <= 0xdfff;
    const yIsSurrogate = y >= 0xd800 && y <= 0xdfff;
    if (xIsSurrogate !== yIsSurrogate) {
      if (xIsSurrogate && y > 0xdfff) return 1;
      if (yIsSurrogate && x > 0xdfff) return -1;
    }
    return x - y;
  }
  return a.length - b.length;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Bytes of the encoded key: a type byte per part, a terminator after bytes and strings, whose zeros are doubled. */
export function keyBytes(key: KvKey): number {
  let size = 0;
  for (const part of key) size += partBytes(part);
  return size;
}

function partBytes(part: KvKeyPart): number {
  if (typeof part === "number") return 9;
  if (typeof part === "string") return 2 + stringBytes(part);
  if (typeof part === "boolean") return 1;
  if (typeof part === "bigint") {
    const magnitude = part < 0n ? -part : part;
    // A type byte, and a length byte for the widest.
    return 2 + Math.ceil(magnitude.toString(16).length / 2);
  }
  let zeros = 0;
  for (let i = 0; i < part.length; i++) if (part[i] === 0) zeros++;
  return 2 + part.length + zeros;
}

function stringBytes(text: string): number {
  let size = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0) size += 2;
    else if (unit < 0x80) size += 1;
    else if (unit < 0x800) size += 2;
    else if (unit >= 0xd800 && unit <= 0xdbff) {
      // A surrogate pair takes four bytes, counted at its first half.
      size += 4;
      i++;
    } else size += 3;
  }
  return size;
}
