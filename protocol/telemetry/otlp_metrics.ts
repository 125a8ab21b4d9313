/**
 * OpenTelemetry's MetricsData as clients push it (KIP-714): the numbers of gauges and sums with their attributes. Histograms
 * and summaries, which no client of Kafka sends, are passed over. Pure.
 * Source: opentelemetry-proto v1, metrics.proto and common.proto.
 */
import { ProtobufReader, WIRE } from "./protobuf_reader.ts";

export interface MetricPoint {
  readonly name: string;
  /** Sorted by name. */
  readonly attributes: readonly (readonly [name: string, value: string])[];
  readonly value: number;
  /** A sum that was counted since the push before, not since the beginning. */
  readonly isDelta: boolean;
}

export interface DecodeMetricsOptions {
  /** More points than these are left out. */
  readonly pointsMax: number;
  readonly attributesMax: number;
}

const DELTA = 1;

/** Throws `DecodeError`. */
export function decodeMetrics(bytes: Uint8Array, options: DecodeMetricsOptions): MetricPoint[] {
  const points: MetricPoint[] = [];
  eachMessage(bytes, 1, (resourceMetrics) => {
    eachMessage(resourceMetrics, 2, (scopeMetrics) => {
      eachMessage(scopeMetrics, 2, (metric) => readMetric(metric, points, options));
    });
  });
  return points;
}

/** Calls `each` with every length-delimited field of that number. */
function eachMessage(bytes: Uint8Array, number: number, each: (message: Uint8Array) => void): void {
  const reader = new ProtobufReader(bytes);
  for (let field = reader.next(); field !== null; field = reader.next()) {
    if (field.number === number && field.wire === WIRE.BYTES) each(reader.bytes());
    else reader.skip(field);
  }
}

function readMetric(bytes: Uint8Array, points: MetricPoint[], options: DecodeMetricsOptions): void {
  const reader = new ProtobufReader(bytes);
  let name = "";
  const data: Uint8Array[] = [];
  for (let field = reader.next(); field !== null; field = reader.next()) {
    if (field.wire !== WIRE.BYTES) reader.skip(field);
    else if (field.number === 1) name = reader.string();
    // A gauge and a sum both keep their points in field 1.
    else if (field.number === 5 || field.number === 7) data.push(reader.bytes());
    else reader.skip(field);
  }
  for (const each of data) readData(name, each, points, options);
}

function readData(
  name: string,
  bytes: Uint8Array,
  points: MetricPoint[],
  options: DecodeMetricsOptions,
): void {
  const reader = new ProtobufReader(bytes);
  const found: Uint8Array[] = [];
  let temporality = 0;
  for (let field = reader.next(); field !== null; field = reader.next()) {
    if (field.number === 1 && field.wire === WIRE.BYTES) found.push(reader.bytes());
    else if (field.number === 2 && field.wire === WIRE.VARINT) temporality = reader.int64();
    else reader.skip(field);
  }
  for (const each of found) {
    if (points.length >= options.pointsMax) return;
    const point = readPoint(each, options);
    if (point !== null) points.push({ name, isDelta: temporality === DELTA, ...point });
  }
}

function readPoint(
  bytes: Uint8Array,
  { attributesMax }: DecodeMetricsOptions,
): Pick<MetricPoint, "attributes" | "value"> | null {
  const reader = new ProtobufReader(bytes);
  const attributes: (readonly [string, string])[] = [];
  let value: number | null = null;
  for (let field = reader.next(); field !== null; field = reader.next()) {
    if (field.number === 4 && field.wire === WIRE.FIXED64) value = reader.double();
    else if (field.number === 6 && field.wire === WIRE.FIXED64) value = reader.sfixed64();
    else if (field.number === 7 && field.wire === WIRE.BYTES && attributes.length < attributesMax) {
      attributes.push(readAttribute(reader.bytes()));
    } else reader.skip(field);
  }
  if (value === null) return null;
  return { attributes: attributes.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0), value };
}

function readAttribute(bytes: Uint8Array): readonly [string, string] {
  const reader = new ProtobufReader(bytes);
  let name = "";
  let value = "";
  for (let field = reader.next(); field !== null; field = reader.next()) {
    if (field.wire !== WIRE.BYTES) reader.skip(field);
    else if (field.number === 1) name = reader.string();
    else if (field.number === 2) value = readAnyValue(reader.bytes());
    else reader.skip(field);
  }
  return [name, value];
}

/** Lists and maps have no text; they become empty. */
function readAnyValue(bytes: Uint8Array): string {
  const reader = new ProtobufReader(bytes);
  let text = "";
  for (let field = reader.next(); field !== null; field = reader.next()) {
    if (field.number === 1 && field.wire === WIRE.BYTES) text = reader.string();
    else if (field.number === 2 && field.wire === WIRE.VARINT) text = reader.int64() !== 0 ? "true" : "false";
    else if (field.number === 3 && field.wire === WIRE.VARINT) text = String(reader.int64());
    else if (field.number === 4 && field.wire === WIRE.FIXED64) text = String(reader.double());
    else reader.skip(field);
  }
  return text;
}
