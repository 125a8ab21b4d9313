/** What the types of a table promise; the checks are made by the compiler. */
import assert from "node:assert/strict";
import { InvariantError } from "../../lib/invariant.ts";
import type { FetchRequestInput, FetchResponse, FetchResponseInput } from "../messages/01_fetch.ts";
import type { HeartbeatRequest, HeartbeatRequestInput } from "../messages/12_heartbeat.ts";
import { int32, struct } from "./fields.ts";
import { contains, versionRange } from "./version_range.ts";

Deno.test("types: fields with a default or not in all versions may be left out of the input, never of the result", () => {
  const input: HeartbeatRequestInput = { groupId: "g", generationId: 1, memberId: "m" };
  // @ts-expect-error groupId is in all versions and has no default
  const withoutGroup: HeartbeatRequestInput = { generationId: 1, memberId: "m" };
  // @ts-expect-error a decoded request has every field
  const incomplete: HeartbeatRequest = { groupId: "g", generationId: 1, memberId: "m" };
  const complete: HeartbeatRequest = { ...input, groupInstanceId: null };
  // @ts-expect-error null only where the table allows it
  const withNull: HeartbeatRequestInput = { ...input, groupId: null };
  // @ts-expect-error names that the table lacks
  const unknown: HeartbeatRequestInput = { ...input, groupID: "g" };
  // What was decoded can be encoded.
  const again: HeartbeatRequestInput = complete;
  assert.equal([input, withoutGroup, incomplete, withNull, unknown, again].length, 6);
});

Deno.test("types: elements of arrays follow the same rules; records may be given in parts", () => {
  const records = [new Uint8Array(1), new Uint8Array(2)];
  const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 1, abortedTransactions: null };
  const inParts: FetchResponseInput = { responses: [{ partitions: [{ ...partition, records }] }] };
  // @ts-expect-error records must be given, if only as null
  const withoutRecords: FetchResponseInput = { responses: [{ partitions: [partition] }] };
  const decoded = (response: FetchResponse): Uint8Array | null | undefined =>
    response.responses[0]?.partitions[0]?.records;
  const request: FetchRequestInput = { maxWaitMs: 1, minBytes: 1, topics: [] };
  assert.equal([inParts, withoutRecords, decoded, request].length, 4);
});

Deno.test("struct() rejects names that are no identifiers, for they become code", () => {
  assert.throws(() => struct({ "a;b": int32("0+") }), InvariantError);
  assert.throws(() => struct({ "0": int32("0+") }), InvariantError);
});

Deno.test("versionRange() reads open, closed and single ranges, and rejects others", () => {
  assert.deepEqual(versionRange("3+"), { min: 3, max: Infinity });
  assert.deepEqual(versionRange("0-2"), { min: 0, max: 2 });
  assert.deepEqual(versionRange("7"), { min: 7, max: 7 });
  assert.equal(contains(versionRange("none"), 0), false);
  for (const text of ["", "3-", "5-2", "a", "1+2"]) assert.throws(() => versionRange(text), InvariantError);
});
