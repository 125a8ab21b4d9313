/**
 * Which records a live tail shows: those with one of the keys, and with every one of the headers. Compared as bytes, so that nothing is
 * decoded for records that nobody sees. Pure.
 */
import type { KafkaRecord } from "../../protocol/records/record_batch.ts";

export type RecordFilter = (record: KafkaRecord) => boolean;

const encoder = new TextEncoder();

/**
 * `keys` as text, none for any; `headers` as `NAME:VALUE`, or `NAME` for any value. Null when every record passes. A name goes up to the first
 * colon.
 */
export function recordFilter(keys: readonly string[], headers: readonly string[]): RecordFilter | null {
  if (keys.length === 0 && headers.length === 0) return null;
  const wantedKeys = keys.map((key) => encoder.encode(key));
  const wantedHeaders = headers.map((header) => {
    const colon = header.indexOf(":");
    return colon === -1
      ? { name: header, value: null }
      : { name: header.slice(0, colon), value: encoder.encode(header.slice(colon + 1)) };
  });
  return ({ key, headers }) =>
    (wantedKeys.length === 0 || wantedKeys.some((wanted) => isSame(key, wanted))) &&
    wantedHeaders.every(({ name, value }) =>
      headers.some((header) => header.key === name && (value === null || isSame(header.value, value)))
    );
}

function isSame(a: Uint8Array | null, b: Uint8Array): boolean {
  return a !== null && a.length === b.length && a.every((byte, index) => byte === b[index]);
}
