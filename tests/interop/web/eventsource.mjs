// eventsource: a live tail that is cut off and goes on where it was, by Last-Event-ID.
import assert from "node:assert/strict";
import { EventSource } from "eventsource";
import { cutProxy, produce } from "./cut_proxy.mjs";

const server = new URL(process.env.HTTP);
const proxy = await cutProxy(server);
const topics = process.env.TOPICS.split(",");
const rounds = 4;
const recordsEach = 12;
const seen = [];
let opened = 0;
let awaited = () => {};
const source = new EventSource(`http://${proxy.host}${process.env.TAIL}`);
source.addEventListener("open", () => opened++);
source.addEventListener("record", ({ data }) => {
  seen.push(Number(JSON.parse(data).value.data));
  awaited();
});
for (let round = 0; round < rounds; round++) {
  const first = round * recordsEach;
  // Written while nobody is connected, but for the first round.
  await produce(server, topics, first, recordsEach);
  await new Promise((done) => {
    awaited = () => seen.length >= first + recordsEach && done();
    awaited();
  });
  proxy.cut();
}
source.close();
assert.deepEqual(
  seen.toSorted((a, b) => a - b),
  Array.from({ length: rounds * recordsEach }, (_, n) => n),
);
assert.ok(opened >= rounds, `connected ${opened} times`);
process.exit(0);
