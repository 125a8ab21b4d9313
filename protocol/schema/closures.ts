/**
 * The codec as closures: each type becomes a pair of functions that call those of its parts.
 *
 * It is the plain form of the codec, the oracle for the compiled one (`compile.ts`) in tests, and its stand-in where
 * the platform forbids code generation. Pure.
 */
import type { ByteReader, ByteWriter } from "../../lib/bytes.ts";
import { ByteWriter as Writer } from "../../lib/bytes.ts";
import type { Codec } from "./message.ts";
import { defaultValue, type PlanStruct, primitiveMethods, type Slot, typeSizeMin } from "./plan.ts";

type Values = Record<string, unknown>;
type Write = (writer: ByteWriter, value: unknown) => void;
type Read = (reader: ByteReader) => unknown;

/** Encoder and decoder of a struct. */
export function closureCodec(plan: PlanStruct): Codec {
  return { encode: structWriter(plan), decode: structReader(plan) };
}

function structWriter(struct: PlanStruct): Write {
  const untagged = struct.untagged.map((slot) => ({ slot, write: writerOf(slot, struct.flexible) }));
  const tagged = struct.tagged.map((slot) => ({ slot, write: writerOf(slot, struct.flexible) }));
  return (writer, value) => {
    if (typeof value !== "object" || value === null) writer.fail(`Cannot write ${value} as struct`);
    const values = value as Values;
    for (const { slot, write } of untagged) write(writer, slotValue(slot, values));
    if (!struct.flexible) return;
    const present = tagged.filter(({ slot }) => !isDefault(slot, slotValue(slot, values)));
    writer.unsignedVarint(present.length);
    for (const { slot, write } of present) {
      writeTagged(writer, slot.tag ?? 0, (inner) => write(inner, slotValue(slot, values)));
    }
  };
}

/** Writes tag, size and content of one tagged field. Rare on the wire, so it may cost a writer of its own. */
export function writeTagged(writer: ByteWriter, tag: number, write: (inner: ByteWriter) => void): void {
  const inner = new Writer(256);
  write(inner);
  writer.unsignedVarint(tag);
  writer.unsignedVarint(inner.size);
  for (const part of inner.finish()) writer.bytes(part);
}

function slotValue(slot: Slot, values: Values): unknown {
  const value = values[slot.name];
  return value === undefined && slot.optional ? defaultValue(slot) : value;
}

/** Whether a tagged field need not be written. */
export function isDefault(slot: Slot, value: unknown): boolean {
  if (value === undefined) return slot.optional;
  if (value === null || slot.default === null) return value === slot.default;
  switch (slot.type.kind) {
    case "primitive":
      return value instanceof Uint8Array ? value.length === 0 : value === slot.default;
    case "array":
      return (value as unknown[]).length === 0;
    case "struct": {
      const { untagged, tagged } = slot.type.struct;
      return [...untagged, ...tagged].every((inner) => isDefault(inner, (value as Values)[inner.name]));
    }
  }
}

function writerOf(slot: Slot, flexible: boolean): Write {
  const { type, nullable, name } = slot;
  switch (type.kind) {
    case "primitive": {
      const method = primitiveMethods(type.name, nullable, flexible).write;
      return (writer, value) => (writer[method] as (value: unknown) => void).call(writer, value);
    }
    case "array": {
      const element = writerOf({ ...slot, type: type.element, nullable: false }, flexible);
      const length = flexible ? "compactArrayLength" : "arrayLength";
      return (writer, value) => {
        if (value === null && nullable) return writer[length](-1);
        if (!Array.isArray(value)) return writer.fail(`Cannot write ${value} as array: ${name}`);
        writer[length](value.length);
        for (const item of value) element(writer, item);
      };
    }
    case "struct": {
      const write = structWriter(type.struct);
      if (!nullable) return write;
      return (writer, value) => {
        writer.int8(value === null ? -1 : 1);
        if (value !== null) write(writer, value);
      };
    }
  }
}

function structReader(struct: PlanStruct): Read {
  const untagged = struct.untagged.map((slot) => ({
    name: slot.name,
    read: readerOf(slot, struct.flexible),
  }));
  const tagged = new Map(
    struct.tagged.map((slot) => [slot.tag, { name: slot.name, read: readerOf(slot, struct.flexible) }]),
  );
  return (reader) => {
    const values: Values = {};
    // First everything in the table's order, so that the object's keys have it too.
    for (const slot of struct.slots) values[slot.name] = defaultValue(slot);
    for (const { name, read } of untagged) values[name] = read(reader);
    if (!struct.flexible) return values;
    let last = -1;
    for (let count = reader.unsignedVarint(); count > 0; count--) {
      const tag = nextTag(reader, last);
      last = tag;
      const size = reader.unsignedVarint();
      const end = reader.position + size;
      const known = tagged.get(tag);
      if (known === undefined) reader.skip(size);
      else values[known.name] = known.read(reader);
      endTagged(reader, tag, end);
    }
    return values;
  };
}

/** Reads a tag. Tags rise (KIP-482), which also rules out the same tag twice. */
export function nextTag(reader: ByteReader, last: number): number {
  const tag = reader.unsignedVarint();
  if (tag <= last) reader.fail(`Tag ${tag} comes after tag ${last}`);
  return tag;
}

/** A tagged field must take exactly the size that it announced. */
export function endTagged(reader: ByteReader, tag: number, end: number): void {
  if (reader.position !== end) reader.fail(`Tagged field ${tag} does not end where its size says`);
}

function readerOf(slot: Slot, flexible: boolean): Read {
  const { type, nullable, name } = slot;
  switch (type.kind) {
    case "primitive": {
      const method = primitiveMethods(type.name, nullable, flexible).read;
      return (reader) => reader[method]();
    }
    case "array": {
      const element = readerOf({ ...slot, type: type.element, nullable: false }, flexible);
      const length = flexible ? "compactArrayLength" : "arrayLength";
      const sizeMin = typeSizeMin(type.element, flexible);
      return (reader) => {
        const count = reader[length](sizeMin);
        if (count < 0) {
          return nullable ? null : reader.fail(`Array is null, which is not allowed here: ${name}`);
        }
        const items: unknown[] = [];
        for (let i = 0; i < count; i++) items.push(element(reader));
        return items;
      };
    }
    case "struct": {
      const read = structReader(type.struct);
      if (!nullable) return read;
      return (reader) => (reader.int8() < 0 ? null : read(reader));
    }
  }
}
