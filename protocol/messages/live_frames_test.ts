/** The tables against what real clients sent to Apache Kafka 4.3.1: see tests/fixtures/frames-live/README.md. */
import assert from "node:assert/strict";
import { ByteReader, concat } from "../../lib/bytes.ts";
import {
  decodeRequestHeader,
  decodeResponseHeader,
  encodeRequestFrame,
  encodeResponseFrame,
} from "../header.ts";
import { type Api, decodeRequest, supportsVersion } from "../schema/api.ts";
import { type LiveFrame, readLiveFrames } from "../../tests/fixtures/live_frames.ts";
import { apiByKey } from "./all.ts";

/** APIs that the clients also used; their frames are left out for as long as they have no table. */
const MAY_LACK_A_TABLE: ReadonlySet<number> = new Set([46, 75]);

const CLIENTS = [
  "kafka_python",
  "confluent",
  "kcat",
  "java",
  "kafkajs",
  "platformatic",
  "franz_go",
  "sarama",
  "segmentio_kafka_go",
];

for (const client of CLIENTS) {
  Deno.test(`frames of ${client}: decoded, and encoded to the same bytes`, () => {
    let compared = 0;
    for (const frame of readLiveFrames(client)) {
      const api = apiByKey.get(frame.api);
      if (api === undefined) {
        assert(MAY_LACK_A_TABLE.has(frame.api), `API ${frame.api} has no table`);
        continue;
      }
      if (!supportsVersion(api, frame.version)) {
        // A probe in a version of tomorrow, which Kafka answers in version 0.
        assert.equal(api.name, "ApiVersions", `${api.name} ${frame.version}`);
        continue;
      }
      const bytes = Uint8Array.fromHex(frame.hex);
      const again = frame.direction === "request"
        ? requestAgain(api, frame, bytes)
        : responseAgain(api, frame, bytes);
      const sent = bytes.subarray(0, bytes.length - (frame.leftOver ?? 0));
      assert.equal(again.toHex(), sent.toHex(), `${api.name} ${frame.direction} ${frame.version}`);
      compared++;
    }
    assert(compared >= 40, `${compared} frames`);
  });
}

function requestAgain(api: Api, frame: LiveFrame, bytes: Uint8Array): Uint8Array {
  const reader = new ByteReader(bytes);
  const header = decodeRequestHeader(reader);
  assert.equal(header.apiKey, frame.api);
  assert.equal(header.apiVersion, frame.version);
  const value = decodeRequest(api, frame.version, reader);
  assert.equal(
    reader.remaining,
    frame.leftOver ?? 0,
    `${api.name} request ${frame.version}: bytes left over`,
  );
  return withoutSize(encodeRequestFrame(api, frame.version, header.correlationId, header.clientId, value));
}

function responseAgain(api: Api, frame: LiveFrame, bytes: Uint8Array): Uint8Array {
  const reader = new ByteReader(bytes);
  const correlationId = decodeResponseHeader(api, frame.version, reader);
  const value = api.response.decode(reader, frame.version);
  reader.end();
  return withoutSize(encodeResponseFrame(api, frame.version, correlationId, value));
}

function withoutSize(parts: readonly Uint8Array[]): Uint8Array {
  return concat(parts).subarray(4);
}
