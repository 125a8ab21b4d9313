import assert from "node:assert/strict";
import type { Conn } from "../../lib/env.ts";
import { tunnel } from "./http_tunnel.ts";

const encoder = new TextEncoder();
const noBytes = new Uint8Array(0);

interface FakeConn extends Conn {
  /** What was written to it. */
  text(): string;
  isClosed(): boolean;
}

/** Gives what `reads` come to, one after the other, and takes or refuses what is written. */
function connOf(reads: Iterable<Promise<string | null>>, write: (text: string) => void = () => {}): FakeConn {
  const left = [...reads];
  let text = "";
  let closed = false;
  return {
    remoteAddress: "127.0.0.1:1",
    async read(buffer) {
      const next = await (left.shift() ?? Promise.resolve(null));
      return next === null ? null : encoder.encodeInto(next, buffer).written;
    },
    // deno-lint-ignore require-await -- what it throws is to be a rejection
    async write(bytes) {
      const piece = new TextDecoder().decode(bytes);
      write(piece);
      text += piece;
      return bytes.byteLength;
    },
    close: () => closed = true,
    text: () => text,
    isClosed: () => closed,
  };
}

Deno.test("a server that answers early and listens no longer is heard to its end", async () => {
  const refused = Promise.withResolvers<null>();
  const client = connOf([Promise.resolve("half of a body")]);
  const server = connOf([
    refused.promise.then(() => "413 "),
    Promise.resolve("too large"),
    Promise.resolve(null),
  ], () => {
    refused.resolve(null);
    throw new Error("Broken pipe");
  });
  await tunnel({ input: client, client, server, before: noBytes, carried() {} });
  assert.equal(client.text(), "413 too large");
  assert.equal(server.isClosed(), false, "closing is the caller's, at the end");
});

Deno.test("a client that breaks ends its server's connection", async () => {
  const ended = Promise.withResolvers<null>();
  const client = connOf([Promise.reject(new Error("Connection reset"))]);
  const server = { ...connOf([ended.promise]), close: () => ended.resolve(null) };
  await tunnel({ input: client, client, server, before: noBytes, carried() {} });
});

Deno.test("each piece in either direction is told, and what goes before goes first", async () => {
  const asked = Promise.withResolvers<string>();
  let carried = 0;
  const client = connOf([Promise.resolve("question")]);
  const server = connOf([asked.promise], (text) => text === "question" && asked.resolve("answer"));
  await tunnel({ input: client, client, server, before: encoder.encode("first "), carried: () => carried++ });
  assert.equal(server.text(), "first question");
  assert.equal(client.text(), "answer");
  assert.equal(carried, 2);
});
