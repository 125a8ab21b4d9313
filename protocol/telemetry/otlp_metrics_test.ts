import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeBase64 } from "../../lib/base64.ts";
import { DecodeError } from "../../lib/bytes.ts";
import pushes from "../../tests/fixtures/telemetry/pushes.json" with { type: "json" };
import { decompress } from "../records/compression.ts";
import { decodeMetrics } from "./otlp_metrics.ts";

const LIMITS = { pointsMax: 100, attributesMax: 10 };
const encoder = new TextEncoder();

function varint(value: number): number[] {
  const bytes = [];
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) bytes.push(rest % 128 + 128);
  return [...bytes, Math.floor(value / 128 ** bytes.length)];
}

function message(number: number, ...parts: number[][]): number[] {
  const body = parts.flat();
  return [...varint(number * 8 + 2), ...varint(body.length), ...body];
}

const text = (number: number, value: string) => message(number, [...encoder.encode(value)]);

function float64(number: number, value: number): number[] {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return [...varint(number * 8 + 1), ...bytes];
}

function sfixed64(number: number, value: number): number[] {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return [...varint(number * 8 + 1), ...bytes];
}

const attribute = (name: string, value: string) => message(7, text(1, name), message(2, text(1, value)));

function metricsData(...metrics: number[][]): Uint8Array {
  const resource = message(1, message(1, text(1, "service.name")));
  return Uint8Array.from(message(1, resource, message(2, message(1, text(1, "scope")), ...metrics)));
}

Deno.test("decodeMetrics() reads gauges and sums with their attributes", () => {
  const gauge = message(
    2,
    text(1, "org.apache.kafka.producer.a"),
    text(2, "what it is"),
    message(5, message(1, attribute("node", "1"), attribute("a", "b"), sfixed64(3, 7), float64(4, 2.5))),
  );
  const sum = message(
    2,
    text(1, "b"),
    message(7, message(1, sfixed64(6, -3)), [2 * 8, 1], [3 * 8, 1], message(1, sfixed64(6, 4))),
  );
  const histogram = message(2, text(1, "c"), message(9, message(1, float64(4, 1))));
  assert.deepEqual(decodeMetrics(metricsData(gauge, sum, histogram), LIMITS), [
    {
      name: "org.apache.kafka.producer.a",
      isDelta: false,
      attributes: [["a", "b"], ["node", "1"]],
      value: 2.5,
    },
    { name: "b", isDelta: true, attributes: [], value: -3 },
    { name: "b", isDelta: true, attributes: [], value: 4 },
  ]);
  assert.equal(decodeMetrics(metricsData(gauge, sum), { ...LIMITS, pointsMax: 2 }).length, 2);
  assert.equal(decodeMetrics(metricsData(gauge), { ...LIMITS, attributesMax: 1 })[0]?.attributes.length, 1);
  assert.deepEqual(decodeMetrics(new Uint8Array(), LIMITS), []);
});

Deno.test("decodeMetrics() takes what strangers send or throws a DecodeError", () => {
  const whole = metricsData(
    message(2, text(1, "a"), message(5, message(1, attribute("k", "v"), float64(4, 1)))),
  );
  for (let end = 1; end < whole.length; end++) {
    assert.throws(() => decodeMetrics(whole.subarray(0, end), LIMITS), DecodeError, `cut at ${end}`);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (noise, at) => {
    const bytes = whole.slice();
    for (const [i, byte] of noise.slice(0, 5).entries()) bytes[(at + i * 7) % bytes.length] = byte;
    for (const input of [noise, bytes]) {
      try {
        decodeMetrics(input, LIMITS);
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error));
      }
    }
  }));
});

Deno.test("decodeMetrics() reads what kafka-clients and librdkafka push", () => {
  const [java = [], librdkafka = []] = pushes.map(({ metrics }) =>
    decodeMetrics(decompress("zstd", decodeBase64(metrics) ?? new Uint8Array(), { maxBytes: 100_000 }), {
      ...LIMITS,
      pointsMax: 1_000,
    })
  );
  assert.deepEqual([java.length, librdkafka.length], [108, 10]);
  assert.ok([...java, ...librdkafka].every(({ name }) => name.startsWith("org.apache.kafka.")));
  const latency = librdkafka.find(({ name }) => name.endsWith("node.request.latency.max"));
  assert.deepEqual([latency?.attributes, latency?.value], [[["node.id", "1"]], 9]);
  assert.ok((java.find(({ name }) => name.endsWith("record.send.total"))?.value ?? 0) > 0);
});
