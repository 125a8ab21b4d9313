import assert from "node:assert/strict";
import { configKey } from "../config/config_resource.ts";
import { ZERO_UUID } from "../../lib/bytes.ts";
import { compress } from "../../protocol/records/compression.ts";
import { ClientGauges } from "./client_gauges.ts";
import { ClientTelemetry, type ClientTelemetryOptions, type TelemetryPush } from "./client_telemetry.ts";

const OPTIONS: ClientTelemetryOptions = {
  instancesMax: 3,
  pushBytesMax: 1_000,
  inflatedBytesMax: 10_000,
  pointsPerPushMax: 100,
  attributesPerPointMax: 10,
  clientsMax: 10,
  gaugesPerClientMax: 10,
  gaugesMax: 100,
};

function client(id: number, clientId = "app") {
  return {
    clientInstanceId: `00000000-0000-4000-8000-00000000000${id}`,
    clientId,
    softwareName: "apache-kafka-java",
    softwareVersion: "4.3.1",
    sourceAddress: "127.0.0.1",
    sourcePort: 1234,
  };
}

function telemetry(subscriptions: Record<string, Record<string, string>>, options = OPTIONS) {
  const made = new ClientTelemetry(options);
  configure(made, subscriptions);
  return made;
}

function configure(made: ClientTelemetry, subscriptions: Record<string, Record<string, string>>) {
  made.configure(
    new Map(
      Object.entries(subscriptions).map(([name, configs]) => [configKey("client-metrics", name), configs]),
    ),
  );
}

/** MetricsData with one gauge `name` of value 1. */
function payload(name = "m"): Uint8Array {
  const field = (number: number, body: number[]) => [number * 8 + 2, body.length, ...body];
  const point = field(1, [4 * 8 + 1, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
  const metric = field(2, [...field(1, [...new TextEncoder().encode(name)]), ...field(5, point)]);
  return Uint8Array.from(field(1, field(2, metric)));
}

function push(subscriptionId: number, change: Partial<TelemetryPush> = {}): TelemetryPush {
  return { subscriptionId, isTerminating: false, compressionType: 0, metrics: payload(), ...change };
}

function wishOf(made: ClientTelemetry, who = client(1), nowMs = 0) {
  const wish = made.subscribe(who, nowMs);
  assert.ok(!("error" in wish));
  return wish;
}

Deno.test("a client is asked for the metrics of the subscriptions that match it", () => {
  const made = telemetry({
    all: { metrics: "org.a.,org.b.", "interval.ms": "60000" },
    apps: {
      metrics: "org.b.,org.c.",
      "interval.ms": "1000",
      match: "client_id=app.*,client_source_address=127.*",
    },
    others: { metrics: "*", match: "client_software_name=librdkafka" },
  });
  const wish = wishOf(made);
  assert.deepEqual([wish.requestedMetrics, wish.pushIntervalMs], [["org.a.", "org.b.", "org.c."], 1_000]);
  const other = wishOf(made, client(2, "web"));
  assert.deepEqual([other.requestedMetrics, other.pushIntervalMs], [["org.a.", "org.b."], 60_000]);
  const rd = wishOf(made, { ...client(3), softwareName: "librdkafka" });
  assert.deepEqual(rd.requestedMetrics, ["*"]);
  const none = wishOf(telemetry({}));
  assert.deepEqual([none.requestedMetrics, none.pushIntervalMs], [[], 300_000]);
});

Deno.test("a client that asks or pushes before its time is refused, a changed wish is not", () => {
  const made = telemetry({ all: { metrics: "*", "interval.ms": "1000" } });
  const wish = wishOf(made);
  assert.deepEqual(made.subscribe(client(1), 500), { error: "THROTTLING_QUOTA_EXCEEDED" });
  assert.equal(
    made.push(client(1), push(wish.subscriptionId), 600),
    "NONE",
    "the first may come at any time",
  );
  assert.equal(made.push(client(1), push(wish.subscriptionId), 1_500), "THROTTLING_QUOTA_EXCEEDED");
  assert.equal(made.push(client(1), push(wish.subscriptionId), 1_600), "NONE");
  configure(made, { all: { metrics: "org.", "interval.ms": "1000" } });
  assert.equal(made.push(client(1), push(wish.subscriptionId), 2_600), "UNKNOWN_SUBSCRIPTION_ID");
  const changed = wishOf(made, client(1), 2_610);
  assert.notEqual(changed.subscriptionId, wish.subscriptionId);
  assert.equal(made.push(client(1), push(changed.subscriptionId), 2_620), "NONE");
});

Deno.test("pushes that cannot be taken have Kafka's errors", () => {
  const attempt = (change: Partial<TelemetryPush>, who = client(1)) => {
    const made = telemetry({ all: { metrics: "*", "interval.ms": "100" } });
    return made.push(who, push(wishOf(made).subscriptionId, change), 10);
  };
  for (const [compressionType, codec] of ["none", "gzip", "snappy", "lz4", "zstd"].entries()) {
    const metrics = compress(codec as "none", payload());
    assert.equal(attempt({ compressionType, metrics }), "NONE", codec);
  }
  assert.equal(attempt({ compressionType: 4, metrics: new Uint8Array() }), "NONE", "nothing to say");
  assert.equal(attempt({ compressionType: 5 }), "UNSUPPORTED_COMPRESSION_TYPE");
  assert.equal(attempt({ compressionType: -1 }), "UNSUPPORTED_COMPRESSION_TYPE");
  assert.equal(attempt({ metrics: new Uint8Array(1_001) }), "TELEMETRY_TOO_LARGE");
  const bomb = compress("gzip", new Uint8Array(100_000));
  assert.equal(attempt({ metrics: bomb, compressionType: 1 }), "TELEMETRY_TOO_LARGE");
  assert.equal(attempt({ metrics: Uint8Array.of(0x0a, 5) }), "INVALID_RECORD");
  assert.equal(attempt({ metrics: Uint8Array.of(1, 2, 3), compressionType: 4 }), "INVALID_RECORD");
  assert.equal(attempt({}, { ...client(1), clientInstanceId: ZERO_UUID }), "INVALID_REQUEST");
});

Deno.test("a client's last push may come early, and its numbers go with it", () => {
  const made = telemetry({ all: { metrics: "m,n.", "interval.ms": "1000" } });
  const { subscriptionId } = wishOf(made);
  made.push(client(1), push(subscriptionId), 10);
  assert.deepEqual(made.snapshot(20).clients.map(({ client, gauges }) => [client.clientId, gauges]), [
    ["app", [{ name: "m", attributes: [], value: 1 }]],
  ]);
  assert.equal(made.push(client(1), push(subscriptionId, { isTerminating: true }), 20), "NONE");
  assert.deepEqual(made.snapshot(30).clients, []);
  assert.equal(made.push(client(1), push(subscriptionId), 2_000), "INVALID_REQUEST");
});

Deno.test("numbers that nobody asked for are left out, and those of silent clients go", () => {
  const made = telemetry({ all: { metrics: "x.", "interval.ms": "1000" } });
  const { subscriptionId } = wishOf(made);
  made.push(client(1), push(subscriptionId), 10);
  assert.deepEqual(made.snapshot(20).clients[0]?.gauges, []);
  made.push(client(1), push(subscriptionId, { metrics: payload("x.y") }), 1_010);
  assert.equal(made.snapshot(4_009).clients[0]?.gauges.length, 1);
  assert.deepEqual(made.snapshot(4_010).clients, []);
});

Deno.test("what is remembered of clients is bounded", () => {
  const made = telemetry({});
  for (let i = 1; i < 9; i++) wishOf(made, client(i));
  assert.equal(made.instanceCount, OPTIONS.instancesMax);
  const gauges = new ClientGauges({ clientsMax: 2, gaugesPerClientMax: 3, gaugesMax: 4 });
  const points = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ name: `m${i}`, attributes: [], value: i, isDelta: false }));
  gauges.record(client(1), points(5), 100);
  gauges.record(client(2), points(5), 100);
  const counts = () => gauges.snapshot(0).clients.map((each) => each.gauges.length);
  assert.deepEqual([counts(), gauges.snapshot(0).droppedCount], [[3, 1], 6]);
  gauges.record(client(3), points(2), 100);
  assert.deepEqual(counts(), [1, 0], "the one silent longest made room for the next");
  gauges.record(client(3), points(2), 100);
  assert.deepEqual(counts(), [1, 2]);
  const delta = { name: "m0", attributes: [], value: 5, isDelta: true };
  gauges.record(client(3), [delta, delta], 100);
  assert.equal(gauges.snapshot(0).clients[1]?.gauges[0]?.value, 10);
});
