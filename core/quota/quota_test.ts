import assert from "node:assert/strict";
import { configKey } from "../config/config_resource.ts";
import { ClientQuotas } from "./client_quotas.ts";
import { changeQuotas, quotaEntityFault, quotaEntityName, quotaEntityParts } from "./quota_entity.ts";
import { matchesQuotaFilter, quotaFilterFault } from "./quota_filter.ts";
import { RateMeter, TokenBucket } from "./rate_meter.ts";

const WINDOW = { sampleCount: 11, sampleMs: 1_000 };

function parts(entity: Record<string, string | null>) {
  return Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName }));
}

Deno.test("RateMeter throttles as Kafka 4.3.1 was seen to", () => {
  const meter = new RateMeter(WINDOW);
  meter.record(1_000, 0);
  assert.equal(meter.throttleMs(10_000, 0), 0);
  meter.record(50_000, 20);
  assert.equal(meter.throttleMs(10_000, 20), 0);
  meter.record(100_000, 40);
  // 151,000 bytes in what counts as ten seconds are 15,100 a second.
  assert.ok(Math.abs(meter.throttleMs(10_000, 40) - 5_060) <= 60);
  assert.equal(meter.throttleMs(10_000, 11_000), 0, "the samples are too old");
});

Deno.test("RateMeter comes down to its bound in the time that it told", () => {
  const meter = new RateMeter(WINDOW);
  meter.record(200_000, 0);
  const throttleMs = meter.throttleMs(10_000, 0);
  assert.equal(throttleMs, 10_000);
  assert.ok(meter.throttleMs(10_000, 500) > 0);
  assert.equal(meter.throttleMs(10_000, throttleMs + 1_000), 0);
});

Deno.test("TokenBucket lends once and then waits until it is paid back", () => {
  const bucket = new TokenBucket(WINDOW);
  bucket.take(1, 1, 0);
  bucket.take(5, 1, 0);
  assert.equal(bucket.throttleMs(1, 0), 0);
  bucket.take(12, 1, 0);
  assert.equal(bucket.throttleMs(1, 0), 7_000);
  assert.equal(bucket.throttleMs(1, 5_000), 2_000);
  assert.equal(bucket.throttleMs(1, 7_000), 0);
  bucket.take(11, 1, 1_000_000);
  assert.equal(bucket.throttleMs(1, 1_000_000), 0, "no more is saved than a window brings");
  bucket.take(1, 1, 1_000_000);
  assert.equal(bucket.throttleMs(1, 1_000_000), 1_000);
});

Deno.test("changeQuotas() takes and refuses what Kafka does", () => {
  const change = (entity: Record<string, string | null>, key: string, value: number) => {
    const changed = changeQuotas(parts(entity), {}, [{ key, value, remove: false }]);
    return "fault" in changed ? null : changed.quotas[key];
  };
  assert.equal(change({ "client-id": "c" }, "producer_byte_rate", 1_000), "1000");
  assert.equal(change({ user: null, "client-id": null }, "controller_mutation_rate", 0.5), "0.5");
  assert.equal(change({ "client-id": "c" }, "request_percentage", 0.001), "0.001");
  assert.equal(change({ ip: "1.2.3.4" }, "connection_creation_rate", 1), "1");
  assert.equal(change({ ip: "::1" }, "connection_creation_rate", 1), "1");
  for (
    const [entity, key, value] of [
      [{ "client-id": "c" }, "nope", 1],
      [{ "client-id": "c" }, "__proto__", 1],
      [{ "client-id": "c" }, "producer_byte_rate", -1],
      [{ "client-id": "c" }, "producer_byte_rate", 0],
      [{ "client-id": "c" }, "producer_byte_rate", NaN],
      [{ "client-id": "c" }, "producer_byte_rate", 100.5],
      [{ "client-id": "c" }, "connection_creation_rate", 1],
      [{ ip: "1.2.3.4" }, "producer_byte_rate", 1],
      [{ ip: "not an ip" }, "connection_creation_rate", 1],
      [{ ip: "1.2.3.400" }, "connection_creation_rate", 1],
      [{ ip: "1.2.3.4", user: "u" }, "connection_creation_rate", 1],
      [{ nope: "c" }, "producer_byte_rate", 1],
      [{ user: "" }, "producer_byte_rate", 1],
      [{ user: "u".repeat(1_000) }, "producer_byte_rate", 1],
      [{}, "producer_byte_rate", 1],
    ] as const
  ) {
    assert.equal(change(entity, key, value), null, `${JSON.stringify(entity)} ${key} ${value}`);
  }
  const removed = changeQuotas(parts({ user: "u" }), { producer_byte_rate: "5" }, [
    { key: "producer_byte_rate", value: 0, remove: true },
  ]);
  assert.deepEqual(removed, { quotas: {} });
  const twice = { key: "producer_byte_rate", value: 1, remove: false };
  assert.ok("fault" in changeQuotas(parts({ user: "u" }), {}, [twice, twice]));
  assert.match(quotaEntityFault([...parts({ user: "a" }), ...parts({ user: "b" })]) ?? "", /twice/);
});

Deno.test("an entity's name is the same in any order and leads back", () => {
  const name = quotaEntityName(parts({ user: "u", "client-id": null }));
  assert.equal(name, quotaEntityName(parts({ "client-id": null, user: "u" })));
  assert.deepEqual(quotaEntityParts(name), parts({ "client-id": null, user: "u" }));
});

Deno.test("matchesQuotaFilter() selects as Kafka 4.3.1 was seen to", () => {
  const both = parts({ user: null, "client-id": null });
  const match = (entityType: string, matchType: number, name: string | null = null) => [
    { entityType, matchType, match: name },
  ];
  assert.equal(matchesQuotaFilter(both, [], false), true);
  assert.equal(matchesQuotaFilter(both, [], true), false);
  assert.equal(matchesQuotaFilter(both, match("user", 2), false), true);
  assert.equal(matchesQuotaFilter(both, match("user", 2), true), false);
  assert.equal(matchesQuotaFilter(both, match("user", 1), false), true);
  assert.equal(matchesQuotaFilter(both, match("user", 0, "u"), false), false);
  assert.equal(matchesQuotaFilter(parts({ user: "u" }), match("user", 0, "u"), true), true);
  assert.equal(matchesQuotaFilter(parts({ user: "u" }), match("user", 1), true), false);
  assert.equal(matchesQuotaFilter(parts({ ip: "1.2.3.4" }), match("user", 2), false), false);
  const fault = (...components: ReturnType<typeof match>) => quotaFilterFault(components)?.error ?? null;
  assert.equal(fault(...match("user", 2), ...match("client-id", 0, "c")), null);
  assert.equal(fault(...match("nope", 2)), "UNSUPPORTED_VERSION");
  for (
    const wrong of [
      [...match("ip", 2), ...match("user", 2)],
      [...match("user", 2), ...match("user", 0, "x")],
      match("user", 5),
      match("", 0, "x"),
      match("user", 0),
      match("user", 1, "x"),
    ]
  ) assert.equal(fault(...wrong), "INVALID_REQUEST");
});

function quotas(
  set: readonly (readonly [Record<string, string | null>, Record<string, string>])[],
  metersMax = 100,
) {
  const made = new ClientQuotas({ window: WINDOW, mutationWindow: WINDOW, metersMax });
  made.configure(
    new Map(set.map(([entity, values]) => [configKey("quota", quotaEntityName(parts(entity))), values])),
  );
  return made;
}

Deno.test("the most specific quota holds, and defaults are each client's own", () => {
  const order = [
    { user: "u", "client-id": "c" },
    { user: "u", "client-id": null },
    { user: "u" },
    { user: null, "client-id": "c" },
    { user: null, "client-id": null },
    { user: null },
    { "client-id": "c" },
    { "client-id": null },
  ];
  for (const [index, entity] of order.entries()) {
    const weaker = order.slice(index + 1).map((each) => [each, { producer_byte_rate: "1000000" }] as const);
    const made = quotas([...weaker, [entity, { producer_byte_rate: "10" }]]);
    const client = { user: "u", clientId: "c" };
    assert.ok(made.record("producer_byte_rate", client, 1_000, 0) > 0, JSON.stringify(entity));
    assert.equal(made.record("request_percentage", client, 1_000, 0), 0);
  }
  const defaults = quotas([[{ "client-id": null }, { producer_byte_rate: "10" }]]);
  assert.ok(defaults.record("producer_byte_rate", { user: "u", clientId: "a" }, 1_000, 0) > 0);
  assert.equal(defaults.record("producer_byte_rate", { user: "u", clientId: "b" }, 100, 0), 0);
  const ofUser = quotas([[{ user: "u" }, { producer_byte_rate: "10" }]]);
  assert.equal(ofUser.record("producer_byte_rate", { user: "u", clientId: "a" }, 100, 0), 0);
  assert.ok(
    ofUser.record("producer_byte_rate", { user: "u", clientId: "b" }, 100, 0) > 0,
    "a user's clients share",
  );
});

Deno.test("answers that are held back are not counted, and none is larger than a window", () => {
  const made = quotas([[{ "client-id": "c" }, { consumer_byte_rate: "20000" }]]);
  const client = { user: "u", clientId: "c" };
  assert.equal(made.windowMax("consumer_byte_rate", client), 200_000);
  assert.equal(made.windowMax("consumer_byte_rate", { user: "u", clientId: "d" }), Infinity);
  assert.equal(made.admit("consumer_byte_rate", client, 200_000, 0), 0);
  const throttleMs = made.admit("consumer_byte_rate", client, 200_000, 0);
  assert.equal(throttleMs, 10_000);
  assert.equal(made.admit("consumer_byte_rate", client, 200_000, 0), throttleMs);
  assert.equal(made.admit("consumer_byte_rate", client, 200_000, 11_000), 0);
  assert.equal(
    made.admit("consumer_byte_rate", client, 5_000_000, 30_000),
    0,
    "a batch larger than a window passes",
  );
  assert.ok(made.admit("consumer_byte_rate", client, 1, 30_000) > 0);
});

Deno.test("a request's time throttles for a sample at most; connections are counted by address", () => {
  const made = quotas([
    [{ "client-id": "c" }, { request_percentage: "1" }],
    [{ ip: null }, { connection_creation_rate: "1" }],
    [{ ip: "9.9.9.9" }, { connection_creation_rate: "100" }],
  ]);
  assert.equal(made.record("request_percentage", { user: "u", clientId: "c" }, 1_000, 0), 1_000);
  const connections = (address: string) =>
    Array.from({ length: 15 }, () => made.recordConnection(address, 0)).filter((ms) => ms === 0).length;
  assert.deepEqual([connections("1.1.1.1"), connections("9.9.9.9")], [10, 15]);
});

Deno.test("clients that are measured are bounded, and none without quotas", () => {
  const made = quotas([[{ "client-id": null }, { producer_byte_rate: "10" }]], 5);
  for (let i = 0; i < 20; i++) made.record("producer_byte_rate", { user: "u", clientId: String(i) }, 1, 0);
  assert.equal(made.meterCount, 5);
  made.configure(new Map());
  assert.equal(made.meterCount, 0);
  assert.equal(made.record("producer_byte_rate", { user: "u", clientId: "1" }, 1e9, 0), 0);
});
