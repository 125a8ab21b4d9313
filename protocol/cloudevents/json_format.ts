/**
 * CloudEvents as JSON: one event as an object, a batch as an array of them. Data is a JSON value where its media type is JSON (or
 * none is told), text where it is text, else base64.
 *
 * Source: JSON Event Format for CloudEvents 1.0.2.
 */
import { decodeBase64, encodeBase64 } from "../../lib/base64.ts";
import {
  type CloudEvent,
  type CloudEventFault,
  eventFaults,
  isJsonData,
  isTextData,
  OWN_ATTRIBUTES,
} from "./cloud_event.ts";

const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export interface JsonEventOptions {
  /** Attributes of one event; more are a fault. */
  readonly attributesMax: number;
}

/** The event in a parsed JSON value, or what is wrong with it. */
export function eventOfJson(
  value: unknown,
  { attributesMax }: JsonEventOptions,
): CloudEvent | CloudEventFault[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return [{ attribute: "", detail: "expected a CloudEvent as a JSON object" }];
  }
  const members = Object.entries(value);
  if (members.length > attributesMax) {
    return [{ attribute: "", detail: `expected at most ${attributesMax} attributes` }];
  }
  const attributes = new Map<string, string>();
  const faults: CloudEventFault[] = [];
  let dataContentType: string | null = null;
  for (const [attribute, given] of members) {
    // An attribute that is null is absent; data that is null is the JSON value.
    if (attribute === "data" || attribute === "data_base64" || given === null) continue;
    const isOwn = OWN_ATTRIBUTES.has(attribute);
    const text = isOwn && typeof given !== "string" ? null : attributeText(given);
    if (text === null) {
      const expected = isOwn ? "a string" : "a string, a boolean or a whole number of 32 bits";
      faults.push({ attribute, detail: `expected ${expected}` });
    } else if (attribute === "datacontenttype") dataContentType = text;
    else attributes.set(attribute, text);
  }
  faults.push(
    ...eventFaults(attributes, dataContentType)
      .filter(({ attribute }) => !faults.some((known) => known.attribute === attribute)),
  );
  const data = dataOf(value as Record<string, unknown>, dataContentType);
  if ("detail" in data) faults.push(data);
  return faults.length > 0 || "detail" in data ? faults : { attributes, ...data };
}

/** Null for what no attribute can be. */
function attributeText(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return String(value);
  const isInteger = Number.isInteger(value) && Number(value) >= -(2 ** 31) && Number(value) < 2 ** 31;
  return isInteger ? String(value) : null;
}

type EventData = Pick<CloudEvent, "data" | "dataContentType">;

function dataOf(
  members: Record<string, unknown>,
  dataContentType: string | null,
): EventData | CloudEventFault {
  const base64 = members["data_base64"];
  const hasBase64 = base64 !== undefined && base64 !== null;
  if (!Object.hasOwn(members, "data")) {
    if (!hasBase64) return { data: null, dataContentType };
    const data = typeof base64 === "string" ? decodeBase64(base64) : null;
    return data === null
      ? { attribute: "data_base64", detail: "expected base64" }
      : { data, dataContentType };
  }
  if (hasBase64) return { attribute: "data_base64", detail: "excludes data" };
  const { data } = members;
  if (isJsonData(dataContentType)) {
    // What JSON implies is told outright, since the other forms imply nothing.
    return {
      data: encoder.encode(JSON.stringify(data)),
      dataContentType: dataContentType ?? "application/json",
    };
  }
  if (typeof data !== "string") {
    return { attribute: "data", detail: "expected a string, since datacontenttype is not JSON" };
  }
  return data.isWellFormed()
    ? { data: encoder.encode(data), dataContentType }
    : { attribute: "data", detail: "has a lone surrogate, which UTF-8 cannot hold" };
}

/** The event as JSON text; no byte of its data is lost. */
export function jsonOfEvent({ attributes, dataContentType, data }: CloudEvent): string {
  const members = Array.from(attributes, ([name, value]) => `"${name}":${JSON.stringify(value)}`);
  if (dataContentType !== null) members.push(`"datacontenttype":${JSON.stringify(dataContentType)}`);
  if (data !== null) members.push(dataMember(data, dataContentType));
  return `{${members.join(",")}}`;
}

function dataMember(data: Uint8Array, dataContentType: string | null): string {
  const text = textOf(data);
  if (text !== null && isJsonData(dataContentType)) {
    // The text itself goes out, so that large numbers and the order of keys stay.
    if (parsedJson(text) !== undefined) return `"data":${text}`;
  } else if (text !== null && dataContentType !== null && isTextData(dataContentType)) {
    return `"data":${JSON.stringify(text)}`;
  }
  return `"data_base64":"${encodeBase64(data)}"`;
}

/** Null when the bytes are not UTF-8. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

/** Undefined, which is no JSON, when the text is not JSON. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
