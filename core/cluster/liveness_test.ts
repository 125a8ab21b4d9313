import assert from "node:assert/strict";
import { type BrokerRegistry, expireBrokers, heartbeatBroker, registerBroker } from "./liveness.ts";

const registration = { brokerId: 1, host: "h", port: 9092, rack: null, incarnation: "a" };

function registered(): { brokers: BrokerRegistry; epoch: number } {
  return registerBroker(new Map(), registration, 1_000);
}

Deno.test("registerBroker() gives every registration a higher epoch", () => {
  const first = registered();
  const second = registerBroker(first.brokers, { ...registration, incarnation: "b" }, 1_500);
  assert.ok(second.epoch > first.epoch);
  assert.equal(second.brokers.get(1)?.incarnation, "b");
});

Deno.test("heartbeatBroker() refuses a former incarnation's epoch and unknown brokers", () => {
  const first = registered();
  const second = registerBroker(first.brokers, { ...registration, incarnation: "b" }, 1_500);
  assert.equal(heartbeatBroker(second.brokers, 1, first.epoch, 2_000).answer, "STALE_BROKER_EPOCH");
  assert.equal(heartbeatBroker(second.brokers, 1, second.epoch, 2_000).answer, "NONE");
  assert.equal(heartbeatBroker(second.brokers, 9, 1, 2_000).answer, "BROKER_ID_NOT_REGISTERED");
});

Deno.test("expireBrokers() marks the silent dead, and only a new registration revives them", () => {
  const { brokers, epoch } = registered();
  assert.deepEqual(expireBrokers(brokers, 10_000, 9_000).expired, []);
  const kept = heartbeatBroker(brokers, 1, epoch, 5_000).brokers;
  assert.deepEqual(expireBrokers(kept, 10_001, 9_000).expired, []);
  const expired = expireBrokers(brokers, 10_001, 9_000);
  assert.deepEqual(expired.expired, [1]);
  assert.equal(heartbeatBroker(expired.brokers, 1, epoch, 10_002).answer, "STALE_BROKER_EPOCH");
  assert.equal(registerBroker(expired.brokers, registration, 11_000).brokers.get(1)?.alive, true);
});
