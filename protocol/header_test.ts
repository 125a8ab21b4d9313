import assert from "node:assert/strict";
import { ByteReader, ByteWriter, concat, DecodeError, EncodeError } from "../lib/bytes.ts";
import {
  decodeRequestHeader,
  decodeResponseHeader,
  encodeRequestFrame,
  encodeResponseFrame,
  requestHeaderVersion,
  responseHeaderVersion,
} from "./header.ts";
import { fetchApi } from "./messages/01_fetch.ts";
import { heartbeat } from "./messages/12_heartbeat.ts";
import { apiVersions } from "./messages/18_api_versions.ts";
import { decodeResponse } from "./schema/api.ts";

function bytes(write: (writer: ByteWriter) => void): ByteReader {
  const writer = new ByteWriter();
  write(writer);
  return new ByteReader(writer.toBytes());
}

Deno.test("flexible versions have request header 2 and response header 1, ApiVersions always response header 0", () => {
  assert.equal(requestHeaderVersion(heartbeat, 3), 1);
  assert.equal(requestHeaderVersion(heartbeat, 4), 2);
  assert.equal(responseHeaderVersion(heartbeat, 3), 0);
  assert.equal(responseHeaderVersion(heartbeat, 4), 1);
  assert.equal(requestHeaderVersion(apiVersions, 4), 2);
  assert.equal(responseHeaderVersion(apiVersions, 4), 0);
});

Deno.test("decodeRequestHeader() reads the header of an unknown API and of an unknown version", () => {
  const unknown = bytes((w) => {
    w.int16(999);
    w.int16(7);
    w.int32(5);
    w.nullableString(null);
    w.int8(1);
  });
  assert.deepEqual(decodeRequestHeader(unknown), {
    apiKey: 999,
    apiVersion: 7,
    correlationId: 5,
    clientId: null,
  });
  const newer = bytes((w) => {
    w.int16(18);
    w.int16(99);
    w.int32(6);
    w.nullableString("c");
    w.unsignedVarint(0);
  });
  assert.deepEqual(decodeRequestHeader(newer), {
    apiKey: 18,
    apiVersion: 99,
    correlationId: 6,
    clientId: "c",
  });
  assert.equal(newer.remaining, 0);
});

Deno.test("headers skip tagged fields that they do not know", () => {
  const request = bytes((w) => {
    w.int16(12);
    w.int16(4);
    w.int32(1);
    w.nullableString("c");
    w.unsignedVarint(1);
    w.unsignedVarint(3);
    w.unsignedVarint(2);
    w.int16(0);
    w.int8(42);
  });
  decodeRequestHeader(request);
  assert.equal(request.int8(), 42);
  const response = bytes((w) => {
    w.int32(8);
    w.unsignedVarint(1);
    w.unsignedVarint(0);
    w.unsignedVarint(1);
    w.int8(0);
    w.int8(42);
  });
  assert.equal(decodeResponseHeader(heartbeat, 4, response), 8);
  assert.equal(response.int8(), 42);
});

Deno.test("a header cut short is a DecodeError", () => {
  for (let size = 0; size < 10; size++) {
    assert.throws(() => decodeRequestHeader(new ByteReader(new Uint8Array(size))), DecodeError);
  }
});

Deno.test("encodeResponseFrame() does not copy stored batches, and counts them in the size", () => {
  const first = new Uint8Array(5000).fill(1);
  const second = new Uint8Array(6000).fill(2);
  const batches = [first, second];
  const partition = {
    partitionIndex: 0,
    errorCode: 0,
    highWatermark: 9,
    abortedTransactions: null,
    records: batches,
  };
  const parts = encodeResponseFrame(fetchApi, 12, 77, {
    errorCode: 0,
    responses: [{ topic: "orders", partitions: [partition] }],
  });
  assert(parts.includes(first) && parts.includes(second));
  const reader = new ByteReader(concat(parts));
  assert.equal(reader.int32(), reader.remaining);
  assert.equal(decodeResponseHeader(fetchApi, 12, reader), 77);
  assert.deepEqual(
    decodeResponse(fetchApi, 12, reader).responses[0]?.partitions[0]?.records,
    concat(batches),
  );
});

Deno.test("a failed encoding leaves nothing behind for the next one", () => {
  const good = { groupId: "g", generationId: 1, memberId: "m" };
  const before = encodeRequestFrame(heartbeat, 4, 1, "c", good);
  assert.throws(() => encodeRequestFrame(heartbeat, 4, 1, "c", { ...good, generationId: 0.5 }), EncodeError);
  assert.deepEqual(encodeRequestFrame(heartbeat, 4, 1, "c", good), before);
});
