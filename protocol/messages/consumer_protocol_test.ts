import assert from "node:assert/strict";
import { DecodeError } from "../../lib/bytes.ts";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "./consumer_protocol.ts";

const owned = [{ topic: "orders", partitions: [0, 2] }];

Deno.test("a subscription of a newer version is read as version 3, its rest ignored", () => {
  const payload = encodeSubscription(3, {
    topics: ["orders"],
    ownedPartitions: owned,
    generationId: 4,
    rackId: "r",
  });
  const newer = new Uint8Array(payload.length + 5);
  newer.set(payload);
  newer[1] = 9;
  assert.deepEqual(decodeSubscription(newer), {
    topics: ["orders"],
    userData: null,
    ownedPartitions: owned,
    generationId: 4,
    rackId: "r",
    version: 3,
  });
});

Deno.test("fields that a version lacks have their defaults", () => {
  const payload = encodeSubscription(0, { topics: ["orders"], ownedPartitions: owned, generationId: 4 });
  const { ownedPartitions, generationId, rackId } = decodeSubscription(payload);
  assert.deepEqual({ ownedPartitions, generationId, rackId }, {
    ownedPartitions: [],
    generationId: -1,
    rackId: null,
  });
});

Deno.test("an empty assignment payload assigns nothing", () => {
  assert.deepEqual(decodeAssignment(new Uint8Array(0)), {
    assignedPartitions: [],
    userData: null,
    version: 0,
  });
  assert.deepEqual(
    decodeAssignment(encodeAssignment(1, { assignedPartitions: owned })).assignedPartitions,
    owned,
  );
});

Deno.test("a payload cut short or of a negative version is a DecodeError", () => {
  const payload = encodeSubscription(1, { topics: ["orders"], ownedPartitions: owned });
  assert.throws(() => decodeSubscription(payload.subarray(0, payload.length - 1)), DecodeError);
  assert.throws(() => decodeSubscription(Uint8Array.from([0xff, 0xff])), DecodeError);
  assert.throws(() => decodeSubscription(new Uint8Array(0)), DecodeError);
});
