/** Durable Streams on a whole broker: what the conformance package does not ask: restarts, Kafka clients, bad input. */
import assert from "node:assert/strict";
import { formatStreamOffset } from "../../core/stream/stream_offset.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { serveBroker, type ServedBroker } from "../served_broker.ts";

interface Sent {
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

function send(served: ServedBroker, method: string, path: string, { body, headers = {} }: Sent = {}) {
  return served.http(`/v1/stream/${path}`, {
    method,
    headers: body === undefined ? headers : { "content-type": "text/plain", ...headers },
    ...(body === undefined ? {} : { body }),
  });
}

async function status(response: Promise<Response>): Promise<number> {
  const answer = await response;
  await answer.body?.cancel();
  return answer.status;
}

async function text(response: Promise<Response>): Promise<string> {
  return await (await response).text();
}

function producer(epoch: number, seq: number): Record<string, string> {
  return { "producer-id": "p", "producer-epoch": String(epoch), "producer-seq": String(seq) };
}

async function withFile(use: (path: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await use(`${directory}/store.sqlite`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("streams, forks, producers and closures survive a restart", () =>
  withFile(async (path) => {
    {
      await using served = await serveBroker({ path });
      assert.equal(await status(send(served, "PUT", "s", { body: "one" })), 201);
      assert.equal(await status(send(served, "POST", "s", { body: "two", headers: producer(0, 0) })), 200);
      assert.equal(
        await status(send(served, "POST", "s", { body: "three", headers: { "stream-seq": "b" } })),
        204,
      );
      const headers = { "stream-forked-from": "/v1/stream/s", "stream-fork-offset": formatStreamOffset(1) };
      assert.equal(
        await status(
          send(served, "PUT", "f", { body: "own", headers: { ...headers, "stream-fork-sub-offset": "2" } }),
        ),
        201,
      );
      assert.equal(await status(send(served, "DELETE", "s")), 204);
      assert.equal(await status(send(served, "PUT", "c", { body: "x" })), 201);
      assert.equal(
        await status(send(served, "POST", "c", { headers: { ...producer(0, 0), "stream-closed": "true" } })),
        204,
      );
      assert.equal(await status(send(served, "PUT", "live", { body: "1" })), 201);
      assert.equal(
        await status(
          send(served, "POST", "live", { body: "2", headers: { ...producer(3, 0), "stream-seq": "m" } }),
        ),
        200,
      );
    }
    await using served = await serveBroker({ path });
    assert.equal(await text(send(served, "GET", "f")), "onetwown");
    assert.equal(await status(send(served, "HEAD", "s")), 410);
    assert.equal(await status(send(served, "POST", "c", { body: "y" })), 409);
    const closed = await send(served, "HEAD", "c");
    assert.equal(closed.headers.get("stream-closed"), "true");
    assert.equal(closed.headers.get("stream-next-offset"), formatStreamOffset(1));
    const repeated = await send(served, "POST", "c", {
      headers: { ...producer(0, 0), "stream-closed": "true" },
    });
    assert.deepEqual([repeated.status, repeated.headers.get("stream-closed")], [204, "true"]);
    assert.equal(await status(send(served, "POST", "live", { body: "2", headers: producer(3, 0) })), 204);
    assert.equal(await status(send(served, "POST", "live", { body: "2", headers: producer(2, 0) })), 403);
    assert.equal(
      await status(send(served, "POST", "live", { body: "2", headers: { "stream-seq": "m" } })),
      409,
    );
    assert.equal(await text(send(served, "GET", "live")), "12");
    // The last fork goes, and the soft-deleted source with it.
    assert.equal(await status(send(served, "DELETE", "f")), 204);
    assert.equal(await status(send(served, "HEAD", "s")), 404);
    assert.deepEqual([...served.broker.metadata.topicsByName.keys()].sort(), ["c", "live"]);
  }));

Deno.test("the writers' state is taken from a snapshot and the log behind it", () =>
  withFile(async (path) => {
    {
      await using served = await serveBroker({ path });
      const many = `[${new Array(1_500).fill("1").join(",")}]`;
      await status(send(served, "PUT", "j", { body: many, headers: { "content-type": "application/json" } }));
      for (let seq = 0; seq < 3; seq++) {
        const headers = { "content-type": "application/json", ...producer(0, seq) };
        assert.equal(await status(send(served, "POST", "j", { body: "2", headers })), 200);
      }
      const headers = { "content-type": "application/json" };
      assert.equal(await status(send(served, "POST", "j", { body: many, headers })), 204);
      assert.equal(
        await status(send(served, "POST", "j", { body: "3", headers: { ...headers, ...producer(0, 3) } })),
        200,
      );
    }
    await using served = await serveBroker({ path });
    const headers = { "content-type": "application/json" };
    const old = await send(served, "POST", "j", { body: "3", headers: { ...headers, ...producer(0, 1) } });
    assert.deepEqual([old.status, old.headers.get("producer-seq")], [204, "3"]);
    assert.equal(
      await status(send(served, "POST", "j", { body: "3", headers: { ...headers, ...producer(0, 4) } })),
      200,
    );
    assert.equal((JSON.parse(await text(send(served, "GET", "j"))) as unknown[]).length, 3_005);
  }));

Deno.test("appends that come at once keep each producer's order and lose nothing", async () => {
  await using served = await serveBroker();
  await status(send(served, "PUT", "s", { headers: { "content-type": "text/plain" } }));
  const statuses = await Promise.all(
    Array.from(
      { length: 200 },
      (_, seq) => status(send(served, "POST", "s", { body: `${seq},`, headers: producer(0, seq) })),
    ),
  );
  assert.deepEqual(new Set(statuses), new Set([200]));
  assert.equal(
    await text(send(served, "GET", "s")),
    Array.from({ length: 200 }, (_, seq) => `${seq},`).join(""),
  );
});

Deno.test("Kafka's side sees the stream as a topic, and what it writes there is in the stream", async () => {
  await using served = await serveBroker();
  const json = { "content-type": "application/json" };
  await status(send(served, "PUT", "events/a", { body: '[{"n":1},{"n":2}]', headers: json }));
  const [topic] = [...served.broker.metadata.topicsByName.values()];
  assert.match(topic?.name ?? "", /^events-a-[0-9a-f]{8}$/);
  const records = ["not json", '"text"', "1,2"].map((value) => ({
    key: null,
    value: new TextEncoder().encode(value),
    headers: [],
    timestamp: 1,
  }));
  await served.broker.partition(topic?.topicId ?? "", 0).ask({
    type: "produce",
    batch: buildBatch({ records }),
    maxMessageBytes: 10_000,
    timestampType: "CreateTime",
    requireKeys: false,
  });
  const values = JSON.parse(await text(send(served, "GET", "events/a")));
  assert.deepEqual(values, [{ n: 1 }, { n: 2 }, "not json", "text", "1,2"]);
  const read = await served.http(`/v1/topics/${topic?.name}/partitions/0/records`);
  assert.equal((await read.json()).records.length, 5);
});

Deno.test("a stream whose topic was deleted through Kafka is not there; a topic that is no stream keeps its name", async () => {
  await using served = await serveBroker();
  await status(send(served, "PUT", "s", { body: "x" }));
  assert.equal(await status(served.http("/v1/topics/s", { method: "DELETE" })), 204);
  assert.equal(await status(send(served, "GET", "s")), 404);
  assert.equal(await status(send(served, "POST", "s", { body: "x" })), 404);
  assert.equal(await status(send(served, "PUT", "s", { body: "y" })), 201);
  assert.equal(await text(send(served, "GET", "s")), "y");
  assert.equal(await status(send(served, "DELETE", "s")), 204);
  await status(
    served.http("/v1/topics", {
      method: "POST",
      body: '{"name":"t.1"}',
      headers: { "content-type": "application/json" },
    }),
  );
  assert.equal(await status(send(served, "PUT", "t.1")), 409);
  // `t.1` and `t_1` would share a metric's name, so the topic gets another.
  assert.equal(await status(send(served, "PUT", "t_1", { body: "z" })), 201);
  assert.equal(await text(send(served, "GET", "t_1")), "z");
});

Deno.test("many creations and deletions of one path at once leave one stream or none", async () => {
  await using served = await serveBroker();
  const outcomes = await Promise.all(
    Array.from(
      { length: 30 },
      (_, index) =>
        status(index % 3 === 2 ? send(served, "DELETE", "s") : send(served, "PUT", "s", { body: "x" })),
    ),
  );
  assert.ok(outcomes.every((code) => [200, 201, 204, 404].includes(code)), outcomes.join());
  assert.equal(await status(send(served, "PUT", "s", { body: "x" })) < 300, true);
  assert.equal(served.broker.metadata.topicsByName.size, 1);
});

Deno.test("large bodies are one record and come back whole", async () => {
  await using served = await serveBroker();
  const body = "x".repeat(5_000_000);
  assert.equal(await status(send(served, "PUT", "s", { body })), 201);
  const response = await send(served, "GET", "s");
  assert.equal((await response.text()).length, body.length);
  assert.equal(response.headers.get("stream-next-offset"), formatStreamOffset(1));
});

Deno.test("server-sent events: data, control, and the end at closure", async () => {
  await using served = await serveBroker();
  await status(send(served, "PUT", "s", { body: "a\nb" }));
  const response = await send(served, "GET", "s?offset=-1&live=sse");
  const received = response.text();
  assert.equal(
    await status(send(served, "POST", "s", { body: "c", headers: { "stream-closed": "true" } })),
    204,
  );
  const events = (await received).split("\n\n");
  assert.equal(events[0], "event: data\ndata:a\ndata:b");
  assert.match(
    events[1] ?? "",
    /^event: control\ndata:\{"streamNextOffset":"0{15}1_0{16}","streamCursor":"\d+","upToDate":true\}$/,
  );
  assert.equal(events[2], "event: data\ndata:c");
  assert.match(events[3] ?? "", /"streamClosed":true/);
});

const bad: readonly [name: string, method: string, path: string, sent: Sent, expected: number][] = [
  ["no path", "GET", "", {}, 400],
  ["an empty segment", "PUT", "a//b", {}, 400],
  ["broken percent-encoding", "PUT", "a%zz", {}, 400],
  ["a control character", "PUT", "a%00b", {}, 400],
  ["too long a path", "PUT", "a".repeat(513), {}, 400],
  ["a reserved path", "PUT", "__ds", {}, 400],
  ["no such stream", "GET", "nope", {}, 404],
  ["append to nothing", "POST", "nope", { body: "x" }, 404],
  ["delete nothing", "DELETE", "nope", {}, 404],
  ["another method", "PATCH", "s", {}, 405],
  ["an offset of somebody else", "GET", "s?offset=5", {}, 400],
  ["an empty offset", "GET", "s?offset=", {}, 400],
  ["two offsets", "GET", "s?offset=-1&offset=now", {}, 400],
  ["an offset behind the end", "GET", `s?offset=${formatStreamOffset(99)}`, {}, 400],
  ["an unknown live mode", "GET", "s?offset=-1&live=x", {}, 400],
  ["live without an offset", "GET", "s?live=sse", {}, 400],
  ["an empty body", "POST", "s", {}, 400],
  ["another type", "POST", "s", { body: "x", headers: { "content-type": "text/html" } }, 409],
  ["no media type", "PUT", "n", { body: "x", headers: { "content-type": "what" } }, 400],
  ["half a producer", "POST", "s", { body: "x", headers: { "producer-id": "p" } }, 400],
  [
    "a producer without a name",
    "POST",
    "s",
    { body: "x", headers: { ...producer(0, 0), "producer-id": "" } },
    400,
  ],
  [
    "a negative epoch",
    "POST",
    "s",
    { body: "x", headers: { ...producer(0, 0), "producer-epoch": "-1" } },
    400,
  ],
  ["an epoch with a fraction", "POST", "s", {
    body: "x",
    headers: { ...producer(0, 0), "producer-epoch": "1.5" },
  }, 400],
  ["a sequence beyond 2^53", "POST", "s", {
    body: "x",
    headers: { ...producer(0, 0), "producer-seq": "9007199254740992" },
  }, 400],
  ["a lifetime with a zero in front", "PUT", "n", { headers: { "stream-ttl": "01" } }, 400],
  ["a negative lifetime", "PUT", "n", { headers: { "stream-ttl": "-1" } }, 400],
  ["both lifetimes", "PUT", "n", {
    headers: { "stream-ttl": "1", "stream-expires-at": "2030-01-01T00:00:00Z" },
  }, 400],
  ["an end that is no time", "PUT", "n", { headers: { "stream-expires-at": "tomorrow" } }, 400],
  ["broken JSON", "PUT", "n", { body: "{", headers: { "content-type": "application/json" } }, 400],
  ["JSON too deep", "PUT", "n", {
    body: "[".repeat(100) + "]".repeat(100),
    headers: { "content-type": "application/json" },
  }, 400],
  ["a fork of nothing", "PUT", "n", { headers: { "stream-forked-from": "/v1/stream/nope" } }, 404],
  ["a fork of no stream", "PUT", "n", { headers: { "stream-forked-from": "/elsewhere" } }, 400],
  ["a fork beyond the end", "PUT", "n", {
    headers: { "stream-forked-from": "/v1/stream/s", "stream-fork-offset": formatStreamOffset(2) },
  }, 400],
  ["a fork offset alone", "PUT", "n", { headers: { "stream-fork-offset": formatStreamOffset(0) } }, 400],
  ["a compressed body", "POST", "s", { body: "x", headers: { "content-encoding": "br" } }, 415],
];

Deno.test("bad input of streams: the right status, the browser's headers, nothing stored", async () => {
  await using served = await serveBroker();
  await status(send(served, "PUT", "s", { body: "x" }));
  for (const [name, method, path, sent, expected] of bad) {
    const response = await send(served, method, path, sent);
    assert.equal(response.status, expected, `${name}: ${await response.text()}`);
    assert.equal(response.headers.get("x-content-type-options"), "nosniff", name);
    assert.equal(response.headers.get("content-type"), "application/problem+json", name);
  }
  assert.equal(await text(send(served, "GET", "s")), "x");
  assert.deepEqual([...served.broker.metadata.topicsByName.keys()], ["s"]);
});
