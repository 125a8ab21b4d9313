/** Webhooks with a whole broker on a memory store, under virtual time, with receivers that are functions: no permission is needed. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import type { WebhookView } from "../../actors/messages/webhook.ts";
import type { WebhookConfig } from "../../core/webhook/webhook.ts";
import type { OutboundRequest } from "../../lib/env.ts";
import { buildBatch, readRecords } from "../../protocol/records/record_batch.ts";
import { webhookKey } from "../../storage/keys/webhook.ts";
import type { MemoryStorage } from "../../storage/memory.ts";
import { settled, start, type World } from "../local_world.ts";

const SECRET = `whsec_${btoa("0123456789abcdef0123456789abcdef")}`;

interface Received {
  readonly url: string;
  readonly headers: Headers;
  readonly text: string;
  readonly addresses: readonly string[] | undefined;
  readonly atMs: number;
  readonly partition: number;
  readonly offsets: readonly number[];
  readonly values: readonly unknown[];
}

type Answer = Response | "none";

/** What the other servers are. */
class Outside {
  readonly received: Received[] = [];
  addresses: readonly string[] = ["8.8.8.8"];
  answer: (received: Received) => Answer = () => new Response(null, { status: 204 });
  now: () => number = () => 0;

  resolve = (): Promise<readonly string[]> => Promise.resolve(this.addresses);

  fetch = (url: string, { addresses, headers, body, signal }: OutboundRequest): Promise<Response> => {
    const text = String(body);
    const { data } = JSON.parse(text);
    const received: Received = {
      url,
      headers: new Headers(headers),
      text,
      addresses,
      atMs: this.now(),
      partition: data.partition,
      offsets: data.records.map(({ offset }: { offset: number }) => offset),
      values: data.records.map(({ value }: { value: { data: unknown } | null }) => value?.data ?? null),
    };
    this.received.push(received);
    const answer = this.answer(received);
    if (answer !== "none") return Promise.resolve(answer);
    return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  };

  get offsets(): (readonly number[])[] {
    return this.received.map(({ offsets }) => offsets);
  }
}

const defaults: WebhookConfig = {
  url: "https://worker.example/hook",
  topics: ["t"],
  pattern: null,
  groupId: "hook",
  from: "earliest",
  format: "json",
  maxRecords: 100,
  maxBytes: 262_144,
  maxWaitMs: 0,
  timeoutMs: 10_000,
  maxAttempts: 3,
  backoffMs: 1_000,
  maxBackoffMs: 60_000,
  concurrency: 4,
  deadLetterTopic: "hook.dlq",
};

class Hooks {
  constructor(readonly world: World, readonly outside: Outside) {}

  static async open(
    outside = new Outside(),
    storage?: MemoryStorage,
    config: Record<string, string> = {},
    clock: { readonly startMs?: number } = {},
  ) {
    const { resolve, fetch } = outside;
    const settings = { "group.initial.rebalance.delay.ms": "0", ...config };
    const world = await start(storage, settings, { resolve, fetch, ...clock });
    outside.now = () => world.env.now();
    return new Hooks(world, outside);
  }

  /** The process dies, another one finds what was stored. */
  async restart(): Promise<Hooks> {
    const hooks = await Hooks.open(this.outside, this.world.storage, {}, { startMs: this.world.env.now() });
    await hooks.pass(1_000);
    return hooks;
  }

  settled<T>(promise: Promise<T>): Promise<T> {
    return settled(this.world.env, promise);
  }

  pass(ms: number): Promise<void> {
    return this.world.env.advance(ms);
  }

  get actor() {
    return this.world.broker.webhook("hook");
  }

  async createTopic(name = "t", partitionCount = 1, configs: Record<string, string> = {}): Promise<void> {
    const created = await this.settled(this.world.broker.supervisor.ask({
      type: "createTopic",
      name,
      partitionCount,
      replicationFactor: 1,
      configs,
      validateOnly: false,
    }));
    assert("topic" in created, JSON.stringify(created));
  }

  topicId(name = "t"): string {
    return this.world.broker.metadata.topicsByName.get(name)?.topicId ?? "";
  }

  async produce(values: readonly string[], partition = 0, topic = "t"): Promise<void> {
    const records = values.map((value) => ({
      key: null,
      value: new TextEncoder().encode(value),
      headers: [],
      timestamp: this.world.env.now(),
    }));
    const result = await this.settled(
      this.world.broker.partition(this.topicId(topic), partition).ask({
        type: "produce",
        batch: buildBatch({ records }),
        maxMessageBytes: 1_000_000,
        timestampType: "CreateTime",
        requireKeys: false,
      }),
    );
    assert.equal(result.error, "NONE");
  }

  async put(config: Partial<WebhookConfig> = {}) {
    const id = "0a1b2c3d-0000-4000-8000-000000000001";
    const put = this.actor.ask({ type: "put", config: { ...defaults, ...config }, id, secret: SECRET });
    const outcome = await this.settled(put);
    await this.pass(0);
    return outcome;
  }

  async view(): Promise<WebhookView> {
    const view = await this.settled(this.actor.ask({ type: "get" }));
    assert(view !== null);
    return view;
  }

  async committed(partition = 0, topic = "t"): Promise<number> {
    const { offsets } = await this.settled(
      this.world.broker.group("hook").ask({
        type: "offsetFetch",
        partitions: [{ topic, topicId: this.topicId(topic), partition }],
        memberId: null,
        memberEpoch: -1,
        requireStable: false,
      }),
    );
    return offsets[0]?.offset ?? -1;
  }

  /** The dead letters with their headers as text. */
  async deadLetters() {
    const topic = this.world.broker.metadata.topicsByName.get("hook.dlq");
    if (topic === undefined) return [];
    const fetched = await this.settled(
      this.world.broker.partition(topic.topicId, 0).ask({
        type: "fetch",
        offset: 0,
        maxBytes: 1_000_000,
        minOneBatch: true,
        isolationLevel: "read_committed",
        currentLeaderEpoch: -1,
      }),
    );
    const decoder = new TextDecoder();
    return fetched.records.flatMap((batch) => readRecords(batch)).map(({ value, headers }) => ({
      value: decoder.decode(value ?? new Uint8Array()),
      headers: Object.fromEntries(
        headers.map(({ key, value }) => [key, decoder.decode(value ?? new Uint8Array())]),
      ),
    }));
  }
}

const refuse = (status = 500) => new Response("no", { status });

Deno.test("records are posted in order, signed, and committed only after a 2xx", async () => {
  const hooks = await Hooks.open();
  const { outside } = hooks;
  await hooks.createTopic();
  await hooks.produce(['{"n": 1}', "two"]);
  outside.answer = () => "none";
  await hooks.put();
  assert.equal(outside.received.length, 1);
  await hooks.pass(5_000);
  assert.equal(await hooks.committed(), -1, "it has not answered");
  outside.answer = () => new Response(null, { status: 202 });
  await hooks.pass(10_000);
  const [first, again] = outside.received;
  assert(first !== undefined && again !== undefined);
  assert.deepEqual(again.offsets, [0, 1]);
  assert.deepEqual(again.values, [{ n: 1 }, "two"]);
  assert.equal(await hooks.committed(), 2);
  assert.equal(again.text, first.text, "a repetition is the same request");
  const id = again.headers.get("webhook-id") ?? "";
  assert.equal(id, first.headers.get("webhook-id"));
  const timestamp = again.headers.get("webhook-timestamp") ?? "";
  assert.equal(Number(timestamp), Math.floor(again.atMs / 1_000));
  const key = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.${again.text}`).digest("base64");
  assert.equal(again.headers.get("webhook-signature"), `v1,${expected}`);
  await hooks.produce(["three"]);
  assert.deepEqual(outside.offsets.at(-1), [2]);
  const { state, lastDelivery, counts, consecutiveFailures } = await hooks.view();
  assert.deepEqual([state, consecutiveFailures], ["active", 0]);
  assert.deepEqual([lastDelivery?.offset, lastDelivery?.status], [2, 202]);
  assert.deepEqual(
    [counts.deliveredRequests, counts.failedRequests, counts.deliveredRecords],
    [2, 1, 3],
  );
});

Deno.test("one request in flight for each partition, and no more than concurrency for all", async () => {
  const hooks = await Hooks.open();
  await hooks.createTopic("t", 3);
  for (const partition of [0, 1, 2]) await hooks.produce(["a"], partition);
  hooks.outside.answer = () => "none";
  await hooks.put({ concurrency: 2, timeoutMs: 60_000 });
  for (const partition of [0, 1, 2]) await hooks.produce(["b"], partition);
  await hooks.pass(30_000);
  assert.deepEqual(hooks.outside.received.map(({ partition }) => partition).sort(), [0, 1]);
});

Deno.test("a batch waits for more, but not for longer than maxWaitMs, and not when it is full", async () => {
  const hooks = await Hooks.open();
  await hooks.createTopic();
  await hooks.put({ maxRecords: 3, maxWaitMs: 2_000 });
  await hooks.produce(["a"]);
  await hooks.pass(1_000);
  await hooks.produce(["b"]);
  assert.deepEqual(hooks.outside.offsets, []);
  await hooks.pass(1_000);
  assert.deepEqual(hooks.outside.offsets, [[0, 1]]);
  await hooks.produce(["c", "d", "e", "f"]);
  assert.deepEqual(hooks.outside.offsets, [[0, 1], [2, 3, 4]]);
  await hooks.pass(2_000);
  assert.deepEqual(hooks.outside.offsets.at(-1), [5]);
});

Deno.test("a poison record becomes a dead letter with its origin, the others are delivered, in order", async () => {
  const hooks = await Hooks.open();
  const { outside } = hooks;
  await hooks.createTopic();
  await hooks.produce(["a", "poison", "c"]);
  outside.answer = ({ values }) => values.includes("poison") ? refuse(422) : new Response(null);
  await hooks.put();
  await hooks.produce(["later"]);
  await hooks.pass(60_000);
  assert.deepEqual(outside.offsets, [[0, 1, 2], [0, 1, 2], [0, 1, 2], [0], [1], [1], [1], [2], [3]]);
  assert.equal(await hooks.committed(), 4);
  const [letter, ...others] = await hooks.deadLetters();
  assert.deepEqual(others, []);
  assert.equal(letter?.value, "poison");
  const { ["kavka.dlq.timestamp"]: timestamp, ...origin } = letter?.headers ?? {};
  assert.ok(Number(timestamp) > 0);
  assert.deepEqual(origin, {
    "kavka.dlq.webhook": "hook",
    "kavka.dlq.topic": "t",
    "kavka.dlq.partition": "0",
    "kavka.dlq.offset": "1",
    "kavka.dlq.attempts": "3",
    "kavka.dlq.error": "The receiver answered 422",
  });
  const events = hooks.world.broker.events.after(0).map(({ event }) => event.type)
    .filter((type) => type.startsWith("webhook"));
  assert.deepEqual(events, [
    "webhookFailing",
    "webhookRecovered",
    "webhookFailing",
    "webhookDeadLetter",
    "webhookRecovered",
  ]);
});

Deno.test("what cannot become a dead letter is not passed over", async () => {
  const hooks = await Hooks.open();
  await hooks.createTopic();
  await hooks.createTopic("hook.dlq", 1, { "cleanup.policy": "compact" });
  await hooks.produce(["a"]);
  hooks.outside.answer = () => refuse();
  await hooks.put({ maxAttempts: 1 });
  await hooks.pass(600_000);
  assert.equal(await hooks.committed(), -1);
  assert.equal(hooks.outside.received.length, 1, "its attempts are used up");
  const { troubles: [failing], lastError } = await hooks.view();
  assert.match(failing?.trouble.givenUp?.fault ?? "", /topic "hook.dlq" does not take it/);
  assert.match(lastError?.error ?? "", /Cannot store a dead letter/);
});

Deno.test("after a crash the same batch is tried again, with the attempts that are left", async () => {
  let hooks = await Hooks.open();
  const { outside } = hooks;
  await hooks.createTopic();
  await hooks.produce(["a", "b"]);
  outside.answer = () => refuse();
  await hooks.put({ backoffMs: 60_000, maxAttempts: 3 });
  await hooks.produce(["c"]);
  assert.equal(outside.received.length, 1);
  hooks = await hooks.restart();
  assert.equal(outside.received.length, 1, "its time has not come");
  assert.equal((await hooks.view()).state, "failing");
  await hooks.pass(80_000);
  assert.equal(outside.received.length, 2);
  assert.deepEqual(outside.offsets[1], [0, 1], "not the one that came later");
  assert.equal(
    outside.received[1]?.headers.get("webhook-id"),
    outside.received[0]?.headers.get("webhook-id"),
  );
  hooks = await hooks.restart();
  assert.equal(
    (await hooks.put({ backoffMs: 60_000, maxAttempts: 3, maxBytes: 1, maxRecords: 1 })).type,
    "changed",
  );
  await hooks.pass(80_000);
  assert.equal(outside.received.length, 3);
  assert.deepEqual(outside.offsets[2], [0, 1], "also with other limits");
  outside.answer = () => new Response(null);
  await hooks.pass(80_000);
  assert.deepEqual(outside.offsets.slice(3), [[0], [1], [2]], "the third was the last of the whole batch");
  assert.equal(await hooks.committed(), 3);
});

Deno.test("killed at any moment of a delivery, every record is delivered and none is left out", async () => {
  for (let dieAfterMs = 0; dieAfterMs < 40; dieAfterMs += 3) {
    let hooks = await Hooks.open();
    const { outside } = hooks;
    await hooks.createTopic();
    await hooks.produce(["0", "1", "2", "3", "4", "5"]);
    let count = 0;
    outside.answer = () => ++count % 3 === 0 ? new Response(null) : refuse(503);
    await hooks.put({ maxRecords: 2, maxAttempts: 0, backoffMs: 10, maxBackoffMs: 10 });
    await hooks.pass(dieAfterMs);
    hooks = await hooks.restart();
    await hooks.pass(60_000);
    assert.equal(await hooks.committed(), 6, `killed after ${dieAfterMs} ms`);
    assert.deepEqual([...new Set(outside.offsets.flat())], [0, 1, 2, 3, 4, 5]);
  }
});

Deno.test("a private address is refused at every attempt: nothing is sent, nothing is lost, the webhook is paused", async () => {
  const hooks = await Hooks.open();
  const { outside } = hooks;
  await hooks.createTopic();
  await hooks.put();
  await hooks.produce(["a"]);
  assert.equal(outside.received.length, 1);
  outside.addresses = ["8.8.8.8", "169.254.169.254"];
  await hooks.produce(["b"]);
  await hooks.pass(1_000);
  assert.equal(outside.received.length, 1);
  const { state, webhook } = await hooks.view();
  assert.equal(state, "paused");
  assert.match(webhook.paused?.reason ?? "", /local network/);
  outside.addresses = ["8.8.4.4"];
  await hooks.settled(hooks.actor.ask({ type: "resume" }));
  await hooks.pass(2_000);
  assert.deepEqual(outside.offsets, [[0], [1]]);
  assert.deepEqual(outside.received[1]?.addresses, ["8.8.4.4"]);
});

Deno.test("private ranges that are allowed are reached, over http too", async () => {
  const hooks = await Hooks.open(new Outside(), undefined, { "webhook.allowed.addresses": "10.1.0.0/16" });
  hooks.outside.addresses = ["10.1.2.3"];
  await hooks.createTopic();
  await hooks.put({ url: "http://worker.office/hook" });
  await hooks.produce(["a"]);
  assert.deepEqual(hooks.outside.received.map(({ url, addresses }) => [url, addresses]), [[
    "http://worker.office/hook",
    ["10.1.2.3"],
  ]]);
});

Deno.test("redirects are failures, 410 pauses, Retry-After is heeded, 413 makes the batch small", async () => {
  const hooks = await Hooks.open();
  const { outside } = hooks;
  await hooks.createTopic();
  const answers = [
    new Response(null, { status: 307, headers: { location: "http://10.0.0.1/" } }),
    new Response(null, { status: 503, headers: { "retry-after": "30" } }),
    new Response(null, { status: 413 }),
  ];
  outside.answer = () => answers.shift() ?? new Response(null);
  await hooks.produce(["a", "b"]);
  await hooks.put({ maxAttempts: 16 });
  await hooks.pass(60_000);
  const [first, second, third, ...singles] = outside.received;
  assert(first !== undefined && second !== undefined && third !== undefined);
  assert.ok(second.atMs - first.atMs < 2_000);
  assert.ok(third.atMs - second.atMs >= 30_000);
  assert.deepEqual(singles.map(({ offsets }) => offsets), [[0], [1]]);
  outside.answer = () => refuse(410);
  await hooks.produce(["c"]);
  await hooks.pass(600_000);
  assert.equal(outside.received.length, 6);
  assert.equal((await hooks.view()).webhook.paused?.reason, "The receiver answered 410: it is gone");
  assert.equal(await hooks.committed(), 2);
});

Deno.test("latest is the moment of the creation; what comes later is read from its beginning", async () => {
  const hooks = await Hooks.open();
  await hooks.createTopic();
  await hooks.produce(["before"]);
  await hooks.put({ topics: null, pattern: "t.*", from: "latest" });
  assert.equal(await hooks.committed(), 1, "before anything was delivered");
  await hooks.createTopic("t2");
  await hooks.produce(["at once"], 0, "t2");
  await hooks.produce(["after"]);
  await hooks.createTopic("hook.dlq");
  await hooks.createTopic("other");
  await hooks.produce(["not matched"], 0, "other");
  await hooks.pass(5_000);
  assert.deepEqual(hooks.outside.received.map(({ values }) => values[0]).sort(), ["after", "at once"]);
});

Deno.test("paused it holds no partition, and goes on where the group is when it is resumed", async () => {
  const hooks = await Hooks.open();
  await hooks.createTopic();
  await hooks.produce(["a", "b", "c"]);
  await hooks.put();
  assert.equal(await hooks.committed(), 3);
  await hooks.settled(hooks.actor.ask({ type: "pause", reason: "maintenance" }));
  const group = hooks.world.broker.group("hook");
  assert.equal((await hooks.settled(group.ask({ type: "describe" }))).state, "Empty");
  // As kafka-consumer-groups.sh --reset-offsets does.
  const offset = {
    topic: "t",
    topicId: hooks.topicId(),
    partition: 0,
    offset: 1,
    leaderEpoch: -1,
    metadata: "",
  };
  const commit = { generationId: -1, memberId: "", groupInstanceId: null, offsets: [offset] };
  await hooks.settled(group.ask({ type: "offsetCommit", ...commit }));
  const restarted = await hooks.restart();
  await restarted.pass(10_000);
  assert.equal((await restarted.view()).state, "paused", "also after a restart");
  await restarted.settled(restarted.actor.ask({ type: "resume" }));
  await restarted.pass(2_000);
  assert.deepEqual(hooks.outside.offsets, [[0, 1, 2], [1, 2]]);
});

Deno.test("a group of another kind is refused, and one with members when the webhook begins at the end", async () => {
  const hooks = await Hooks.open();
  await hooks.createTopic();
  await hooks.settled(hooks.world.broker.shareGroup("hook").ask({ type: "ensure" }));
  assert.equal((await hooks.put({ from: "latest" })).type, "conflict");
  assert.equal(await hooks.settled(hooks.actor.ask({ type: "get" })), null, "nothing was made");
  const instance = hooks.world.broker.restConsumer("busy", "other");
  const config = {
    format: "json",
    autoOffsetReset: "latest",
    autoCommit: false,
    requestTimeoutMs: 1_000,
  } as const;
  await hooks.settled(instance.ask({ type: "create", config }));
  await hooks.settled(instance.ask({ type: "setInterest", interest: { type: "topics", topics: ["t"] } }));
  await hooks.pass(1_000);
  assert.equal((await hooks.put({ groupId: "busy", from: "latest" })).type, "conflict");
  assert.equal((await hooks.put({ groupId: "busy" })).type, "created");
});

Deno.test("it shares the group's partitions with another member, and takes them back", async () => {
  const hooks = await Hooks.open();
  await hooks.createTopic("t", 2);
  await hooks.put();
  const instance = hooks.world.broker.restConsumer("hook", "other");
  const config = {
    format: "json",
    autoOffsetReset: "earliest",
    autoCommit: true,
    requestTimeoutMs: 1_000,
  } as const;
  await hooks.settled(instance.ask({ type: "create", config }));
  const interest = { type: "topics", topics: ["t"] } as const;
  await hooks.settled(instance.ask({ type: "setInterest", interest }));
  await hooks.pass(5_000);
  for (const partition of [0, 1]) await hooks.produce(["shared"], partition);
  await hooks.pass(1_000);
  assert.equal(hooks.outside.received.length, 1);
  await hooks.settled(instance.ask({ type: "remove" }));
  await hooks.pass(5_000);
  for (const partition of [0, 1]) await hooks.produce(["alone"], partition);
  const alone = hooks.outside.received.filter(({ values }) => values.includes("alone"));
  assert.deepEqual(alone.map(({ partition }) => partition).sort(), [0, 1]);
});

Deno.test("nothing of an aborted transaction is posted", async () => {
  const hooks = await Hooks.open();
  await hooks.createTopic();
  const value = new TextEncoder().encode("aborted");
  const producer = { producerId: 7, producerEpoch: 0 };
  const log = hooks.world.broker.partition(hooks.topicId(), 0);
  const coordinator = hooks.world.broker.transaction("tx");
  const init = await hooks.settled(
    coordinator.ask({ type: "initProducerId", timeoutMs: 60_000, producerId: -1, producerEpoch: -1 }),
  );
  const identity = { ...producer, producerId: init.producerId, producerEpoch: init.producerEpoch };
  const partitions = [{ topicId: hooks.topicId(), partition: 0 }];
  await hooks.settled(coordinator.ask({ type: "addToTransaction", ...identity, partitions, groups: [] }));
  const produced = await hooks.settled(log.ask({
    type: "produce",
    batch: buildBatch({
      records: [{ key: null, value, headers: [], timestamp: hooks.world.env.now() }],
      ...identity,
      baseSequence: 0,
      isTransactional: true,
    }),
    transactionalId: "tx",
    maxMessageBytes: 1_000_000,
    timestampType: "CreateTime",
    requireKeys: false,
  }));
  assert.equal(produced.error, "NONE");
  await hooks.settled(
    coordinator.ask({ type: "endTransaction", ...identity, committed: false, bumpsEpoch: false }),
  );
  await hooks.pass(1_000);
  await hooks.put();
  await hooks.produce(["plain"]);
  await hooks.pass(1_000);
  assert.deepEqual(hooks.outside.received.flatMap(({ values }) => values), ["plain"]);
  assert.equal(await hooks.committed(), 3);
});

Deno.test("a webhook whose stored value is damaged holds up no other", async () => {
  const hooks = await Hooks.open();
  await hooks.createTopic();
  await hooks.put();
  const value = new Uint8Array([1, 0xff]);
  // "a" would be woken before "hook".
  await hooks.world.storage.commit({
    checks: [],
    mutations: [{ type: "set", key: webhookKey("a"), value }],
  });
  const restarted = await hooks.restart();
  await restarted.pass(60_000);
  await restarted.produce(["after"]);
  await restarted.pass(2_000);
  assert.deepEqual(hooks.outside.received.flatMap(({ values }) => values), ["after"]);
});

Deno.test("a rotated secret signs beside the old one for a while; what is stored survives", async () => {
  let hooks = await Hooks.open();
  await hooks.createTopic();
  await hooks.put();
  const secret = `whsec_${btoa("another secret of 32 characters!")}`;
  await hooks.settled(hooks.actor.ask({ type: "rotateSecret", secret, graceMs: 60_000 }));
  hooks = await hooks.restart();
  await hooks.produce(["a"]);
  await hooks.pass(60_000);
  await hooks.produce(["b"]);
  const counts = hooks.outside.received.map(({ headers }) =>
    headers.get("webhook-signature")?.split(" ").length
  );
  assert.deepEqual(counts, [2, 1]);
});

Deno.test("it is changed in place, but not its group; deleted it sends nothing, and made anew it goes on", async () => {
  const hooks = await Hooks.open();
  const { outside } = hooks;
  await hooks.createTopic();
  assert.equal((await hooks.put()).type, "created");
  assert.equal((await hooks.put()).type, "same");
  assert.equal((await hooks.put({ groupId: "other" })).type, "conflict");
  assert.equal((await hooks.put({ url: "https://new.example/" })).type, "changed");
  await hooks.pass(2_000);
  await hooks.produce(["a"]);
  assert.equal(outside.received[0]?.url, "https://new.example/");
  assert.equal(await hooks.settled(hooks.actor.ask({ type: "remove" })), true);
  assert.equal(await hooks.settled(hooks.actor.ask({ type: "get" })), null);
  await hooks.produce(["b"]);
  await hooks.pass(60_000);
  assert.equal(outside.received.length, 1);
  assert.deepEqual(await hooks.settled(hooks.world.broker.webhookNames()), []);
  await hooks.put();
  assert.deepEqual(outside.offsets, [[0], [1]]);
});

Deno.test("records that retention deletes before they are delivered are counted, and it goes on behind them", async () => {
  const hooks = await Hooks.open();
  await hooks.createTopic();
  hooks.outside.answer = () => refuse();
  await hooks.put({ maxAttempts: 0 });
  await hooks.produce(["a", "b", "c"]);
  await hooks.pass(2_000);
  await hooks.settled(
    hooks.world.broker.partition(hooks.topicId(), 0).ask({ type: "deleteRecords", offset: 3 }),
  );
  hooks.outside.answer = () => new Response(null);
  await hooks.produce(["d"]);
  await hooks.pass(120_000);
  assert.deepEqual(hooks.outside.received.at(-1)?.values, ["d"]);
  assert.equal((await hooks.view()).counts.missedRecords, 3);
});
