/** Queues over HTTP: the same share groups that Kafka's clients see, through the same actors. */
import assert from "node:assert/strict";
import { serveBroker, type ServedBroker } from "./served_broker.ts";

class Queues {
  constructor(readonly served: ServedBroker) {}

  async post(path: string, body: unknown, signal?: AbortSignal) {
    const response = await this.served.http(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
    // deno-lint-ignore no-explicit-any -- tests look into answers freely
    return { status: response.status, body: await response.json().catch(() => null) as any };
  }

  take(wish: Record<string, unknown> = {}, group = "mail") {
    return this.post(`/v1/queues/${group}/topics/t/take`, wish);
  }

  settle(action: string, lock: string, offsets: readonly number[], more: Record<string, unknown> = {}) {
    const records = offsets.map((offset) => ({ partition: 0, offset }));
    return this.post(`/v1/queues/mail/topics/t/${action}`, { lock, records, ...more });
  }

  async produce(...values: string[]): Promise<void> {
    for (const value of values) {
      const { status } = await this.post("/v1/topics/t/records", { key: null, value, partition: 0 });
      assert.equal(status, 200);
    }
  }

  async get(path: string) {
    const response = await this.served.http(path);
    // deno-lint-ignore no-explicit-any -- tests look into answers freely
    return { status: response.status, body: await response.json().catch(() => null) as any };
  }
}

async function withQueues(body: (queues: Queues) => Promise<void>, config: Record<string, string> = {}) {
  await using served = await serveBroker({ config });
  const queues = new Queues(served);
  assert.equal((await queues.post("/v1/topics", { name: "t", partitionCount: 1 })).status, 201);
  await body(queues);
}

// deno-lint-ignore no-explicit-any -- as above
const offsetsOf = (answer: any) => answer.body.records.map((record: { offset: number }) => record.offset);

Deno.test("take, acknowledge, release, reject and renew, on whichever connection", () =>
  withQueues(async (queues) => {
    const none = await queues.take({ from: "earliest" });
    assert.deepEqual([none.status, none.body], [200, { lock: null, lockMs: 0, records: [] }]);
    await queues.produce("a", "b", "c", "d");
    const first = await queues.take({ maxRecords: 3 });
    assert.deepEqual(offsetsOf(first), [0, 1, 2]);
    assert.deepEqual(first.body.records[0].value, { type: "string", data: "a" });
    assert.equal(first.body.records[0].deliveryCount, 1);
    const second = await queues.take();
    assert.deepEqual(offsetsOf(second), [3], "what is held is nobody else's");
    const { lock } = first.body;
    const renewed = await queues.settle("renew", lock, [0, 1], { lockMs: 45_000 });
    assert.deepEqual([renewed.status, renewed.body], [200, { settled: 2, lockMs: 45_000 }]);
    assert.equal((await queues.settle("renew", lock, [0], { lockMs: 900_000_000 })).body.lockMs, 60_000);
    assert.equal((await queues.settle("acknowledge", lock, [0])).body.settled, 1);
    assert.equal((await queues.settle("release", lock, [1])).body.settled, 1);
    assert.equal((await queues.settle("reject", lock, [2])).body.settled, 1);
    const again = await queues.take();
    assert.deepEqual([offsetsOf(again), again.body.records[0].deliveryCount], [[1], 2]);
    const { body } = await queues.get("/v1/queues/mail");
    assert.deepEqual(body, {
      name: "mail",
      state: "Empty",
      members: [],
      partitions: [{ topic: "t", partition: 0, startOffset: 1, lag: 2 }],
    });
  }));

Deno.test("a take waits for a record, and gives back what its client no longer reads", () =>
  withQueues(async (queues) => {
    await queues.take({ from: "latest" });
    const waiting = queues.take({ waitMs: 20_000 });
    await queues.produce("late");
    assert.deepEqual(offsetsOf(await waiting), [0]);
    const gone = new AbortController();
    const abandoned = queues.post("/v1/queues/mail/topics/t/take", { waitMs: 20_000 }, gone.signal);
    await queues.get("/v1/queues");
    gone.abort();
    await abandoned.catch(() => undefined);
    await queues.produce("next");
    assert.deepEqual(offsetsOf(await queues.take({ waitMs: 20_000 })), [1]);
  }));

Deno.test("what cannot be is a problem document, and changes nothing", () =>
  withQueues(async (queues) => {
    await queues.take({ from: "earliest" });
    await queues.produce("a", "b");
    const { lock } = (await queues.take()).body;
    const strange = crypto.randomUUID();
    const refused = await queues.settle("acknowledge", strange, [0]);
    assert.deepEqual([refused.status, refused.body.kafkaError], [409, "INVALID_RECORD_STATE"]);
    assert.deepEqual(refused.body.failedPartitions.length, 1);
    assert.equal((await queues.settle("acknowledge", lock, [0, 7])).body.kafkaError, "INVALID_REQUEST");
    assert.equal((await queues.settle("acknowledge", lock, [])).status, 400);
    assert.equal((await queues.settle("acknowledge", "mine", [0])).status, 400);
    assert.equal((await queues.settle("acknowledge", lock, [-1])).status, 400);
    const elsewhere = { lock, records: [{ partition: 5, offset: 0 }] };
    assert.equal((await queues.post("/v1/queues/mail/topics/t/acknowledge", elsewhere)).status, 404);
    assert.equal((await queues.take({ maxRecords: 0 })).status, 400);
    assert.equal((await queues.take({ maxRecords: 1e9 })).status, 400);
    assert.equal((await queues.take({ from: "yesterday" })).status, 400);
    assert.equal((await queues.take({ surprise: true })).status, 400);
    assert.equal((await queues.take({}, "g".repeat(3_000))).status, 400);
    assert.equal((await queues.post("/v1/queues/mail/topics/nothing/take", {})).status, 404);
    assert.equal((await queues.get("/v1/queues/nothing")).status, 404);
    assert.equal((await queues.settle("acknowledge", lock, [0, 1])).body.settled, 2, "the lock still holds");
    assert.equal((await queues.settle("acknowledge", lock, [0])).status, 409, "that is done");
    assert.deepEqual((await queues.get("/v1/queues")).body.queues, [{ name: "mail", state: "Empty" }]);
    assert.equal((await queues.served.http("/v1/queues/mail", { method: "DELETE" })).status, 204);
    assert.equal((await queues.served.http("/v1/queues/mail", { method: "DELETE" })).status, 404);
  }));

Deno.test("a record that nobody settles comes again when its time is over, but not for ever", () =>
  withQueues(async (queues) => {
    await queues.take({ from: "earliest" });
    await queues.produce("poison");
    const counts: number[] = [];
    for (let i = 0; i < 2; i++) {
      const { body } = await queues.take({ waitMs: 20_000, lockMs: 1_000 });
      counts.push(body.records[0].deliveryCount);
    }
    assert.deepEqual(counts, [1, 2]);
    await queues.produce("next");
    const { body } = await queues.take({ waitMs: 20_000, maxRecords: 1 });
    assert.deepEqual([body.records[0].offset, body.records[0].deliveryCount], [1, 1]);
  }, { "group.share.delivery.count.limit": "2" }));
