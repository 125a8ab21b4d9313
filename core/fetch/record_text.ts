/**
 * Records as JSON, as every route of Kavka's own shows them: `{"type":"binary","data":"…base64…"}`,
 * `{"type":"string","data":"…"}`, `{"type":"json","data":…}`, or null. Pure.
 *
 * No byte is lost: a text view is only used for bytes that are valid UTF-8.
 */
import { encodeBase64 } from "../../lib/base64.ts";
import { decodeUtf8 } from "../../lib/utf8.ts";
import type { KafkaRecord } from "../../protocol/records/record_batch.ts";

export const recordFormats = ["auto", "binary", "string", "json"] as const;
export type RecordFormat = (typeof recordFormats)[number];

/** One record as JSON. */
export function recordText(
  { offset, timestamp, key, value, headers }: KafkaRecord,
  format: RecordFormat,
): string {
  const headerList = headers.map((header) =>
    `{"key":${JSON.stringify(header.key)},"value":${encodeData(header.value, format)}}`
  );
  return `{"offset":${offset},"timestamp":${timestamp},"key":${encodeData(key, format)},` +
    `"value":${encodeData(value, format)},"headers":[${headerList.join(",")}]}`;
}

/** The JSON text of a view; the bytes fall back to a string, then to binary, where the format does not fit them. */
export function encodeData(bytes: Uint8Array | null, format: RecordFormat): string {
  if (bytes === null) return "null";
  const text = format === "binary" ? null : decodeUtf8(bytes);
  if (text === null) return `{"type":"binary","data":"${encodeBase64(bytes)}"}`;
  // The text itself goes out, so that large numbers and the order of keys stay.
  if (format === "json" && isJson(text)) return `{"type":"json","data":${text}}`;
  return `{"type":"string","data":${JSON.stringify(text)}}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
