import assert from "node:assert/strict";
import {
  accessGrainMs,
  endless,
  expiryMs,
  forkLifetime,
  inheritedSegments,
  matchesWish,
  type StreamRecord,
} from "./stream_record.ts";

const record: StreamRecord = {
  path: "a/b",
  streamId: "00000000-0000-4000-8000-000000000001",
  state: "ACTIVE",
  topic: "a-b",
  contentType: "text/plain; charset=utf-8",
  createdAtMs: 1,
  lastAccessMs: 1_000,
  lifetime: endless,
  wishedLifetime: endless,
  base: 10,
  segments: [{ topicId: "00000000-0000-4000-8000-000000000000", base: 0, end: 10 }],
  fork: null,
  forkCount: 0,
};

const wish = { contentType: "TEXT/plain", lifetime: endless, fork: null };

Deno.test("a repeated creation is the same whatever the case and the parameters of its type", () => {
  assert.equal(matchesWish(record, wish), true);
  assert.equal(matchesWish(record, { ...wish, contentType: "text/html" }), false);
  assert.equal(matchesWish(record, { ...wish, lifetime: { ttlSeconds: 1, expiresAtMs: null } }), false);
  assert.equal(matchesWish(record, { ...wish, lifetime: { ttlSeconds: null, expiresAtMs: 1 } }), false);
  assert.equal(matchesWish(record, { ...wish, fork: { from: "x", offset: 0, subOffset: 0 } }), false);
});

Deno.test("a repeated fork is the same at the same place of the same source", () => {
  const origin = { from: "x", sourceId: record.streamId, offset: 4, offsetGiven: true, subOffset: 2 };
  const fork = { ...record, fork: origin };
  const asked = { from: "x", offset: 4, subOffset: 2 };
  assert.equal(matchesWish(fork, { ...wish, contentType: null, fork: asked }), true);
  for (const other of [{ ...asked, from: "y" }, { ...asked, offset: 5 }, { ...asked, subOffset: 0 }]) {
    assert.equal(matchesWish(fork, { ...wish, fork: other }), false);
  }
  assert.equal(matchesWish(fork, { ...wish, fork: { ...asked, offset: null } }), false);
  const atTail = { ...record, fork: { ...origin, offsetGiven: false } };
  assert.equal(matchesWish(atTail, { ...wish, fork: { ...asked, offset: null } }), true);
});

Deno.test("a fork reads its ancestors up to where it left them", () => {
  const [first] = record.segments;
  assert.deepEqual(inheritedSegments(record, 15), [first, { topicId: record.streamId, base: 10, end: 15 }]);
  assert.deepEqual(inheritedSegments(record, 10), [first]);
  assert.deepEqual(inheritedSegments(record, 4), [{ ...first, end: 4 }]);
  assert.deepEqual(inheritedSegments(record, 0), []);
});

Deno.test("lifetimes: sliding from the last access, absolute, or none; a fork inherits where it has none", () => {
  const sliding = { ttlSeconds: 2, expiresAtMs: null };
  assert.equal(expiryMs(record), Infinity);
  assert.equal(expiryMs({ ...record, lifetime: sliding }), 3_000);
  assert.equal(expiryMs({ ...record, lifetime: { ttlSeconds: null, expiresAtMs: 7 } }), 7);
  assert.deepEqual(forkLifetime(endless, sliding), sliding);
  assert.deepEqual(forkLifetime({ ttlSeconds: 9, expiresAtMs: null }, sliding).ttlSeconds, 9);
  assert.equal(accessGrainMs(sliding), 1_000);
  assert.equal(accessGrainMs({ ttlSeconds: 80, expiresAtMs: null }), 10_000);
});
