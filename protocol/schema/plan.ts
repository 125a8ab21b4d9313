/**
 * A struct as it is in one version: what both codecs (closures and compiled functions) are made from. Pure.
 */
import { EMPTY, type Field, type FieldType, type PrimitiveName, type Struct } from "./fields.ts";
import { contains } from "./version_range.ts";

export type PlanType =
  | { readonly kind: "primitive"; readonly name: PrimitiveName }
  | { readonly kind: "array"; readonly element: PlanType }
  | { readonly kind: "struct"; readonly struct: PlanStruct };

/** A field in one version. */
export interface Slot {
  readonly name: string;
  readonly type: PlanType;
  readonly nullable: boolean;
  readonly default: unknown;
  /** May be left out when encoding. */
  readonly optional: boolean;
  /** Null for fields that are always on the wire. */
  readonly tag: number | null;
}

export interface PlanStruct {
  readonly flexible: boolean;
  /** All fields of the table in its order, those that the version lacks too. */
  readonly slots: readonly Slot[];
  /** The fields on the wire, in wire order. */
  readonly untagged: readonly Slot[];
  /** The tagged fields of the version, by ascending tag. */
  readonly tagged: readonly Slot[];
  /** The fewest bytes that the struct can take. */
  readonly sizeMin: number;
}

/** Resolves a struct for one version. */
export function planStruct(struct: Struct, version: number, flexible: boolean): PlanStruct {
  const slots: Slot[] = [];
  const untagged: Slot[] = [];
  const tagged: Slot[] = [];
  for (const [name, field] of Object.entries(struct.fields)) {
    const slot = planSlot(name, field, version, flexible);
    slots.push(slot);
    if (!contains(field.versions, version)) continue;
    if (slot.tag === null) untagged.push(slot);
    else if (flexible) tagged.push(slot);
  }
  tagged.sort((a, b) => (a.tag ?? 0) - (b.tag ?? 0));
  const sizeMin = untagged.reduce((sum, slot) => sum + slotSizeMin(slot, flexible), flexible ? 1 : 0);
  return { flexible, slots, untagged, tagged, sizeMin };
}

function planSlot(name: string, field: Field, version: number, flexible: boolean): Slot {
  return {
    name,
    type: planType(field.type, version, flexible),
    nullable: contains(field.nullable, version),
    default: field.default,
    optional: field.optional,
    tag: field.tag,
  };
}

function planType(type: FieldType, version: number, flexible: boolean): PlanType {
  if (typeof type === "string") return { kind: "primitive", name: type };
  if (type.kind === "array") return { kind: "array", element: planType(type.element, version, flexible) };
  return { kind: "struct", struct: planStruct(type, version, flexible) };
}

const FIXED_SIZES: { readonly [P in PrimitiveName]?: number } = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  float64: 8,
  uuid: 16,
};

/** The fewest bytes that a value of the type takes; at least 1, so that a count is always bounded by the bytes left. */
export function typeSizeMin(type: PlanType, flexible: boolean): number {
  switch (type.kind) {
    case "primitive":
      return FIXED_SIZES[type.name] ?? (flexible ? 1 : type.name === "string" ? 2 : 4);
    case "array":
      return flexible ? 1 : 4;
    case "struct":
      return Math.max(1, type.struct.sizeMin);
  }
}

function slotSizeMin(slot: Slot, flexible: boolean): number {
  // A nullable struct is one byte of presence, then the struct.
  return slot.type.kind === "struct" && slot.nullable ? 1 : typeSizeMin(slot.type, flexible);
}

/** The default of a field; arrays and structs are made anew each time. */
export function defaultValue(slot: Slot): unknown {
  if (slot.default !== EMPTY) return slot.default;
  if (slot.type.kind === "array") return [];
  return slot.type.kind === "struct" ? defaultStruct(slot.type.struct) : slot.default;
}

function defaultStruct(struct: PlanStruct): Record<string, unknown> {
  return Object.fromEntries(struct.slots.map((slot) => [slot.name, defaultValue(slot)]));
}

/** Names of the ByteReader and ByteWriter methods for a primitive. */
export function primitiveMethods(name: PrimitiveName, nullable: boolean, flexible: boolean) {
  if (name !== "string" && name !== "bytes" && name !== "records") {
    return { read: name, write: name } as const;
  }
  const prefix = flexible ? (nullable ? "compactNullable" : "compact") : nullable ? "nullable" : "";
  const readType = name === "string" ? "String" : "Bytes";
  const writeType = name === "string" ? "String" : name === "bytes" ? "Bytes" : "Records";
  if (prefix === "") {
    const read = name === "string" ? "string" : "sizedBytes";
    const write = name === "string" ? "string" : name === "bytes" ? "sizedBytes" : "records";
    return { read, write } as const;
  }
  return { read: `${prefix}${readType}`, write: `${prefix}${writeType}` } as const;
}
