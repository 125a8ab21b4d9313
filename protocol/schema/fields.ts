/**
 * The words of which the protocol tables are made, and the TypeScript types that follow from a table.
 *
 * A struct lists its fields in wire order. Each field says in which versions it is on the wire: `"0+"` means in every
 * version (in which the enclosing struct is), so that the field must be given when encoding. Fields with other ranges,
 * with a default or with a tag may be left out; decoding always yields every field, with its default where the version
 * lacks it.
 *
 * Source: the message schemas of Kafka (its `clients/src/main/resources/common/message/README.md`), KIP-482 for
 * tagged fields and flexible versions. Pure.
 */
import { invariant } from "../../lib/invariant.ts";
import { NO_VERSIONS, type VersionRange, versionRange } from "./version_range.ts";

/** What decoding yields for each primitive type. */
export interface PrimitiveValues {
  bool: boolean;
  int8: number;
  int16: number;
  uint16: number;
  int32: number;
  uint32: number;
  /** Exact within ±(2^53−1), clamped beyond. */
  int64: number;
  float64: number;
  string: string;
  /** 36 characters of lower-case hex text. */
  uuid: string;
  bytes: Uint8Array;
  /** Record batches, undecoded. */
  records: Uint8Array;
}

export type PrimitiveName = keyof PrimitiveValues;

/** What encoding takes: as decoded, and records also as parts that follow one another. */
type PrimitiveInput<P extends PrimitiveName> = P extends "records" ? Uint8Array | readonly Uint8Array[]
  : PrimitiveValues[P];

export interface ArrayType<E extends ElementType = ElementType> {
  readonly kind: "array";
  readonly element: E;
}

export interface Struct<F extends Fields = Fields> {
  readonly kind: "struct";
  readonly fields: F;
}

export type ElementType = PrimitiveName | Struct;
export type FieldType = PrimitiveName | Struct | ArrayType;

/** One row of a table. `T`: what is decoded, `I`: what may be encoded, `O`: whether it may be left out then. */
export interface Field<T = unknown, I = unknown, O extends boolean = boolean> {
  readonly type: FieldType;
  readonly versions: VersionRange;
  readonly nullable: VersionRange;
  readonly default: unknown;
  readonly tag: number | null;
  readonly optional: O;
  /** Never set: carries the types. */
  readonly types?: { readonly value: T; readonly input: I };
}

export type Fields = { readonly [name: string]: Field };

/** The decoded form of an element or struct type. */
export type ValueOf<E> = E extends PrimitiveName ? PrimitiveValues[E]
  : E extends Struct<infer F> ? { -readonly [K in keyof F]: NonNullable<F[K]["types"]>["value"] }
  : never;

/** The form of an element or struct type that encoding takes. */
export type InputOf<E> = E extends PrimitiveName ? PrimitiveInput<E>
  : E extends Struct<infer F> ? Simplify<
      & {
        readonly [K in keyof F as F[K]["optional"] extends true ? never : K]: NonNullable<
          F[K]["types"]
        >["input"];
      }
      & {
        readonly [K in keyof F as F[K]["optional"] extends true ? K : never]?:
          | NonNullable<F[K]["types"]>["input"]
          | undefined;
      }
    >
  : never;

type Simplify<T> = { [K in keyof T]: T[K] };

export interface FieldOptions<T> {
  /** Versions in which null is allowed. */
  readonly nullable?: string;
  /** Without it: zero, false, empty. */
  readonly default?: T | null;
  /** Number of a tagged field (KIP-482): on the wire only when it differs from the default. */
  readonly tag?: number;
}

type OrNull<T, O> = O extends { readonly nullable: string } ? T | null : T;
type IsOptional<V, O> = O extends { readonly default: unknown } | { readonly tag: number } ? true
  : V extends "0+" ? false
  : true;
type FieldFor<V, O, T, I> = Field<OrNull<T, O>, OrNull<I, O>, IsOptional<V, O>>;

/** Default values of the primitive types. */
const ZEROES: { readonly [P in PrimitiveName]: unknown } = {
  bool: false,
  int8: 0,
  int16: 0,
  uint16: 0,
  int32: 0,
  uint32: 0,
  int64: 0,
  float64: 0,
  string: "",
  uuid: "00000000-0000-0000-0000-000000000000",
  bytes: new Uint8Array(0),
  records: new Uint8Array(0),
};

/** For arrays and structs: their empty form, made anew each time. */
export const EMPTY: unique symbol = Symbol("empty");

function field<T>(type: FieldType, versions: string, options: FieldOptions<T> | undefined): Field {
  const zero = typeof type === "string" ? ZEROES[type] : EMPTY;
  return {
    type,
    versions: versionRange(versions),
    nullable: options?.nullable === undefined ? NO_VERSIONS : versionRange(options.nullable),
    default: options?.default === undefined ? zero : options.default,
    tag: options?.tag ?? null,
    optional: options?.default !== undefined || options?.tag !== undefined || versions !== "0+",
  };
}

/** Makes the field function of one primitive type. */
function primitive<P extends PrimitiveName>(name: P) {
  return <const V extends string, const O extends FieldOptions<PrimitiveValues[P]>>(
    versions: V,
    options?: O,
  ): FieldFor<V, O, PrimitiveValues[P], PrimitiveInput<P>> =>
    field(name, versions, options) as FieldFor<V, O, PrimitiveValues[P], PrimitiveInput<P>>;
}

export const bool = primitive("bool");
export const int8 = primitive("int8");
export const int16 = primitive("int16");
export const uint16 = primitive("uint16");
export const int32 = primitive("int32");
export const uint32 = primitive("uint32");
export const int64 = primitive("int64");
export const float64 = primitive("float64");
export const string = primitive("string");
export const uuid = primitive("uuid");
export const bytes = primitive("bytes");
export const records = primitive("records");

/** A group of fields, in wire order: a message's root, or an element of an array. */
export function struct<const F extends Fields>(fields: F): Struct<F> {
  // The names become parts of generated code, and integer-like names would change the order of the keys.
  for (const name of Object.keys(fields)) {
    invariant(/^[a-z][A-Za-z0-9]*$/.test(name), `Unfit field name: "${name}"`);
  }
  return { kind: "struct", fields };
}

/** An array of primitives or structs. Its default is the empty array unless it is null. */
export function array<const V extends string, E extends ElementType, const O extends FieldOptions<null>>(
  versions: V,
  element: E,
  options?: O,
): FieldFor<V, O, ValueOf<E>[], readonly InputOf<E>[]> {
  const type: ArrayType = { kind: "array", element };
  return field(type, versions, options) as FieldFor<V, O, ValueOf<E>[], readonly InputOf<E>[]>;
}

/** A struct as a field. Its default is the struct of defaults unless it is null. */
export function nested<const V extends string, S extends Struct, const O extends FieldOptions<null>>(
  versions: V,
  type: S,
  options?: O,
): FieldFor<V, O, ValueOf<S>, InputOf<S>> {
  return field(type, versions, options) as FieldFor<V, O, ValueOf<S>, InputOf<S>>;
}
