/**
 * CloudEvents over HTTP: which of the three modes a request is in, and its event when that is the binary one (attributes in `ce-…`
 * headers, the data as body). The other two are `json_format.ts`.
 *
 * Source: HTTP Protocol Binding for CloudEvents 1.0.2, §3.1.
 */
import { type CloudEvent, type CloudEventFault, eventFaults } from "./cloud_event.ts";

export const EVENT_TYPE = "application/cloudevents+json";
export const BATCH_TYPE = "application/cloudevents-batch+json";
const PREFIX = "ce-";
/** One of these makes a request an event; all are needed, and an event that lacks some is told so. */
const TELLTALES = ["ce-specversion", "ce-id", "ce-source", "ce-type"] as const;

/** `unknown`: an event, or a batch, in a format that is not read here. Null: no event at all. */
export type EventMode = "binary" | "structured" | "batched" | "unknown";

/** `mediaType` in lower case and without parameters. */
export function eventModeOf(mediaType: string, headers: Headers): EventMode | null {
  if (mediaType.startsWith("application/cloudevents")) {
    return mediaType === EVENT_TYPE ? "structured" : mediaType === BATCH_TYPE ? "batched" : "unknown";
  }
  return TELLTALES.some((name) => headers.has(name)) ? "binary" : null;
}

/** The event, or what is wrong with it. An empty body is no data. */
export function eventOfRequest(headers: Headers, body: Uint8Array): CloudEvent | CloudEventFault[] {
  const attributes = new Map<string, string>();
  const faults: CloudEventFault[] = [];
  for (const [header, given] of headers) {
    if (!header.startsWith(PREFIX)) continue;
    const attribute = header.slice(PREFIX.length);
    const value = decodeHeaderValue(given);
    if (attribute === "datacontenttype") faults.push({ attribute, detail: "is told by Content-Type" });
    else if (value === null) {
      faults.push({ attribute, detail: "is not UTF-8 when its percent-encoding is undone" });
    } else attributes.set(attribute, value);
  }
  const contentType = headers.get("content-type")?.trim() ?? "";
  const dataContentType = contentType === "" ? null : contentType;
  faults.push(
    ...eventFaults(attributes, dataContentType)
      .filter(({ attribute }) => !faults.some((known) => known.attribute === attribute)),
  );
  return faults.length > 0 ? faults : { attributes, dataContentType, data: body.length === 0 ? null : body };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Unquoted, then percent-decoded once; null when the bytes are not UTF-8. */
export function decodeHeaderValue(value: string): string | null {
  const text = unquoted(value);
  if (/^[\x20-\x7e]*$/.test(text) && !text.includes("%")) return text;
  const bytes: number[] = [];
  for (let index = 0; index < text.length; index++) {
    const hex = text[index] === "%" ? /^[0-9A-Fa-f]{2}$/.exec(text.slice(index + 1, index + 3)) : null;
    if (hex !== null) {
      bytes.push(parseInt(hex[0], 16));
      index += 2;
      continue;
    }
    // Senders that do not encode put the bytes of UTF-8 there, which arrive as one character each.
    const code = text.charCodeAt(index);
    if (code <= 0xff) bytes.push(code);
    else {
      const character = String.fromCodePoint(text.codePointAt(index) ?? code);
      bytes.push(...encoder.encode(character));
      index += character.length - 1;
    }
  }
  try {
    return utf8.decode(Uint8Array.from(bytes));
  } catch {
    return null;
  }
}

/** Older versions of the specification put values in double quotes. */
function unquoted(value: string): string {
  const inner = /^"((?:[^"\\]|\\.)*)"$/.exec(value)?.[1];
  return inner === undefined ? value : inner.replaceAll(/\\(.)/g, "$1");
}
