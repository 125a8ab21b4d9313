/** Transactions over HTTP: requests that are stored all or nothing, and once; and reading only what is committed. */
import assert from "node:assert/strict";
import { LocalBroker } from "../actors/local_broker.ts";
import { Admin } from "../client/mod.ts";
import { httpApp } from "../routes/app.ts";
import { MemoryStorage } from "../storage/memory.ts";
import { start } from "./local_world.ts";
import { serveBroker, type ServedBroker } from "./served_broker.ts";

interface Answer {
  readonly records?: readonly {
    topic?: string;
    partition: number;
    offset: number;
    value?: { data: string };
  }[];
  readonly nextOffset?: number;
  readonly detail?: string;
}

const producer = (epoch: number, seq: number, id = "p") => ({
  "producer-id": id,
  "producer-epoch": String(epoch),
  "producer-seq": String(seq),
});

async function serve(): Promise<ServedBroker> {
  const served = await serveBroker();
  await using admin = new Admin(served.env, { bootstrapServers: served.bootstrapServers });
  for (const name of ["a", "b"]) await admin.createTopic({ name, partitionCount: 2 });
  return served;
}

async function post(served: ServedBroker, path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await served.http(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: (text === "" ? {} : JSON.parse(text)) as Answer,
  };
}

async function read(
  served: ServedBroker,
  topic: string,
  partition: number,
  query = "?isolation=read_committed",
) {
  const response = await served.http(`/v1/topics/${topic}/partitions/${partition}/records${query}`);
  const { records = [] } = await response.json() as Answer;
  return records.map(({ value }) => value?.data);
}

const record = (value: string, partition = 0) => ({ value: { type: "string", data: value }, partition });

Deno.test("POST /v1/records stores in several topics at once, readable when it is answered", async () => {
  await using served = await serve();
  const records = [{ topic: "a", ...record("1") }, { topic: "b", ...record("2", 1) }, {
    topic: "a",
    ...record("3"),
  }];
  const { status, body } = await post(served, "/v1/records", { records });
  assert.equal(status, 200);
  assert.deepEqual(body.records?.map(({ topic, partition, offset }) => [topic, partition, offset]), [
    ["a", 0, 0],
    ["b", 1, 0],
    ["a", 0, 1],
  ]);
  assert.deepEqual(await read(served, "a", 0), ["1", "3"]);
  assert.deepEqual(await read(served, "b", 1), ["2"]);
});

Deno.test("POST /v1/records stores nothing when one record cannot be stored", async () => {
  await using served = await serve();
  const large = "x".repeat(1_200_000);
  const refused = await post(served, "/v1/records", {
    records: [{ topic: "a", ...record("1") }, { topic: "b", ...record(large) }],
  });
  assert.equal(refused.status, 413);
  assert.deepEqual([await read(served, "a", 0), await read(served, "b", 0)], [[], []]);
  for (
    const [records, status] of [
      [[{ topic: "a", ...record("1") }, { topic: "b", ...record("2", 7) }], 400],
      [[{ topic: "a", ...record("1") }, { topic: "in/valid", ...record("2") }], 404],
      [[{ topic: "a", ...record("1") }, { topic: "__consumer_offsets", ...record("2") }], 403],
      [[{ ...record("1") }], 400],
      [[], 400],
    ] as const
  ) assert.equal((await post(served, "/v1/records", { records })).status, status);
  assert.deepEqual(await read(served, "a", 0), []);
  const again = await post(served, "/v1/records", { records: [{ topic: "a", ...record("2") }] });
  assert.equal(again.status, 200, "the next one goes through");
  assert.deepEqual(await read(served, "a", 0), ["2"]);
});

Deno.test("Producer-Id, -Epoch and -Seq: stored once, with Durable Streams' answers", async () => {
  await using served = await serve();
  for (const path of ["/v1/records", "/v1/topics/a/records"]) {
    const topic = path === "/v1/records" ? { topic: "b" } : {};
    const send = (epoch: number, seq: number, id = "p") =>
      post(served, path, { records: [{ ...topic, ...record(`${epoch}.${seq}`) }] }, producer(epoch, seq, id));
    const first = await send(0, 0);
    assert.deepEqual([first.status, first.headers.get("producer-epoch"), first.headers.get("producer-seq")], [
      200,
      "0",
      "0",
    ]);
    assert.equal((await send(0, 0)).status, 204, "a repetition");
    const gap = await send(0, 5);
    assert.deepEqual(
      [gap.status, gap.headers.get("producer-expected-seq"), gap.headers.get("producer-received-seq")],
      [409, "1", "5"],
    );
    assert.equal((await send(0, 1)).status, 200);
    assert.equal((await send(0, 0)).status, 204, "an old repetition");
    assert.equal((await send(1, 3)).status, 400, "a new epoch begins at 0");
    assert.equal((await send(1, 0)).status, 200);
    const zombie = await send(0, 2);
    assert.deepEqual([zombie.status, zombie.headers.get("producer-epoch")], [403, "1"]);
    assert.equal((await send(0, 1, "q")).status, 409, "another producer begins at 0");
    assert.deepEqual(await read(served, path === "/v1/records" ? "b" : "a", 0), ["0.0", "0.1", "1.0"]);
  }
  const partial = await post(served, "/v1/records", { records: [{ topic: "a", ...record("x") }] }, {
    "producer-id": "p",
  });
  assert.equal(partial.status, 400, "the three headers go together");
});

Deno.test("a topic that was deleted and made again knows nothing of the old one's producers", async () => {
  await using served = await serve();
  const body = { records: [record("1")] };
  assert.equal((await post(served, "/v1/topics/a/records", body, producer(0, 0))).status, 200);
  await using admin = new Admin(served.env, { bootstrapServers: served.bootstrapServers });
  await admin.deleteTopic("a");
  await admin.createTopic({ name: "a", partitionCount: 2 });
  assert.equal((await post(served, "/v1/topics/a/records", body, producer(0, 0))).status, 200);
  assert.deepEqual(await read(served, "a", 0), ["1"]);
});

Deno.test("requests at once are each stored, whole", async () => {
  await using served = await serve();
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, i) =>
      post(served, "/v1/records", {
        records: [{ topic: "a", ...record(String(i)) }, { topic: "b", ...record(String(i)) }],
      })),
  );
  assert.ok(answers.every(({ status }) => status === 200));
  const [a, b] = [await read(served, "a", 0), await read(served, "b", 0)];
  const all = Array.from({ length: 60 }, (_, i) => String(i)).sort();
  assert.deepEqual([a.sort(), b.sort()], [all, all]);
});

Deno.test("isolation=read_committed ends before the first open transaction and leaves out aborted records", async () => {
  await using served = await serve();
  const { topicId = "" } = served.broker.metadata.topicsByName.get("a") ?? {};
  const { buildBatch } = await import("../protocol/records/record_batch.ts");
  const coordinator = served.broker.transaction("x");
  const me = await coordinator.ask({
    type: "initProducerId",
    timeoutMs: 60_000,
    producerId: -1,
    producerEpoch: -1,
  });
  const { producerId, producerEpoch } = me;
  await coordinator.ask({
    type: "addToTransaction",
    producerId,
    producerEpoch,
    partitions: [{ topicId, partition: 0 }],
    groups: [],
  });
  await post(served, "/v1/topics/a/records", { records: [record("before")] });
  const records = [{ key: null, value: new TextEncoder().encode("aborted"), headers: [], timestamp: 1 }];
  await served.broker.partition(topicId, 0).ask({
    type: "produce",
    batch: buildBatch({ records, producerId, producerEpoch, baseSequence: 0, isTransactional: true }),
    maxMessageBytes: 1 << 20,
    timestampType: "CreateTime",
    requireKeys: false,
    transactionalId: "x",
  });
  await post(served, "/v1/topics/a/records", { records: [record("after")] });
  assert.deepEqual(await read(served, "a", 0), ["before"]);
  assert.deepEqual(await read(served, "a", 0, "?offset=latest&isolation=read_committed"), []);
  assert.deepEqual(await read(served, "a", 0, ""), ["before", "aborted", "after"]);

  const live = await served.http("/v1/topics/a/live?from=earliest&isolation=read_committed");
  const events = live.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.ok(events !== undefined);
  let text = "";
  const until = async (word: string) => {
    while (!text.includes(word)) text += (await events.read()).value ?? "";
  };
  await until("before");
  // A long poll is woken by the end of the transaction.
  const waiting = read(served, "a", 0, "?offset=1&isolation=read_committed&waitMs=20000");
  await coordinator.ask({
    type: "endTransaction",
    producerId,
    producerEpoch,
    committed: false,
    bumpsEpoch: true,
  });
  assert.deepEqual(await waiting, ["after"]);
  await until("after");
  assert.ok(!text.includes("aborted"));
  await events.cancel();
  assert.deepEqual(await read(served, "a", 0), ["before", "after"]);
  const wrong = await served.http("/v1/topics/a/partitions/0/records?isolation=serializable");
  assert.equal(wrong.status, 400);
  await wrong.body?.cancel();
});

Deno.test("an atomic request is answered when its markers are there, so that its records can be read", async () => {
  const storage = new MemoryStorage();
  const { broker, env } = await start(storage);
  await createTopics(broker, env);
  storage.fateOf = ({ mutations }) =>
    mutations.some(({ type, key }) => type === "delete" && key[0] === "p" && key[3] === "x")
      ? "hold"
      : "apply";
  let status = 0;
  const answered = request(broker, 0).then((code) => status = code);
  await env.advance(500);
  assert.equal(status, 0);
  storage.fateOf = () => "apply";
  storage.releaseHeld();
  await env.advance(2_000);
  await answered;
  assert.equal(status, 200);
});

Deno.test("kill -9 between any two steps of an atomic request leaves all of it or nothing, and a repetition stores it once", async () => {
  let outcomes = "";
  for (let step = 0; step < 12; step++) {
    for (const fate of ["crash", "crashAfter"] as const) {
      const storage = new MemoryStorage();
      const before = await start(storage);
      const topics = await createTopics(before.broker, before.env);
      let commits = 0;
      storage.fateOf = () => commits++ < step ? "apply" : commits === step + 1 ? fate : "crash";
      void request(before.broker, 0).catch(() => "killed");
      for (let i = 0; i < 20; i++) await before.env.advance(1);
      storage.fateOf = () => "apply";

      const after = await start(storage);
      const settle = async <T>(work: Promise<T>): Promise<T> => {
        let isDone = false;
        work.finally(() => isDone = true).catch(() => "it is awaited below");
        for (let i = 0; i < 10_000 && !isDone; i++) await after.env.advance(5);
        return await work;
      };
      // Whoever reads sees both records or none, before anybody comes again.
      for (let i = 0; i < 10; i++) await after.env.advance(10);
      const found = await settle(readBoth(after.broker, topics));
      assert.ok(found === "0/0" || found === "1/1", `${found} after step ${step} (${fate})`);
      const again = await settle(request(after.broker, 0));
      assert.ok(again === 200 || again === 204, `${again} after step ${step} (${fate})`);
      assert.equal(await settle(readBoth(after.broker, topics)), "1/1", `after step ${step} (${fate})`);
      outcomes += again === 204 ? "d" : "n";
    }
  }
  assert.match(outcomes, /^n+d+$/, "there is one commit point");
});

async function createTopics(broker: LocalBroker, env: { runUntilIdle(): Promise<void> }): Promise<string[]> {
  const ids: string[] = [];
  for (const name of ["a", "b"]) {
    const creating = broker.supervisor.ask({
      type: "createTopic",
      name,
      partitionCount: 1,
      replicationFactor: 1,
      configs: {},
      validateOnly: false,
    });
    await env.runUntilIdle();
    const outcome = await creating;
    assert.ok("topic" in outcome);
    ids.push(outcome.topic.topicId);
  }
  return ids;
}

async function request(broker: LocalBroker, seq: number): Promise<number> {
  const response = await httpApp(broker, { version: "0" }).fetch(
    new Request("http://127.0.0.1/v1/records", {
      method: "POST",
      headers: { "content-type": "application/json", ...producer(0, seq) },
      body: JSON.stringify({
        records: [{ topic: "a", value: "1" }, { topic: "b", value: "2" }].map(withString),
      }),
    }),
  );
  await response.body?.cancel();
  return response.status;
}

function withString({ topic, value }: { topic: string; value: string }) {
  return { topic, ...record(value) };
}

/** How many records each topic shows to read_committed. */
async function readBoth(broker: LocalBroker, topicIds: readonly string[]): Promise<string> {
  const counts: number[] = [];
  for (const topicId of topicIds) {
    const { records, abortedTransactions } = await broker.partition(topicId, 0).ask({
      type: "fetch",
      offset: 0,
      maxBytes: 1 << 20,
      minOneBatch: true,
      isolationLevel: "read_committed",
      currentLeaderEpoch: -1,
    });
    const { readBatchHeader } = await import("../protocol/records/record_batch.ts");
    const data = records.filter((batch) => !readBatchHeader(batch).isControl).length;
    counts.push(data - abortedTransactions.length);
  }
  return counts.join("/");
}
