import assert from "node:assert/strict";
import fc from "fast-check";
import {
  ByteReader,
  ByteWriter,
  concat,
  DecodeError,
  EncodeError,
  REFERENCE_BYTES_MIN,
  ZERO_UUID,
} from "./bytes.ts";
import { unsignedVarintSize, varintSize, varlongSize, zigzagDecode32, zigzagEncode32 } from "./varint.ts";

const MAX = Number.MAX_SAFE_INTEGER;

function written(write: (writer: ByteWriter) => void): Uint8Array {
  // A tiny buffer, so that growing is part of every test.
  const writer = new ByteWriter(1);
  write(writer);
  return writer.toBytes();
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function reader(text: string): ByteReader {
  return new ByteReader(Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16)));
}

Deno.test("integers are big-endian two's complement", () => {
  assert.equal(hex(written((w) => w.int8(-2))), "fe");
  assert.equal(hex(written((w) => w.uint8(254))), "fe");
  assert.equal(hex(written((w) => w.int16(-2))), "fffe");
  assert.equal(hex(written((w) => w.uint16(0xfffe))), "fffe");
  assert.equal(hex(written((w) => w.int32(0x01020304))), "01020304");
  assert.equal(hex(written((w) => w.uint32(0xfffffffe))), "fffffffe");
  assert.equal(hex(written((w) => w.int64(-2))), "fffffffffffffffe");
  assert.equal(hex(written((w) => w.int64(0x100000002))), "0000000100000002");
  assert.equal(hex(written((w) => w.float64(1))), "3ff0000000000000");
  assert.equal(hex(written((w) => w.bool(true))), "01");
});

Deno.test("int64 is exact within ±(2^53−1) and clamped beyond", () => {
  fc.assert(fc.property(fc.maxSafeInteger(), (value) => {
    assert.equal(new ByteReader(written((w) => w.int64(value))).int64(), value);
    const view = new DataView(new ArrayBuffer(8));
    view.setBigInt64(0, BigInt(value));
    assert.deepEqual(written((w) => w.int64(value)), new Uint8Array(view.buffer));
  }));
  assert.equal(reader("7fffffffffffffff").int64(), MAX);
  assert.equal(reader("8000000000000000").int64(), -MAX);
  assert.equal(reader("0020000000000000").int64(), MAX);
  assert.equal(reader("ffe0000000000000").int64(), -MAX);
  assert.equal(reader("ffe0000000000001").int64(), -MAX);
  assert.equal(hex(written((w) => w.int64(Infinity))), "001fffffffffffff");
  assert.equal(hex(written((w) => w.int64(-Infinity))), "ffe0000000000001");
});

Deno.test("numbers that do not fit their type are an EncodeError", () => {
  const bad: ((w: ByteWriter) => void)[] = [
    (w) => w.int8(128),
    (w) => w.uint8(-1),
    (w) => w.int16(-32769),
    (w) => w.uint16(65536),
    (w) => w.int32(2 ** 31),
    (w) => w.int32(0.5),
    (w) => w.int32(NaN),
    (w) => w.uint32(-1),
    (w) => w.int64(NaN),
    (w) => w.int64(0.5),
    (w) => w.unsignedVarint(-1),
    (w) => w.unsignedVarint(2 ** 32),
    (w) => w.varint(2 ** 31),
    (w) => w.varlong(2 ** 53),
    (w) => w.uuid("00000000-0000-0000-0000-00000000000g"),
    (w) => w.uuid("00000000_0000-0000-0000-000000000000"),
    (w) => w.uuid(""),
  ];
  for (const write of bad) assert.throws(() => written(write), EncodeError, String(write));
});

Deno.test("varints: known bytes", () => {
  const known: [number, string][] = [[0, "00"], [1, "01"], [127, "7f"], [128, "8001"], [300, "ac02"], [
    16383,
    "ff7f",
  ], [
    2 ** 32 - 1,
    "ffffffff0f",
  ]];
  for (const [value, bytes] of known) {
    assert.equal(hex(written((w) => w.unsignedVarint(value))), bytes);
    assert.equal(reader(bytes).unsignedVarint(), value);
  }
  assert.equal(hex(written((w) => w.varint(-1))), "01");
  assert.equal(hex(written((w) => w.varint(1))), "02");
  assert.equal(hex(written((w) => w.varlong(-(2 ** 53 - 1)))), "fdffffffffffff1f");
});

Deno.test("varints: what is written is read, and the sizes are foretold", () => {
  fc.assert(fc.property(fc.integer(), (value) => {
    const bytes = written((w) => w.varint(value));
    assert.equal(new ByteReader(bytes).varint(), value);
    assert.equal(bytes.length, varintSize(value));
    assert.equal(zigzagDecode32(zigzagEncode32(value)), value);
    // A varlong of the same number has the same bytes.
    assert.deepEqual(written((w) => w.varlong(value)), bytes);
  }));
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (value) => {
    const bytes = written((w) => w.unsignedVarint(value));
    assert.equal(new ByteReader(bytes).unsignedVarint(), value);
    assert.equal(bytes.length, unsignedVarintSize(value));
  }));
  fc.assert(fc.property(fc.maxSafeInteger(), (value) => {
    const bytes = written((w) => w.varlong(value));
    assert.equal(new ByteReader(bytes).varlong(), value);
    assert.equal(bytes.length, varlongSize(value));
  }));
});

Deno.test("varints that end early, run too long or overflow are a DecodeError", () => {
  assert.throws(() => reader("80").unsignedVarint(), /bytes end inside/);
  assert.throws(() => reader("ffffffff10").unsignedVarint(), /longer than 32 bits/);
  assert.throws(() => reader("808080808001").unsignedVarint(), /longer than 32 bits/);
  assert.throws(() => reader("808080808000").varint(), /longer than 32 bits/);
  assert.throws(() => reader("80").varlong(), /bytes end inside/);
  assert.throws(() => reader("8080808080808080808001").varlong(), /longer than 64 bits/);
  assert.equal(reader("feffffffffffffffff01").varlong(), MAX);
  assert.equal(reader("ffffffffffffffffff01").varlong(), -MAX);
});

Deno.test("strings: what is written is read, in all four forms", () => {
  const strings = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 200 }),
    fc.string({ unit: "binary-ascii", maxLength: 200 }),
  );
  fc.assert(fc.property(strings, (text) => {
    const bytes = written((w) => {
      w.string(text);
      w.nullableString(text);
      w.compactString(text);
      w.compactNullableString(text);
    });
    const r = new ByteReader(bytes);
    assert.deepEqual([r.string(), r.nullableString(), r.compactString(), r.compactNullableString()], [
      text,
      text,
      text,
      text,
    ]);
    r.end();
    const size = new TextEncoder().encode(text).length;
    assert.equal(new ByteReader(bytes).int16(), size);
  }));
  assert.equal(hex(written((w) => w.nullableString(null))), "ffff");
  assert.equal(hex(written((w) => w.compactNullableString(null))), "00");
  assert.throws(() => reader("fffe").nullableString(), /String length is -2/);
  assert.throws(() => reader("fffffffe").nullableBytes(), /Bytes length is -2/);
  assert.equal(hex(written((w) => w.compactString("é"))), "03c3a9");
  assert.equal(reader("0003efbbbf").string(), "\ufeff", "a byte order mark is kept");
  assert.equal(reader("0001ff").string(), "\ufffd", "malformed UTF-8 is replaced");
});

Deno.test("uuids are lower-case hex text", () => {
  fc.assert(fc.property(fc.uuid(), (uuid) => {
    assert.equal(new ByteReader(written((w) => w.uuid(uuid.toUpperCase()))).uuid(), uuid);
  }));
  assert.deepEqual(written((w) => w.uuid(ZERO_UUID)), new Uint8Array(16));
});

Deno.test("ByteReader throws DecodeError with the position when the bytes run out, and does not move", () => {
  const r = reader("00010203");
  r.int8();
  for (
    const read of [
      () => r.int32(),
      () => r.int64(),
      () => r.uuid(),
      () => r.bytes(4),
      () => r.bytes(-1),
      () => r.bytes(NaN),
    ]
  ) {
    assert.throws(read, (error: unknown) => error instanceof DecodeError && error.position === 1);
  }
  assert.equal(r.remaining, 3);
  assert.throws(() => r.end(), /3 bytes are left over/);
});

Deno.test("ByteReader reads a part of a larger buffer and gives views of it", () => {
  const bytes = Uint8Array.from([9, 9, 0, 0, 0, 5, 7, 8, 9]);
  const r = new ByteReader(bytes.subarray(2, 8));
  assert.equal(r.int32(), 5);
  const view = r.bytes(2);
  assert.deepEqual(view, Uint8Array.from([7, 8]));
  assert.equal(view.buffer, bytes.buffer);
  r.end();
});

Deno.test("ByteWriter keeps big byte fields by reference, at their place", () => {
  const big = new Uint8Array(REFERENCE_BYTES_MIN).fill(7);
  const small = new Uint8Array(REFERENCE_BYTES_MIN - 1).fill(8);
  const writer = new ByteWriter(8);
  const sizeAt = writer.reserveInt32();
  writer.sizedBytes(big);
  writer.sizedBytes(small);
  writer.nullableRecords([big, small, big]);
  const expected = 4 + 4 + big.length + 4 + small.length + 4 + 2 * big.length + small.length;
  assert.equal(writer.size, expected);
  writer.patchInt32(sizeAt, writer.size - 4);
  const parts = writer.finish();
  assert.equal(parts.filter((part) => part === big).length, 3);
  assert.equal(parts.length, 6);
  const r = new ByteReader(concat(parts));
  assert.equal(r.int32(), expected - 4);
  assert.deepEqual(r.sizedBytes(), big);
  assert.deepEqual(r.nullableBytes(), small);
  assert.deepEqual(r.nullableBytes(), concat([big, small, big]));
  r.end();
});

Deno.test("ByteWriter is empty after finish, and what it gave away does not change", () => {
  const writer = new ByteWriter();
  writer.bytes(new Uint8Array(REFERENCE_BYTES_MIN));
  writer.finish();
  writer.int32(1);
  assert.equal(writer.size, 4);
  const first = writer.finish();
  assert.equal(writer.size, 0);
  assert.deepEqual(writer.finish(), []);
  writer.int32(2);
  assert.deepEqual(concat(first), Uint8Array.from([0, 0, 0, 1]));
  assert.deepEqual(writer.toBytes(), Uint8Array.from([0, 0, 0, 2]));
});
