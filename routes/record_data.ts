/**
 * Keys, values and header values in JSON: `{"type":"binary","data":"…base64…"}`, `{"type":"string","data":"…"}`,
 * `{"type":"json","data":…}`, a plain JSON string as shorthand for a string, or null.
 *
 * In both directions no byte is lost: a text view is only used for bytes that are valid UTF-8.
 */
import { z } from "@hono/zod-openapi";
import { decodeBase64 } from "../lib/base64.ts";

const encoder = new TextEncoder();

/** Reads data into bytes; null stays null. */
export const recordDataSchema = z.unknown().transform((value, context): Uint8Array | null => {
  const data = decodeData(value);
  if (typeof data !== "string") return data;
  context.addIssue({ code: "custom", message: data });
  return z.NEVER;
}).openapi("RecordData", {
  description: "Bytes: binary as base64, a string as UTF-8, any JSON value as its JSON text, or null. " +
    "A plain string is shorthand for the type string.",
  oneOf: [
    { type: "null" },
    { type: "string" },
    {
      type: "object",
      required: ["type", "data"],
      additionalProperties: false,
      properties: { type: { const: "binary" }, data: { type: "string", contentEncoding: "base64" } },
    },
    {
      type: "object",
      required: ["type", "data"],
      additionalProperties: false,
      properties: { type: { const: "string" }, data: { type: "string" } },
    },
    {
      type: "object",
      required: ["type", "data"],
      additionalProperties: false,
      properties: { type: { const: "json" }, data: {} },
    },
  ],
});

/** Bytes, null, or what is wrong. */
export function decodeData(value: unknown): Uint8Array | null | string {
  if (value === undefined) return "is missing: send null for none";
  if (value === null) return null;
  if (typeof value === "string") return encodeText(value);
  const shapeFault = 'expected null, a string, or {"type": "binary", "string" or "json", "data": …}';
  if (typeof value !== "object" || Array.isArray(value) || !Object.hasOwn(value, "data")) return shapeFault;
  if (Object.keys(value).length !== 2 || !Object.hasOwn(value, "type")) return shapeFault;
  const { type, data } = value as { type: unknown; data: unknown };
  switch (type) {
    case "json":
      return encoder.encode(JSON.stringify(data));
    case "string":
      return typeof data === "string" ? encodeText(data) : "data of type string must be a string";
    case "binary":
      return typeof data === "string"
        ? decodeBase64(data) ?? "data of type binary is not base64"
        : "data of type binary must be a base64 string";
    default:
      return "type must be binary, string or json";
  }
}

/** A lone surrogate has no UTF-8 form; the encoder would put U+FFFD in silence. */
function encodeText(text: string): Uint8Array | string {
  return text.isWellFormed() ? encodeShared(text) : "has a lone surrogate, which UTF-8 cannot hold";
}

/** Texts up to this length share buffers: a buffer for each costs more than its bytes. */
const SHARED_LENGTH_MAX = 4_096;
const SHARED_BYTES = 64 * 1024;
let shared = new Uint8Array(0);
let sharedUsed = 0;

/** The bytes are only theirs, the buffer is not: nobody keeps data of a request beyond it, batches are copies. */
function encodeShared(text: string): Uint8Array {
  if (text.length > SHARED_LENGTH_MAX) return encoder.encode(text);
  // A UTF-16 unit is at most three bytes of UTF-8.
  if (shared.byteLength - sharedUsed < text.length * 3) {
    shared = new Uint8Array(SHARED_BYTES);
    sharedUsed = 0;
  }
  const start = sharedUsed;
  sharedUsed += encoder.encodeInto(text, shared.subarray(start)).written;
  return shared.subarray(start, sharedUsed);
}

export { encodeData, type RecordFormat, recordFormats } from "../core/fetch/record_text.ts";
