// @durable-streams/client, unchanged: exactly-once writes, catching up, live by SSE and by long poll.
import assert from "node:assert/strict";
import {
  DurableStream,
  IdempotentProducer,
  stream,
} from "@durable-streams/client";

const url = `${process.env.HTTP}/v1/stream/clients/${Date.now()}`;
const headers = process.env.KEY
  ? { authorization: `Bearer ${process.env.KEY}` }
  : {};
const handle = await DurableStream.create({
  url,
  headers,
  contentType: "application/json",
});
const errors = [];
const producer = new IdempotentProducer(handle, "p", {
  autoClaim: true,
  onError: (error) => errors.push(error),
});
for (let n = 0; n < 200; n++) producer.append(JSON.stringify({ n }));
await producer.flush();
assert.deepEqual(errors, []);
const caughtUp = await stream({ url, headers, offset: "-1", live: false });
assert.deepEqual(
  (await caughtUp.json()).map(({ n }) => n),
  Array.from({ length: 200 }, (_, n) => n),
);
for (const live of ["sse", "long-poll"]) {
  const end = new AbortController();
  const tail = await stream({
    url,
    headers,
    offset: "now",
    live,
    signal: end.signal,
  });
  const got = Promise.withResolvers ? Promise.withResolvers() : withResolvers();
  tail.subscribeJson((batch) => {
    if (batch.items.length > 0) got.resolve(batch.items);
  });
  await new Promise((done) => setTimeout(done, 200));
  await handle.append(JSON.stringify({ live }));
  assert.deepEqual(await got.promise, [{ live }]);
  end.abort();
}
await producer.close();
await handle.delete();
process.exit(0);

function withResolvers() {
  let resolve;
  const promise = new Promise((each) => resolve = each);
  return { promise, resolve };
}
