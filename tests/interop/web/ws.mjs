// ws: a live tail over a WebSocket that is cut off and goes on behind the newest id that it has.
import assert from "node:assert/strict";
import { WebSocket } from "ws";
import { cutProxy, produce } from "./cut_proxy.mjs";

const server = new URL(process.env.HTTP);
const proxy = await cutProxy(server);
const topics = process.env.TOPICS.split(",");
const rounds = 4;
const recordsEach = 12;
const seen = [];
let id = null;

// Resolves when it is cut off, by us.
function tail(wanted) {
  return new Promise((done, failed) => {
    const last = id === null ? "" : `&lastEventId=${id}`;
    const socket = new WebSocket(
      `ws://${proxy.host}${process.env.TAIL}${last}`,
    );
    socket.on("message", (bytes) => {
      const message = JSON.parse(bytes.toString());
      id = message.id;
      if (message.event === "record") {
        seen.push(Number(message.data.value.data));
      }
      if (seen.length >= wanted) proxy.cut();
    });
    socket.on(
      "unexpected-response",
      (_, { statusCode }) => failed(new Error(`status ${statusCode}`)),
    );
    socket.on("error", () => {});
    socket.on("close", done);
  });
}

for (let round = 0; round < rounds; round++) {
  await produce(server, topics, round * recordsEach, recordsEach);
  await tail((round + 1) * recordsEach);
}
assert.deepEqual(
  seen.toSorted((a, b) => a - b),
  Array.from({ length: rounds * recordsEach }, (_, n) => n),
);

// What the server must refuse, as this client tells it.
async function closeOf(sent, options = {}) {
  return await new Promise((done) => {
    const socket = new WebSocket(
      `${server.origin.replace("http", "ws")}${process.env.TAIL}`,
      options,
    );
    socket.on("open", () => socket.send(sent));
    socket.on("unexpected-response", (_, { statusCode }) => done(statusCode));
    socket.on("close", done);
    socket.on("error", () => {});
  });
}
assert.equal(await closeOf("{}"), 1008);
assert.equal(await closeOf(Buffer.of(1, 2)), 1003);
assert.equal(await closeOf("x".repeat(1_000_000)), 1009);
assert.equal(await closeOf("{}", { origin: "https://evil.example" }), 403);
process.exit(0);
