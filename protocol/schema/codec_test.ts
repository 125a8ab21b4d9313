/** Both codecs, closures and compiled functions, over every API, version and direction. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteReader, ByteWriter, DecodeError } from "../../lib/bytes.ts";
import { InvariantError } from "../../lib/invariant.ts";
import { apis } from "../messages/all.ts";
import { consumerProtocolAssignment, consumerProtocolSubscription } from "../messages/consumer_protocol.ts";
import { sampleArbitrary } from "./arbitrary.ts";
import { closureCodec } from "./closures.ts";
import { compileCodec } from "./compile.ts";
import {
  array,
  bool,
  float64,
  int16,
  int32,
  int64,
  int8,
  nested,
  string,
  struct,
  uint16,
  uint32,
  uuid,
} from "./fields.ts";
import { type Codec, makeCodec, type Message, message } from "./message.ts";
import { planStruct } from "./plan.ts";
import { contains } from "./version_range.ts";

/** Has what is rare or missing in our tables: nullable structs, unsigned integers, floats, tags of every kind. */
const everything = message({
  name: "Everything",
  versions: "0-3",
  flexible: "2+",
  struct: struct({
    small: uint16("0+"),
    wide: uint32("1+"),
    real: float64("0+"),
    maybe: nested("0+", struct({ id: int32("0+"), name: string("1+", { nullable: "2+" }) }), {
      nullable: "1+",
    }),
    flag: bool("2+", { tag: 5, default: true }),
    id: uuid("2+", { tag: 3 }),
    list: array("2+", "int16", { tag: 300, nullable: "3+" }),
    inner: nested(
      "2+",
      struct({ deep: nested("0+", struct({ x: int8("0+", { default: 7 }) }), { tag: 0 }) }),
      {
        tag: 0,
      },
    ),
  }),
});

const messages: Message[] = [
  ...apis.flatMap((api) => [api.request, api.response]),
  consumerProtocolSubscription,
  consumerProtocolAssignment,
  everything,
] as Message[];

function* versionsOf(message: Message): Generator<{ version: number; closures: Codec; compiled: Codec }> {
  for (let version = message.versions.min; version <= message.versions.max; version++) {
    const plan = planStruct(message.struct, version, contains(message.flexibleVersions, version));
    const compiled = compileCodec(plan);
    assert(compiled !== null, "code generation must be allowed in tests");
    yield { version, closures: closureCodec(plan), compiled };
  }
}

function encode(codec: Codec, value: unknown): Uint8Array {
  const writer = new ByteWriter();
  codec.encode(writer, value);
  return writer.toBytes();
}

/** The decoded value, or what kept it from being decoded. */
function decode(codec: Codec, bytes: Uint8Array): unknown {
  const reader = new ByteReader(bytes);
  try {
    const value = codec.decode(reader);
    reader.end();
    return value;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { failed: error.message };
  }
}

for (const message of messages) {
  Deno.test(`${message.name}: both codecs write the same bytes and read the value back, in every version`, () => {
    for (const { version, closures, compiled } of versionsOf(message)) {
      fc.assert(
        fc.property(sampleArbitrary(message, version), ({ input, decoded }) => {
          const bytes = encode(closures, input);
          assert.deepEqual(encode(compiled, input), bytes);
          const read = decode(compiled, bytes);
          assert.deepEqual(read, decoded);
          assert.deepEqual(decode(closures, bytes), decoded);
          assert.deepEqual(Object.keys(read as object), Object.keys(message.struct.fields));
          // What was decoded can be encoded again, to the same bytes.
          assert.deepEqual(encode(compiled, decoded), bytes);
        }),
        { numRuns: 25 },
      );
    }
  });

  Deno.test(`${message.name}: both codecs judge damaged bytes alike`, () => {
    for (const { version, closures, compiled } of versionsOf(message)) {
      const damage = fc.record({
        sample: sampleArbitrary(message, version),
        changes: fc.array(
          fc.record({ at: fc.nat(), to: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)) }),
          {
            maxLength: 3,
          },
        ),
        cut: fc.oneof(fc.constant(0), fc.nat(20)),
      });
      fc.assert(
        fc.property(damage, ({ sample, changes, cut }) => {
          const bytes = new Uint8Array(encode(closures, sample.input));
          for (const { at, to } of changes) if (bytes.length > 0) bytes[at % bytes.length] = to;
          const short = bytes.subarray(0, Math.max(0, bytes.length - cut));
          assert.deepEqual(decode(compiled, short), decode(closures, short));
        }),
        { numRuns: 40 },
      );
    }
  });

  Deno.test(`${message.name}: bytes cut short or with more behind are not decoded`, () => {
    for (const { version, compiled } of versionsOf(message)) {
      const [sample] = fc.sample(sampleArbitrary(message, version), { numRuns: 1, seed: 7 });
      const bytes = encode(compiled, sample?.input);
      const longer = new Uint8Array(bytes.length + 1);
      longer.set(bytes);
      assert.match(JSON.stringify(decode(compiled, longer)), /1 bytes are left over/);
      for (let size = 0; size < Math.min(bytes.length, 200); size++) {
        assert.match(JSON.stringify(decode(compiled, bytes.subarray(0, size))), /"failed"/);
      }
    }
  });
}

const shapes = message({
  name: "Shapes",
  versions: "0-1",
  flexible: "1+",
  struct: struct({
    name: string("0+"),
    items: array("0+", struct({ id: int64("0+") })),
    code: int16("1+", { tag: 1, default: -1 }),
  }),
});

function bothDecode(version: number, bytes: number[]): unknown {
  const [codecs] = [...versionsOf(shapes as Message)].filter((each) => each.version === version);
  assert(codecs);
  const value = decode(codecs.compiled, Uint8Array.from(bytes));
  assert.deepEqual(decode(codecs.closures, Uint8Array.from(bytes)), value);
  return value;
}

function assertFails(version: number, bytes: number[], reason: RegExp): void {
  assert.match(String((bothDecode(version, bytes) as { failed?: string }).failed), reason);
}

Deno.test("null where the table does not allow it is a DecodeError", () => {
  assertFails(0, [0xff, 0xff, 0, 0, 0, 0], /null is not allowed/);
  assertFails(0, [0, 0, 0xff, 0xff, 0xff, 0xff], /Array is null, which is not allowed here: items/);
  assertFails(1, [0, 1, 0], /String is null/);
  assertFails(1, [1, 0, 0], /Array is null/);
});

Deno.test("negative lengths are a DecodeError", () => {
  assertFails(0, [0xff, 0xfe, 0, 0, 0, 0], /String length is -2/);
  assertFails(0, [0, 0, 0xff, 0xff, 0xff, 0xfe], /Array length is -2/);
});

Deno.test("lengths beyond the bytes that are left are a DecodeError before anything is allocated", () => {
  assertFails(0, [0x7f, 0xff, 0, 0, 0, 0], /Cannot read 32767 bytes/);
  assertFails(0, [0, 0, 0x7f, 0xff, 0xff, 0xff], /Array of 2147483647 elements cannot fit: 0 bytes left/);
  // Two elements of 8 bytes do not fit in 15.
  assertFails(0, [0, 0, 0, 0, 0, 2, ...new Array(15).fill(0)], /Array of 2 elements cannot fit/);
  assertFails(1, [1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0], /cannot fit/);
  assertFails(1, [1, 0xff, 0xff, 0xff, 0xff, 0x7f, 0], /longer than 32 bits/);
  assertFails(1, [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], /longer than 32 bits/);
});

Deno.test("unknown tagged fields are skipped, known ones read", () => {
  const value = { name: "", items: [], code: 258 };
  assert.deepEqual(bothDecode(1, [1, 1, 3, 0, 2, 9, 9, 1, 2, 1, 2, 0x80, 0x01, 1, 9]), value);
  assert.deepEqual(bothDecode(1, [1, 1, 0]), { ...value, code: -1 });
});

Deno.test("tags that repeat or fall, and tagged fields of a wrong size, are a DecodeError", () => {
  assertFails(1, [1, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2], /Tag 1 comes after tag 1/);
  assertFails(1, [1, 1, 2, 5, 0, 5, 0], /Tag 5 comes after tag 5/);
  assertFails(1, [1, 1, 2, 5, 0, 1, 2, 1, 2], /Tag 1 comes after tag 5/);
  assertFails(1, [1, 1, 1, 1, 3, 1, 2, 0], /Tagged field 1 does not end/);
  assertFails(1, [1, 1, 1, 1, 1, 1, 2], /Tagged field 1 does not end/);
  assertFails(1, [1, 1, 1, 7, 9, 1, 2], /Cannot read 9 bytes/);
});

Deno.test("a tagged struct that holds only defaults is not written", () => {
  const [codecs] = [...versionsOf(everything as Message)].filter((each) => each.version === 2);
  assert(codecs);
  const value = { small: 1, wide: 2, real: 0, maybe: null };
  const plain = encode(codecs.closures, value);
  for (const inner of [{}, { deep: {} }, { deep: { x: 7 } }, { deep: { x: undefined } }]) {
    for (const codec of [codecs.closures, codecs.compiled]) {
      assert.deepEqual(encode(codec, { ...value, inner, list: [], flag: true }), plain);
      assert(encode(codec, { ...value, inner: { deep: { x: 8 } } }).length > plain.length);
    }
  }
});

Deno.test("where code generation is forbidden the closures serve", () => {
  const original = globalThis.Function;
  function forbidden() {
    throw new EvalError("Code generation from strings disallowed for this context");
  }
  const plan = planStruct(shapes.struct, 1, true);
  try {
    Object.assign(globalThis, { Function: forbidden });
    assert.equal(compileCodec(plan), null);
    const codec = makeCodec(shapes as Message, 1);
    const value = { name: "a", items: [{ id: 5 }], code: 3 };
    assert.deepEqual(decode(codec, encode(codec, value)), value);
  } finally {
    Object.assign(globalThis, { Function: original });
  }
});

Deno.test("a version outside the table is a broken invariant", () => {
  for (const version of [-1, 2, 0.5, NaN]) {
    assert.throws(() => shapes.decode(new ByteReader(new Uint8Array(9)), version), InvariantError);
  }
});

Deno.test("what the table cannot hold is an EncodeError, alike in both codecs", () => {
  const bad: [unknown, RegExp][] = [
    [null, /as struct/],
    [{ items: [] }, /Cannot write undefined as string/],
    [{ name: null, items: [] }, /Cannot write null as string/],
    [{ name: "a" }, /Cannot write undefined as array: items/],
    [{ name: "a", items: null }, /Cannot write null as array: items/],
    [{ name: "a", items: [null] }, /as struct/],
    [{ name: "a", items: [{ id: 1.5 }] }, /Cannot write 1.5 as int64/],
    [{ name: "a", items: [{}] }, /Cannot write undefined as int64/],
  ];
  for (const { closures, compiled, version } of versionsOf(shapes as Message)) {
    for (const [value, reason] of bad) {
      for (const codec of [closures, compiled]) assert.throws(() => encode(codec, value), reason);
    }
    if (version === 0) continue;
    for (const codec of [closures, compiled]) {
      assert.throws(() => encode(codec, { name: "", items: [], code: 40000 }), /Cannot write 40000 as int16/);
    }
  }
  const long = { name: "x".repeat(40000), items: [] };
  for (const { closures, compiled, version } of versionsOf(shapes as Message)) {
    for (const codec of [closures, compiled]) {
      if (version === 0) assert.throws(() => encode(codec, long), /longer than 32767/);
      else assert.deepEqual(decode(codec, encode(codec, long)), { ...long, code: -1 });
    }
  }
});
