/** The tables against bytes that Apache Kafka 4.3.1 wrote: see tests/fixtures/frames/README.md. */
import assert from "node:assert/strict";
import { ByteReader, concat } from "../../lib/bytes.ts";
import {
  decodeRequestHeader,
  decodeResponseHeader,
  encodeRequestFrame,
  encodeResponseFrame,
} from "../header.ts";
import { type Api, decodeRequest, decodeResponse } from "../schema/api.ts";
import { defaultValue, type PlanStruct, planStruct, type PlanType } from "../schema/plan.ts";
import { contains } from "../schema/version_range.ts";
import { apis } from "./all.ts";
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "./consumer_protocol.ts";

interface Golden {
  direction: string;
  version: number;
  frame: string;
  value: Record<string, unknown>;
}

const directory = new URL("../../tests/fixtures/frames/", import.meta.url);

function golden(file: string): Golden[] {
  return JSON.parse(Deno.readTextFileSync(new URL(file, directory)));
}

const files = [...Deno.readDirSync(directory)].map((entry) => entry.name).filter((name) =>
  name.endsWith(".json")
);

for (const api of apis) {
  const file = files.find((name) => Number(name.slice(0, 2)) === api.key);
  Deno.test(`${api.name}: Kafka's frames are decoded, and encoded to the same bytes`, () => {
    assert(file, `no frames of API ${api.key}`);
    const seen = new Set<string>();
    for (const entry of golden(file)) {
      const bytes = fromHex(entry.frame);
      const where = `${api.name} ${entry.direction} ${entry.version}`;
      if (entry.direction === "request") checkRequest(api, entry, bytes, where);
      else checkResponse(api, entry, bytes, where);
      seen.add(`${entry.direction} ${entry.version}`);
    }
    assert.equal(seen.size, 2 * (api.maxVersion - api.minVersion + 1), "every version in both directions");
  });
}

function checkRequest(api: Api, entry: Golden, bytes: Uint8Array, where: string): void {
  const reader = new ByteReader(bytes);
  const header = decodeRequestHeader(reader);
  const clientId = `client-${entry.version}`;
  const correlationId = 1000 + entry.version;
  assert.deepEqual(header, { apiKey: api.key, apiVersion: entry.version, correlationId, clientId }, where);
  const value = decodeRequest(api, entry.version, reader);
  assert.equal(reader.remaining, 0, where);
  assert.deepEqual(value, fromKafka(planOf(api, "request", entry.version), entry.value), where);
  assertFrame(encodeRequestFrame(api, entry.version, correlationId, clientId, value), bytes, where);
}

function checkResponse(api: Api, entry: Golden, bytes: Uint8Array, where: string): void {
  const reader = new ByteReader(bytes);
  const correlationId = decodeResponseHeader(api, entry.version, reader);
  assert.equal(correlationId, 1000 + entry.version, where);
  const value = decodeResponse(api, entry.version, reader);
  assert.deepEqual(value, fromKafka(planOf(api, "response", entry.version), entry.value), where);
  assertFrame(encodeResponseFrame(api, entry.version, correlationId, value), bytes, where);
}

Deno.test("fields that are left out get the defaults that Kafka gives them", () => {
  for (const api of apis) {
    const file = files.find((name) => Number(name.slice(0, 2)) === api.key) ?? "";
    // The last of the three messages of each version has defaults only.
    for (const { direction, version, frame } of golden(file).filter((_, index) => index % 3 === 2)) {
      const isRequest = direction === "request";
      const plan = planOf(api, isRequest ? "request" : "response", version);
      const required = plan.slots.filter((slot) => !slot.optional);
      const value = Object.fromEntries(
        required.map((slot) => [slot.name, defaultValue(slot)]),
      );
      const parts = isRequest
        ? encodeRequestFrame(api, version, 1000 + version, `client-${version}`, value)
        : encodeResponseFrame(api, version, 1000 + version, value);
      assertFrame(parts, fromHex(frame), `${api.name} ${direction} ${version}`);
    }
  }
});

Deno.test("consumer protocol: Kafka's payloads are decoded, and encoded to the same bytes", () => {
  for (const { direction, version, frame, value } of golden("consumer_protocol.json")) {
    const payload = fromHex(frame);
    if (direction === "ConsumerProtocolSubscription") {
      const plan = planStruct(consumerProtocolSubscription.struct, version, false);
      const decoded = decodeSubscription(payload);
      assert.deepEqual(decoded, { ...fromKafka(plan, value), version });
      assert.deepEqual(encodeSubscription(version, decoded), payload);
    } else {
      const plan = planStruct(consumerProtocolAssignment.struct, version, false);
      const decoded = decodeAssignment(payload);
      assert.deepEqual(decoded, { ...fromKafka(plan, value), version });
      assert.deepEqual(encodeAssignment(version, decoded), payload);
    }
  }
});

function planOf(api: Api, direction: "request" | "response", version: number): PlanStruct {
  const message = api[direction];
  return planStruct(message.struct, version, contains(message.flexibleVersions, version));
}

/** Turns Kafka's JSON into the value that decoding must yield, and rejects names that the table lacks. */
function fromKafka(plan: PlanStruct, json: Record<string, unknown>): Record<string, unknown> {
  const names = new Set(plan.slots.map((slot) => slot.name));
  for (const name of Object.keys(json)) assert(names.has(name), `the table lacks ${name}`);
  return Object.fromEntries(plan.slots.map((slot) => {
    const given = json[slot.name];
    if (plan.untagged.includes(slot)) assert(given !== undefined, `Kafka's version lacks ${slot.name}`);
    return [slot.name, given === undefined ? defaultValue(slot) : valueFromKafka(slot.type, given)];
  }));
}

function valueFromKafka(type: PlanType, json: unknown): unknown {
  if (json === null) return null;
  if (type.kind === "struct") return fromKafka(type.struct, json as Record<string, unknown>);
  if (type.kind === "array") return (json as unknown[]).map((item) => valueFromKafka(type.element, item));
  switch (type.name) {
    case "bytes":
    case "records":
      return fromBase64(json as string);
    case "uuid": {
      const hex = fromBase64((json as string).replaceAll("-", "+").replaceAll("_", "/")).reduce(
        (text, byte) => text + byte.toString(16).padStart(2, "0"),
        "",
      );
      return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    }
    default:
      return json;
  }
}

function assertFrame(parts: Uint8Array[], body: Uint8Array, where: string): void {
  const frame = concat(parts);
  assert.equal(new DataView(frame.buffer, frame.byteOffset).getInt32(0), body.length, where);
  assert.deepEqual(frame.subarray(4), body, where);
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
