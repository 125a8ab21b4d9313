/** Connections that say nothing, little, or more than they read. */

import assert from "node:assert/strict";
import { limits } from "../../../core/config/limits.ts";
import { concat } from "../../../lib/bytes.ts";
import { metadata } from "../../../protocol/messages/03_metadata.ts";
import { apiVersions } from "../../../protocol/messages/18_api_versions.ts";
import { BOOTSTRAP, LONG } from "../clients/suite.ts";
import { frame } from "./peer.ts";
import { int32, othersAreWell, row } from "./row.ts";
import { openFilesMax, residentMb } from "./server_memory.ts";

const SILENT_CONNECTIONS = LONG ? 5_000 : 500;
/** As many as the server takes, less those of the others; fewer in the short form, and where files are few. */
const IDLE_CONNECTIONS = Math.min(LONG ? 9_900 : 2_000, openFilesMax() - 200, openFilesMax("self") - 200);
/** An idle connection costs a buffer of the runtime, a promise and some objects. */
const IDLE_KB_MAX = 30;

const [hostname = "", port = ""] = BOOTSTRAP.split(":");
const connect = () => Deno.connect({ hostname, port: Number(port) });

/** What is no request at all. */
const NO_REQUESTS: Readonly<Record<string, Uint8Array>> = {
  "size -1": int32(-1),
  "size 0": concat([int32(0), new Uint8Array(8)]),
  "size 3, less than a header": concat([int32(3), new Uint8Array(8)]),
  "size of 2^31-1": int32(0x7fff_ffff),
  "size of one byte more than may be": int32(limits.requestFrameBytesMax + 1),
  "a TLS hello": Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03),
  "an HTTP request": new TextEncoder().encode("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
};

export async function connectionRows(): Promise<void> {
  for (const [name, wire] of Object.entries(NO_REQUESTS)) {
    await row(`${name}: closed, at once`, async (peer) => {
      await peer.send(wire);
      assert.equal(await peer.reply(), null);
    });
  }

  await row(`${SILENT_CONNECTIONS} connections that say "1 MB follows" and fall silent`, async () => {
    const silent: Deno.TcpConn[] = [];
    const before = residentMb();
    try {
      for (let i = 0; i < SILENT_CONNECTIONS; i++) {
        const conn = await connect();
        silent.push(conn);
        await conn.write(int32(1_000_000));
      }
      await othersAreWell();
      const grown = residentMb() - before;
      assert.ok(!(grown > 200), `the server grew by ${grown.toFixed(0)} MB`);
      return `${grown.toFixed(0)} MB more`;
    } finally {
      for (const conn of silent) conn.close();
    }
  });

  await row(`${IDLE_CONNECTIONS} connections that say nothing`, async () => {
    const idle: Deno.TcpConn[] = [];
    const before = residentMb();
    try {
      while (idle.length < IDLE_CONNECTIONS) {
        idle.push(...await Promise.all(Array.from({ length: 100 }, connect)));
      }
      await othersAreWell();
      const grown = residentMb() - before;
      const grownMax = 32 + IDLE_CONNECTIONS * IDLE_KB_MAX / 1024;
      assert.ok(!(grown > grownMax), `the server grew by ${grown.toFixed(0)} MB`);
      // They are there, and not closed for being many.
      for (const conn of [idle[0], idle.at(-1)]) {
        assert.ok(conn);
        await conn.write(frame(apiVersions, 0, {}));
        assert.ok((await conn.read(new Uint8Array(100)) ?? 0) > 0, "an idle connection is closed");
      }
      return `${(grown * 1024 / IDLE_CONNECTIONS).toFixed(1)} KB each`;
    } finally {
      for (const conn of idle) conn.close();
    }
  }, { peakMbMax: 32 + IDLE_CONNECTIONS * IDLE_KB_MAX / 1024 });

  await row("a request that comes one byte at a time disturbs nobody", async (peer) => {
    for (const byte of frame(apiVersions, 0, {})) {
      await peer.send(Uint8Array.of(byte));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.notEqual(await peer.reply(), null);
  });

  await row("10,000 requests whose answers nobody reads", async (peer) => {
    const request = frame(metadata, 1, { topics: null });
    const before = residentMb();
    // The server stops reading, so the write does not come to its end.
    const flood = peer.send(concat(Array.from({ length: 10_000 }, () => request)));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await othersAreWell();
    const grown = residentMb() - before;
    assert.ok(!(grown > 150), `the server grew by ${grown.toFixed(0)} MB`);
    peer[Symbol.dispose]();
    await flood;
    return `${grown.toFixed(0)} MB more`;
  });
}
