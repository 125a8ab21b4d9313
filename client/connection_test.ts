import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import type { Conn, Env } from "../lib/env.ts";
import { errorCode } from "../protocol/errors.ts";
import { apiVersions } from "../protocol/messages/18_api_versions.ts";
import { heartbeat } from "../protocol/messages/12_heartbeat.ts";
import { metadata } from "../protocol/messages/03_metadata.ts";
import { Connection } from "./connection.ts";
import { ConnectionError, ProtocolViolationError, TimeoutError, UnsupportedVersionError } from "./errors.ts";
import { CLOSE, FakeBroker, sendAll, SILENCE } from "./testkit.ts";

function open(env: Env, change: { requestTimeoutMs?: number } = {}): Promise<Connection> {
  return Connection.open(env, {
    hostname: "memory",
    port: 1,
    clientId: "test",
    requestTimeoutMs: 5_000,
    connectTimeoutMs: 5_000,
    frameBytesMax: 1000,
    ...change,
  });
}

const anyTopic = { topics: [] };

Deno.test("Connection answers pipelined requests in order", async () => {
  const broker = new FakeBroker({ a: 1, b: 2 });
  const connection = await open(broker.env(realEnv()));
  const responses = await Promise.all(
    ["a", "b", "a"].map((name) => connection.request(metadata, { topics: [{ name }] })),
  );
  assert.deepEqual(responses.map((response) => response.topics[0]?.name), ["a", "b", "a"]);
  connection.close();
});

Deno.test("Connection takes the best common version, and asks again as the broker says (KIP-511)", async () => {
  const broker = new FakeBroker({});
  broker.on(apiVersions, (_, version) => ({
    // What a broker answers to versions that it does not know comes in version 0: see the encoding below.
    errorCode: version > 3 ? errorCode("INVALID_REQUEST") : 0,
    apiKeys: [
      { apiKey: apiVersions.key, minVersion: 0, maxVersion: 3 },
      { apiKey: metadata.key, minVersion: 1, maxVersion: 5 },
      { apiKey: heartbeat.key, minVersion: 90, maxVersion: 99 },
    ],
  }));
  const env = broker.env(realEnv());
  const old: Env = { ...env, connect: () => Promise.resolve(answeringFirstInVersion0(broker.connect())) };
  const connection = await open(old);
  assert.equal(connection.version(metadata), 5);
  assert.equal(connection.version(metadata, 2), 2);
  assert.equal(connection.version(heartbeat), null);
  const value = { groupId: "g", generationId: 0, memberId: "" };
  await assert.rejects(connection.request(heartbeat, value), UnsupportedVersionError);
  connection.close();
});

/** Replaces the first response by UNSUPPORTED_VERSION in version 0 with the range of ApiVersions. */
function answeringFirstInVersion0(conn: Conn): Conn {
  const response = Uint8Array.from([
    ...[0, 0, 0, 16, 0, 0, 0, 0, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 3],
  ]);
  let skip: number | null = null;
  let sent = false;
  return {
    remoteAddress: conn.remoteAddress,
    write: (bytes) => conn.write(bytes),
    close: () => conn.close(),
    read: async (buffer) => {
      while (skip === null || skip > 0) {
        const chunk = new Uint8Array(skip ?? 4);
        const count = await conn.read(chunk);
        if (count === null) return null;
        if (skip === null) {
          for (let at = count; at < 4;) at += await conn.read(chunk.subarray(at)) ?? 4;
          skip = new DataView(chunk.buffer).getInt32(0);
        } else skip -= count;
      }
      if (sent) return await conn.read(buffer);
      sent = true;
      buffer.set(response);
      return response.length;
    },
  };
}

Deno.test("Connection breaks when a response misses its deadline, and rejects all that wait behind it", async () => {
  const broker = new FakeBroker({});
  broker.on(metadata, () => SILENCE);
  const connection = await open(broker.env(realEnv()), { requestTimeoutMs: 20 });
  const outcomes = await Promise.allSettled([
    connection.request(metadata, anyTopic),
    connection.request(metadata, anyTopic, { timeoutMs: 10_000 }),
  ]);
  for (const outcome of outcomes) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof TimeoutError);
  }
  assert.equal(connection.isOpen, false);
  await assert.rejects(connection.request(metadata, anyTopic), TimeoutError);
});

Deno.test("Connection rejects what waits when the broker closes", async () => {
  const broker = new FakeBroker({});
  broker.on(metadata, () => CLOSE);
  const connection = await open(broker.env(realEnv()));
  await assert.rejects(connection.request(metadata, anyTopic), ConnectionError);
  assert.equal(connection.isOpen, false);
});

Deno.test("Connection accepts frames up to its limit and none beyond", async () => {
  const broker = new FakeBroker(Object.fromEntries([["a".repeat(200), 1], ["b".repeat(249), 60]]));
  const connection = await open(broker.env(realEnv()));
  await connection.request(metadata, { topics: [{ name: "a".repeat(200) }] });
  await assert.rejects(
    connection.request(metadata, { topics: [{ name: "b".repeat(249) }] }),
    ProtocolViolationError,
  );
});

Deno.test("Connection ends at once when the other side speaks another language", async () => {
  const broker = new FakeBroker({});
  const http: Env = {
    ...broker.env(realEnv()),
    connect: () => {
      let isFirst = true;
      const bytes = new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n");
      return Promise.resolve({
        remoteAddress: "",
        write: (chunk: Uint8Array) => Promise.resolve(chunk.length),
        close: () => {},
        read: (buffer: Uint8Array) => {
          if (!isFirst) return Promise.resolve(null);
          isFirst = false;
          buffer.set(bytes);
          return Promise.resolve(bytes.length);
        },
      });
    },
  };
  await assert.rejects(open(http), ProtocolViolationError);
});

Deno.test("Connection refuses a response that nobody asked for", async () => {
  const broker = new FakeBroker({});
  let serverEnd: Conn | null = null;
  const env: Env = {
    ...broker.env(realEnv()),
    connect: () => {
      const conn = broker.connect();
      serverEnd = (conn as unknown as { peer: Conn }).peer;
      return Promise.resolve(conn);
    },
  };
  const stray = Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 9);
  const idle = await open(env);
  assert.ok(serverEnd !== null);
  await sendAll(serverEnd, stray);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(idle.isOpen, false);

  broker.on(metadata, () => SILENCE);
  const waiting = await open(env);
  const request = assert.rejects(
    waiting.request(metadata, anyTopic, { versionMax: 8 }),
    /correlation id 9, expected 1/,
  );
  await sendAll(serverEnd, stray);
  await request;
});
