/** Webhooks on a whole broker with receivers on real sockets: the routes, restarts, dead letters, private addresses, bad input. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { serveBroker, type ServedBroker } from "../served_broker.ts";

// deno-lint-ignore no-explicit-any -- tests look into answers freely
type Body = any;

interface Answer {
  readonly status: number;
  readonly body: Body;
  readonly text: string;
}

const ALLOWED = { "webhook.allowed.addresses": "127.0.0.0/8,::1" };

async function call(served: ServedBroker, method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await served.http(path, {
    method,
    ...(body === undefined ? {} : {
      headers: { "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
    }),
  });
  const text = await response.text();
  return { status: response.status, text, body: text === "" ? null : JSON.parse(text) };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail("it never came about");
}

interface Received {
  readonly path: string;
  readonly headers: Headers;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** A receiver on this machine that answers as it is told. */
function receiver(answer: (received: Received, index: number) => Response | Promise<Response>) {
  const received: Received[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const text = await request.text();
    const body: Body = request.method === "POST" ? JSON.parse(text) : {};
    const values = body.data?.records?.map(({ value }: Body) => value?.data ?? null) ?? [];
    const each = { path: new URL(request.url).pathname, headers: request.headers, text, values };
    received.push(each);
    return await answer(each, received.length - 1);
  });
  return {
    received,
    port: server.addr.port,
    url: `http://127.0.0.1:${server.addr.port}/hook`,
    get values() {
      return received.flatMap(({ values }) => values);
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function produce(served: ServedBroker, ...values: unknown[]): Promise<void> {
  const records = values.map((value) => ({ value: { type: "json", data: value }, partition: 0 }));
  const { status, text } = await call(served, "POST", "/v1/topics/t/records", { records });
  assert.equal(status, 200, text);
}

const quick = { topics: ["t"], from: "earliest", backoffMs: 10, maxBackoffMs: 20, timeoutMs: 5_000 };

Deno.test("a webhook is made, delivers, tells how it is, is rotated, paused, resumed and deleted", async () => {
  await using served = await serveBroker({ config: ALLOWED });
  await using hook = receiver(() => new Response("ignored"));
  await produce(served, { n: 1 });
  const created = await call(served, "PUT", "/v1/webhooks/mail", { ...quick, url: hook.url });
  assert.equal(created.status, 201, created.text);
  const { secret } = created.body;
  assert.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
  await until(() => hook.received.length === 1);
  const [first] = hook.received;
  assert(first !== undefined);
  assert.equal(first.headers.get("content-type"), "application/json");
  assert.deepEqual(JSON.parse(first.text), {
    type: "records",
    data: {
      webhook: "mail",
      topic: "t",
      partition: 0,
      records: [{
        offset: 0,
        timestamp: JSON.parse(first.text).data.records[0].timestamp,
        key: null,
        value: { type: "json", data: { n: 1 } },
        headers: [],
      }],
    },
  });
  const signed = (received: Received) => {
    const id = received.headers.get("webhook-id");
    return `${id}.${received.headers.get("webhook-timestamp")}.${received.text}`;
  };
  const signature = (key: string, received: Received) => {
    const bytes = Uint8Array.fromBase64(key.slice("whsec_".length));
    return `v1,${createHmac("sha256", bytes).update(signed(received)).digest("base64")}`;
  };
  assert.equal(first.headers.get("webhook-signature"), signature(secret, first));

  const status = async () => (await call(served, "GET", "/v1/webhooks/mail")).body;
  await until(async () => (await status()).lag === 0);
  const { state, partitions, counts, lastDelivery } = await status();
  assert.equal(state, "active");
  assert.deepEqual(partitions, [
    { topic: "t", partition: 0, committedOffset: 1, endOffset: 1, lag: 0, failing: null },
  ]);
  assert.deepEqual([counts.deliveredRecords, lastDelivery.status], [1, 200]);
  const list = await call(served, "GET", "/v1/webhooks");
  assert.deepEqual(list.body.webhooks.map(({ name }: Body) => name), ["mail"]);
  const same = await call(served, "PUT", "/v1/webhooks/mail", { ...quick, url: hook.url });
  assert.equal(same.status, 200);
  for (const { text } of [list, same, await call(served, "GET", "/v1/webhooks/mail")]) {
    assert.ok(!text.includes("whsec_"), "a secret is shown once");
  }
  // The group is everybody's.
  const group = await call(served, "GET", "/v3/clusters/kavka-test-cluster-001/consumer-groups/mail/lags");
  assert.equal(group.body.data[0].lag, 0);
  assert.equal(group.body.data[0].client_id, "webhook-mail");

  const rotated = await call(served, "POST", "/v1/webhooks/mail/rotate-secret", { graceMs: 60_000 });
  assert.equal(rotated.status, 200);
  assert.equal((await call(served, "POST", "/v1/webhooks/mail/pause")).body.state, "paused");
  await produce(served, { n: 2 });
  assert.equal((await status()).lag, 1);
  assert.equal((await call(served, "POST", "/v1/webhooks/mail/resume")).status, 200);
  await until(() => hook.received.length === 2);
  const second = hook.received[1];
  assert(second !== undefined);
  assert.equal(
    second.headers.get("webhook-signature"),
    `${signature(rotated.body.secret, second)} ${signature(secret, second)}`,
  );
  const metrics = await (await served.http("/metrics")).text();
  assert.match(metrics, /kavka_webhook_requests_total\{outcome="delivered"\} 2/);
  assert.match(metrics, /kavka_webhooks\{state="active"\} 1/);
  assert.equal((await call(served, "DELETE", "/v1/webhooks/mail")).status, 204);
  for (
    const [method, path] of [["GET", ""], ["DELETE", ""], ["POST", "/pause"], ["POST", "/resume"]] as const
  ) {
    assert.equal((await call(served, method, `/v1/webhooks/mail${path}`)).status, 404);
  }
  assert.equal((await call(served, "POST", "/v1/webhooks/mail/rotate-secret", {})).status, 404);
});

Deno.test("a receiver that fails is tried again, and what it never takes can be read in the dead-letter topic", async () => {
  await using served = await serveBroker({ config: ALLOWED });
  await using hook = receiver(({ values }, index) =>
    index === 0 || values.includes("poison") ? new Response("no", { status: 500 }) : new Response()
  );
  await produce(served, "a", "poison", "c");
  const config = { ...quick, url: hook.url, maxAttempts: 2, deadLetterTopic: "graveyard" };
  await call(served, "PUT", "/v1/webhooks/mail", config);
  await until(async () => (await call(served, "GET", "/v1/webhooks/mail")).body.lag === 0);
  const delivered = hook.received.filter(({ values }) => !values.includes("poison")).flatMap(({ values }) =>
    values
  );
  assert.deepEqual(delivered, ["a", "c"]);
  const letters = await call(served, "GET", "/v1/topics/graveyard/partitions/0/records?format=json");
  assert.deepEqual(letters.body.records.map(({ value }: Body) => value.data), ["poison"]);
  const headers = Object.fromEntries(
    letters.body.records[0].headers.map(({ key, value }: Body) => [key, value.data]),
  );
  assert.deepEqual([headers["kavka.dlq.topic"], headers["kavka.dlq.offset"]], ["t", 1]);
  const { body } = await call(served, "GET", "/v1/webhooks/mail");
  assert.equal(body.counts.deadLetters, 1);
  assert.match(body.lastError.error, /answered 500/);
});

Deno.test("a delivery that a restart interrupts is made again, and nothing is left out", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/store.sqlite`;
    let takes = false;
    await using hook = receiver(() => takes ? new Response() : new Response("not yet", { status: 503 }));
    let secret: string;
    {
      await using served = await serveBroker({ path, config: ALLOWED });
      await produce(served, 1, 2);
      const config = { ...quick, url: hook.url, maxAttempts: 0 };
      secret = (await call(served, "PUT", "/v1/webhooks/mail", config)).body.secret;
      await until(() => hook.received.length >= 2);
    }
    const before = hook.received.length;
    takes = true;
    await using served = await serveBroker({ path, config: ALLOWED });
    await produce(served, 3);
    await until(async () => (await call(served, "GET", "/v1/webhooks/mail")).body.lag === 0);
    const after = hook.received.slice(before);
    assert.deepEqual(
      after.map(({ values }) => values),
      [[1, 2], [3]],
      "the same batch, then what came later",
    );
    const ids = new Set(hook.received.slice(0, before + 1).map(({ headers }) => headers.get("webhook-id")));
    assert.equal(ids.size, 1);
    const [, resent] = [secret, after[0]];
    const text = `${resent?.headers.get("webhook-id")}.${
      resent?.headers.get("webhook-timestamp")
    }.${resent?.text}`;
    const key = Uint8Array.fromBase64(secret.slice("whsec_".length));
    const expected = createHmac("sha256", key).update(text).digest("base64");
    assert.equal(resent?.headers.get("webhook-signature"), `v1,${expected}`, "the secret is stored");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

async function produceEvents(served: ServedBroker, ...ids: number[]): Promise<void> {
  const events = ids.map((id) => ({ ...event, id: String(id), data: { n: id } }));
  const response = await served.http("/v1/topics/t/records", {
    method: "POST",
    headers: { "content-type": "application/cloudevents-batch+json" },
    body: JSON.stringify(events),
  });
  assert.equal(response.status, 200, await response.text());
}

const event = { specversion: "1.0", source: "/shop", type: "order.placed" };

function eventOf(id: number) {
  return { ...event, id: String(id), datacontenttype: "application/json", data: { n: id } };
}

Deno.test("a webhook sends CloudEvents in batches, or one in each request, signed as ever", async () => {
  await using served = await serveBroker({ config: { ...ALLOWED, "num.partitions": "1" } });
  await using hook = receiver(() => new Response());
  await produceEvents(served, 1, 2, 3);
  const config = { ...quick, url: hook.url, format: "cloudevents" };
  const created = await call(served, "PUT", "/v1/webhooks/mail", config);
  assert.deepEqual([created.body.format, created.body.eventMode, created.body.maxRecords], [
    "cloudevents",
    "batched",
    100,
  ]);
  const { secret } = created.body;
  await until(() => hook.received.length === 1);
  const check = (received: Received | undefined, contentType: string, body: unknown) => {
    assert(received !== undefined);
    assert.equal(received.headers.get("content-type"), contentType);
    assert.deepEqual(JSON.parse(received.text), body);
    const { headers, text } = received;
    const signed = `${headers.get("webhook-id")}.${headers.get("webhook-timestamp")}.${text}`;
    const key = Uint8Array.fromBase64(secret.slice("whsec_".length));
    const expected = createHmac("sha256", key).update(signed).digest("base64");
    assert.equal(headers.get("webhook-signature"), `v1,${expected}`);
  };
  check(hook.received[0], "application/cloudevents-batch+json", [1, 2, 3].map(eventOf));
  // What is there already goes on in the other mode.
  const changed = await call(served, "PUT", "/v1/webhooks/mail", { ...config, eventMode: "structured" });
  assert.deepEqual([changed.status, changed.body.eventMode, changed.body.maxRecords], [200, "structured", 1]);
  await produceEvents(served, 4, 5);
  await until(() => hook.received.length === 3);
  check(hook.received[1], "application/cloudevents+json", eventOf(4));
  check(hook.received[2], "application/cloudevents+json", eventOf(5));
  const plain = await call(served, "PUT", "/v1/webhooks/mail", { ...quick, url: hook.url });
  assert.equal(plain.body.eventMode, null);
});

Deno.test("a batch of events that failed goes on one by one when each has a request of its own from then on", async () => {
  await using served = await serveBroker({ config: { ...ALLOWED, "num.partitions": "1" } });
  const isSingle = ({ headers }: Received) => headers.get("content-type") === "application/cloudevents+json";
  await using hook = receiver((each) => new Response(null, { status: isSingle(each) ? 204 : 503 }));
  await produceEvents(served, 1, 2, 3);
  const config = { ...quick, url: hook.url, format: "cloudevents", maxAttempts: 0 };
  await call(served, "PUT", "/v1/webhooks/mail", config);
  await until(() => hook.received.length >= 2);
  await call(served, "PUT", "/v1/webhooks/mail", { ...config, eventMode: "structured" });
  await until(async () => (await call(served, "GET", "/v1/webhooks/mail")).body.lag === 0);
  const taken = hook.received.filter(isSingle).map(({ text }) => JSON.parse(text));
  assert.deepEqual(taken, [1, 2, 3].map(eventOf));
});

Deno.test("redirects are not followed, and a receiver that never ends its answer is late", async () => {
  await using served = await serveBroker({ config: ALLOWED });
  const endless = () => {
    let timer: ReturnType<typeof setInterval>;
    return new ReadableStream<Uint8Array>({
      start(controller) {
        timer = setInterval(() => controller.enqueue(new Uint8Array([120])), 10);
      },
      cancel: () => clearInterval(timer),
    });
  };
  await using hook = receiver((_, index) => {
    if (index === 0) return new Response(null, { status: 307, headers: { location: "/elsewhere" } });
    if (index === 1) return new Response(endless());
    return new Response();
  });
  await produce(served, "a");
  await call(served, "PUT", "/v1/webhooks/mail", { ...quick, url: hook.url, timeoutMs: 200 });
  await until(async () => (await call(served, "GET", "/v1/webhooks/mail")).body.lag === 0);
  assert.deepEqual(hook.received.map(({ path }) => path), ["/hook", "/hook", "/hook"]);
  const { body } = await call(served, "GET", "/v1/webhooks/mail");
  assert.equal(body.lastError.error, "The receiver: no answer within 200 ms");
});

Deno.test("by default no webhook leads into this machine or a private network, by address or by name", async () => {
  await using served = await serveBroker();
  const refused = [
    "http://127.0.0.1:9/",
    "https://127.0.0.1/",
    "https://localhost/",
    "https://[::1]/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://0x7f000001/",
    "https://[::ffff:192.168.0.1]/",
    "http://worker.example/",
    "file:///etc/passwd",
    "not a URL",
  ];
  for (const url of refused) {
    const { status, body } = await call(served, "PUT", "/v1/webhooks/mail", { topics: ["t"], url });
    assert.deepEqual([status, body.errors?.[0]?.field], [400, "url"], url);
  }
  assert.deepEqual((await call(served, "GET", "/v1/webhooks")).body.webhooks, []);
});

Deno.test("a name that leads to this machine is reached when its address is allowed", async () => {
  await using served = await serveBroker({ config: ALLOWED });
  await using hook = receiver(() => new Response());
  await produce(served, "a");
  const url = `http://localhost:${hook.port}/hook`;
  assert.equal((await call(served, "PUT", "/v1/webhooks/mail", { ...quick, url })).status, 201);
  await until(() => hook.received.length === 1);
  assert.equal(hook.received[0]?.headers.get("host"), `localhost:${hook.port}`);
});

Deno.test("bad wishes for a webhook are refused with the field's name", async () => {
  await using served = await serveBroker();
  const good = { url: "https://8.8.8.8/", topics: ["t"] };
  const cases: readonly (readonly [what: unknown, field: string])[] = [
    [{ topics: ["t"] }, "url"],
    [{ url: "https://8.8.8.8/" }, "topics"],
    [{ ...good, pattern: "t" }, "topics"],
    [{ ...good, topics: [] }, "topics"],
    [{ ...good, topics: ["a/b"] }, "topics[0]"],
    [{ ...good, topics: ["__consumer_offsets"] }, "topics[0]"],
    [{ url: good.url, pattern: "(" }, "pattern"],
    [{ ...good, topics: ["m.dlq"] }, "deadLetterTopic"],
    [{ ...good, deadLetterTopic: "a b" }, "deadLetterTopic"],
    [{ ...good, group: "" }, "group"],
    [{ ...good, from: "now" }, "from"],
    [{ ...good, maxRecords: 0 }, "maxRecords"],
    [{ ...good, maxBytes: 1e9 }, "maxBytes"],
    [{ ...good, timeoutMs: 1 }, "timeoutMs"],
    [{ ...good, maxAttempts: -1 }, "maxAttempts"],
    [{ ...good, concurrency: 1.5 }, "concurrency"],
    [{ ...good, secret: "x" }, "secret"],
    [{ ...good, format: "cloudevent" }, "format"],
    [{ ...good, eventMode: "batched" }, "eventMode"],
    [{ ...good, format: "cloudevents", eventMode: "binary" }, "eventMode"],
    [{ ...good, format: "cloudevents", eventMode: "structured", maxRecords: 2 }, "maxRecords"],
    [{ ...good, url: `https://8.8.8.8/${"x".repeat(2_048)}` }, "url"],
  ];
  for (const [body, field] of cases) {
    const answer = await call(served, "PUT", "/v1/webhooks/m", body);
    assert.deepEqual([answer.status, answer.body.errors?.[0]?.field], [400, field], JSON.stringify(body));
  }
  for (const name of ["a%20b", ".a", "x".repeat(129), "a%2Fb"]) {
    assert.equal((await call(served, "PUT", `/v1/webhooks/${name}`, good)).status, 400, name);
  }
  assert.equal((await call(served, "PUT", "/v1/webhooks/m", "{")).status, 400);
  assert.equal((await call(served, "PATCH", "/v1/webhooks/m", {})).status, 405);
  const put = await call(served, "PUT", "/v1/webhooks/m", good);
  assert.equal(put.status, 201);
  assert.equal((await call(served, "PUT", "/v1/webhooks/m", { ...good, group: "g" })).status, 409);
  assert.equal((await call(served, "POST", "/v1/webhooks/m/pause", { reason: "" })).status, 400);
  assert.equal((await call(served, "POST", "/v1/webhooks/m/rotate-secret", { graceMs: -1 })).status, 400);
  const now = await call(served, "POST", "/v1/webhooks/m/rotate-secret", { graceMs: 0 });
  assert.equal(now.body.previousSecretUntilMs, null);
});
