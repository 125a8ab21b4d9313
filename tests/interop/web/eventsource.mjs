// eventsource: a live tail that is cut off and goes on where it was, by Last-Event-ID.
import assert from "node:assert/strict";
import net from "node:net";
import { EventSource } from "eventsource";

const server = new URL(process.env.HTTP);
// A proxy whose connections are cut on purpose.
const sockets = new Set();
const proxy = net.createServer((from) => {
  const to = net.connect(Number(server.port), server.hostname);
  sockets.add(from);
  from.pipe(to).pipe(from);
  for (const end of [from, to]) end.on("error", () => {});
  from.on("close", () => to.destroy());
});
await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
const topic = process.env.TOPIC;
const rounds = 4;
const recordsEach = 10;
const seen = [];
let opened = 0;
let awaited = () => {};
const source = new EventSource(
  `http://127.0.0.1:${proxy.address().port}/v1/topics/${topic}/live?from=earliest`,
);
source.addEventListener("open", () => opened++);
source.addEventListener("record", ({ data }) => {
  seen.push(Number(JSON.parse(data).value.data));
  awaited();
});
for (let round = 0; round < rounds; round++) {
  const first = round * recordsEach;
  const records = Array.from(
    { length: recordsEach },
    (_, n) => ({ value: String(first + n), partition: n % 2 }),
  );
  // Written while nobody is connected, but for the first round.
  await fetch(`${server.origin}/v1/topics/${topic}/records`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ records }),
  });
  await new Promise((done) => {
    awaited = () => seen.length >= first + recordsEach && done();
    awaited();
  });
  for (const socket of sockets) socket.destroy();
}
source.close();
assert.deepEqual(
  seen.toSorted((a, b) => a - b),
  Array.from({ length: rounds * recordsEach }, (_, n) => n),
);
assert.ok(opened >= rounds, `connected ${opened} times`);
process.exit(0);
