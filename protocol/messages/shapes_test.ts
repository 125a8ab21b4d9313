/**
 * The tables against the schemas inside Kafka 4.3.1's classes: type, versions, nullability, tag and default of every
 * field. The frames pin order and bytes; they cannot show a null that is wrongly allowed or a default inside an array.
 */
import assert from "node:assert/strict";
import type { Message } from "../schema/message.ts";
import { defaultValue, type PlanStruct, planStruct, type Slot } from "../schema/plan.ts";
import { contains } from "../schema/version_range.ts";
import { apis } from "./all.ts";

interface Shape {
  readonly message: string;
  readonly fields: Record<string, string>;
}

const directory = new URL("../../tests/fixtures/frames/", import.meta.url);
const shapes: Shape[] = JSON.parse(Deno.readTextFileSync(new URL("shapes.json", directory)));

for (const api of apis) {
  for (const message of [api.request, api.response] as Message[]) {
    Deno.test(`${message.name} has the fields that Kafka's class has`, () => {
      const kafka = shapes.find((shape) => shape.message === message.name);
      assert(kafka, `no shape of ${message.name}`);
      assert.deepEqual(fieldsOf(message), kafka.fields);
    });
  }
}

Deno.test("every shape belongs to a table", () => {
  assert.equal(shapes.length, 2 * apis.length);
});

interface Seen {
  readonly type: string;
  readonly versions: number[];
  readonly nullable: number[];
  readonly tag: number | null;
  readonly default: string;
}

/** Each field's path with what the table says of it, as shapes.json words it. */
function fieldsOf(message: Message): Record<string, string> {
  const seen = new Map<string, Seen>();
  for (let version = message.versions.min; version <= message.versions.max; version++) {
    walk(planStruct(message.struct, version, contains(message.flexibleVersions, version)), version, "", seen);
  }
  return Object.fromEntries([...seen].map(([path, field]) => {
    const nullable = field.nullable.length === 0 ? "" : ` nullable ${range(field.nullable)}`;
    const tag = field.tag === null ? "" : ` tag ${field.tag}`;
    return [path, `${field.type} ${range(field.versions)}${nullable}${tag} = ${field.default}`];
  }));
}

function walk(plan: PlanStruct, version: number, prefix: string, seen: Map<string, Seen>): void {
  for (const slot of [...plan.untagged, ...plan.tagged]) {
    const path = prefix + slot.name;
    const field: Seen = seen.get(path) ??
      { type: typeOf(slot), versions: [], nullable: [], tag: slot.tag, default: defaultOf(slot) };
    seen.set(path, field);
    field.versions.push(version);
    // Kafka has only one type of records, which may always be null.
    if (slot.nullable && field.type !== "records") field.nullable.push(version);
    const inner = slot.type.kind === "array" ? slot.type.element : slot.type;
    if (inner.kind === "struct") walk(inner.struct, version, `${path}.`, seen);
  }
}

function typeOf({ type }: Slot): string {
  if (type.kind === "primitive") return type.name;
  if (type.kind === "struct") return "{}";
  return type.element.kind === "primitive" ? `[${type.element.name}]` : "[]";
}

function defaultOf(slot: Slot): string {
  const value = defaultValue(slot);
  if (slot.type.kind === "primitive" && slot.type.name === "records") return "null";
  if (value instanceof Uint8Array) return '""';
  // Beyond what a number can hold.
  if (value === Number.MAX_SAFE_INTEGER) return "9223372036854775807";
  return slot.type.kind === "struct" && value !== null ? "{}" : JSON.stringify(value);
}

/** `"3-5"`, or `"3"` for a single version. */
function range(versions: number[]): string {
  const [first, last] = [versions[0], versions.at(-1)];
  return first === last ? `${first}` : `${first}-${last}`;
}
