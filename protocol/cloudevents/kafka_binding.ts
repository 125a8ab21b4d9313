/**
 * CloudEvents in Kafka's records. Written in binary mode: attributes as `ce_…` headers, the media type as `content-type`, the data
 * as the value, the key from `partitionkey`. Read in both modes: a `content-type` of `application/cloudevents+json` says that the
 * value is the whole event.
 *
 * Source: Kafka Protocol Binding for CloudEvents 1.0.2.
 */
import type { RecordHeader } from "../records/record_batch.ts";
import {
  type CloudEvent,
  eventFaults,
  isMediaType,
  mediaTypeWithoutParameters,
  nameFault,
  PARTITION_KEY,
  SPEC_VERSION,
} from "./cloud_event.ts";
import { EVENT_TYPE } from "./http_binding.ts";
import { eventOfJson, type JsonEventOptions, jsonOfEvent, parsedJson, textOf } from "./json_format.ts";

const PREFIX = "ce_";
const CONTENT_TYPE = "content-type";
/** Of the event that is made of a record that holds none. */
export const PLAIN_RECORD_TYPE = "kavka.record";

const encoder = new TextEncoder();

export interface EventRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

/** A record with its place, of which a plain record's event is made. */
export interface PlacedRecord extends EventRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds; -1 for none. */
  readonly timestamp: number;
}

/** The record of an event, in binary mode. */
export function recordOfEvent({ attributes, dataContentType, data }: CloudEvent): EventRecord {
  const headers = Array.from(attributes, ([name, value]) => ({
    key: PREFIX + name,
    value: encoder.encode(value),
  }));
  if (dataContentType !== null) headers.push({ key: CONTENT_TYPE, value: encoder.encode(dataContentType) });
  const key = attributes.get(PARTITION_KEY);
  return { key: key === undefined ? null : encoder.encode(key), value: data, headers };
}

/** The JSON text of the event in a record, or of an event of type `kavka.record` around one that holds none. */
export function eventTextOfRecord(record: PlacedRecord, options: JsonEventOptions): string {
  const contentType = headerText(record.headers, CONTENT_TYPE);
  if (contentType !== null && mediaTypeWithoutParameters(contentType) === EVENT_TYPE) {
    const text = structuredText(record.value, options);
    if (text !== null) return text;
  } else {
    const event = binaryEvent(record, contentType);
    if (event !== null) return jsonOfEvent(event);
  }
  return jsonOfEvent(plainEvent(record, contentType));
}

/** The value as it is when it is a valid event. */
function structuredText(value: Uint8Array | null, options: JsonEventOptions): string | null {
  const text = value === null ? null : textOf(value);
  if (text === null) return null;
  return Array.isArray(eventOfJson(parsedJson(text), options)) ? null : text;
}

/** Null when the headers are not those of a valid event. */
function binaryEvent({ headers, value }: EventRecord, contentType: string | null): CloudEvent | null {
  if (headerText(headers, `${PREFIX}specversion`) !== SPEC_VERSION) return null;
  const attributes = new Map<string, string>();
  let dataContentType = contentType;
  for (const { key, value: bytes } of headers) {
    if (!key.startsWith(PREFIX)) continue;
    const name = key.slice(PREFIX.length);
    const text = bytes === null ? null : textOf(bytes);
    // Some libraries tell the media type twice, and the data among the attributes.
    if (name === "datacontenttype") dataContentType ??= text;
    else if (text !== null && nameFault(name) === null) attributes.set(name, text);
  }
  return eventFaults(attributes, dataContentType).length > 0
    ? null
    : { attributes, dataContentType, data: value };
}

function plainEvent(record: PlacedRecord, contentType: string | null): CloudEvent {
  const { topic, partition, offset, timestamp, key, value } = record;
  const attributes = new Map([
    ["specversion", SPEC_VERSION],
    ["id", String(offset)],
    ["source", `/v1/topics/${topic}/partitions/${partition}`],
    ["type", PLAIN_RECORD_TYPE],
  ]);
  const time = timestamp < 0 ? null : timeText(timestamp);
  if (time !== null) attributes.set("time", time);
  const keyText = key === null ? null : textOf(key);
  if (keyText !== null) {
    attributes.set(PARTITION_KEY, keyText);
    if (eventFaults(attributes, null).length > 0) attributes.delete(PARTITION_KEY);
  }
  const dataContentType = contentType !== null && isMediaType(contentType) ? contentType : null;
  return { attributes, dataContentType, data: value };
}

/** Null for a time with a year that has not four digits. */
function timeText(timestamp: number): string | null {
  const time = new Date(timestamp);
  return Number.isNaN(time.getTime()) || time.getUTCFullYear() > 9_999 ? null : time.toISOString();
}

/** Of the first header of the name; null when it is absent, null or not UTF-8. */
function headerText(headers: readonly RecordHeader[], name: string): string | null {
  const value = headers.find(({ key }) => key.toLowerCase() === name)?.value ?? null;
  return value === null ? null : textOf(value);
}
