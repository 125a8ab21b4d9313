/**
 * For tests: random values of a message in a version, derived from its table, with what decoding them must yield.
 */
import fc from "fast-check";
import { concat } from "../../lib/bytes.ts";
import type { Message } from "./message.ts";
import { defaultValue, type PlanStruct, planStruct, type PlanType, type Slot } from "./plan.ts";
import { contains } from "./version_range.ts";

export interface Sample {
  /** For the encoder; optional fields may be missing. */
  readonly input: Record<string, unknown>;
  /** What the decoder must give back. */
  readonly decoded: Record<string, unknown>;
}

type Pair = { readonly input: unknown; readonly decoded: unknown };

/** Samples of one message in one version. */
export function sampleArbitrary(message: Message, version: number): fc.Arbitrary<Sample> {
  const plan = planStruct(message.struct, version, contains(message.flexibleVersions, version));
  return structArbitrary(plan) as fc.Arbitrary<Sample>;
}

function structArbitrary(plan: PlanStruct): fc.Arbitrary<Pair> {
  const present = [...plan.untagged, ...plan.tagged];
  const members = Object.fromEntries(present.map((slot) => [slot.name, slotArbitrary(slot)]));
  return fc.record(members).map((pairs) => {
    const input: Record<string, unknown> = {};
    const decoded: Record<string, unknown> = {};
    for (const slot of plan.slots) {
      const pair = pairs[slot.name];
      if (pair === undefined || pair.input === undefined) {
        decoded[slot.name] = defaultValue(slot);
      } else {
        input[slot.name] = pair.input;
        decoded[slot.name] = pair.decoded;
      }
    }
    return { input, decoded };
  });
}

function slotArbitrary(slot: Slot): fc.Arbitrary<Pair> {
  const given = typeArbitrary(slot.type);
  const choices = [{ weight: 6, arbitrary: given }];
  if (slot.nullable) choices.push({ weight: 1, arbitrary: fc.constant({ input: null, decoded: null }) });
  // Left out; not where the default is a null that this version cannot carry.
  if (slot.optional && (slot.default !== null || slot.nullable)) {
    choices.push({ weight: 2, arbitrary: fc.constant({ input: undefined, decoded: undefined }) });
  }
  return fc.oneof(...choices);
}

function typeArbitrary(type: PlanType): fc.Arbitrary<Pair> {
  switch (type.kind) {
    case "struct":
      return structArbitrary(type.struct);
    case "array":
      return fc.array(typeArbitrary(type.element), { maxLength: 3 }).map((pairs) => ({
        input: pairs.map((pair) => pair.input),
        decoded: pairs.map((pair) => pair.decoded),
      }));
    case "primitive":
      return primitiveArbitrary(type.name);
  }
}

function primitiveArbitrary(name: (PlanType & { kind: "primitive" })["name"]): fc.Arbitrary<Pair> {
  switch (name) {
    case "bool":
      return same(fc.boolean());
    case "int8":
      return same(fc.integer({ min: -0x80, max: 0x7f }));
    case "int16":
      return same(fc.integer({ min: -0x8000, max: 0x7fff }));
    case "uint16":
      return same(fc.integer({ min: 0, max: 0xffff }));
    case "int32":
      return same(fc.integer());
    case "uint32":
      return same(fc.integer({ min: 0, max: 0xffffffff }));
    case "int64":
      return same(fc.maxSafeInteger());
    case "float64":
      return same(fc.double());
    case "uuid":
      return same(fc.oneof(fc.uuid(), fc.constant("00000000-0000-0000-0000-000000000000")));
    case "string":
      return same(fc.oneof(
        fc.string({ unit: "grapheme", maxLength: 12 }),
        fc.string({ unit: "binary-ascii", maxLength: 90 }),
      ));
    case "bytes":
      return same(fc.uint8Array({ maxLength: 40 }));
    case "records":
      return fc.oneof(
        same(
          fc.oneof(
            fc.uint8Array({ maxLength: 40 }),
            fc.nat(2000).map((n) => new Uint8Array(3500 + n).fill(n)),
          ),
        ),
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 3 })
          .map((parts) => ({ input: parts, decoded: new Uint8Array(concat(parts)) })),
      );
  }
}

function same<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<Pair> {
  return arbitrary.map((value) => ({ input: value, decoded: value }));
}
