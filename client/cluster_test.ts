import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import type { Env } from "../lib/env.ts";
import { errorCode } from "../protocol/errors.ts";
import { createTopics } from "../protocol/messages/19_create_topics.ts";
import { metadata } from "../protocol/messages/03_metadata.ts";
import { Admin } from "./admin.ts";
import { Cluster } from "./cluster.ts";
import { BrokerError, ClosedError, ConnectionError } from "./errors.ts";
import { CLOSE, FakeBroker, SILENCE } from "./testkit.ts";

const fast = { bootstrapServers: "memory:1", retryBackoffMs: 1, retryBackoffMaxMs: 2 };

Deno.test("Cluster takes the next bootstrap server when one refuses", async () => {
  const broker = new FakeBroker({ t: 2 });
  const env: Env = {
    ...broker.env(realEnv()),
    connect: ({ hostname }) =>
      hostname === "down" ? Promise.reject(new Error("refused")) : Promise.resolve(broker.connect()),
  };
  const cluster = new Cluster(env, { ...fast, bootstrapServers: "down:1,memory:1" });
  assert.equal((await cluster.topic("t")).partitions.length, 2);
  cluster.close();
});

Deno.test("Cluster waits for a topic that is being made, and gives the last error when the time is over", async () => {
  const topics: Record<string, number> = {};
  const broker = new FakeBroker(topics);
  const cluster = new Cluster(broker.env(realEnv()), fast);
  await assert.rejects(
    cluster.topic("t", { timeoutMs: 20 }),
    (error) => error instanceof BrokerError && error.error === "UNKNOWN_TOPIC_OR_PARTITION",
  );
  setTimeout(() => topics["t"] = 1, 10);
  assert.equal((await cluster.topic("t")).name, "t");
  cluster.close();
});

Deno.test("Cluster opens one connection for all who ask at the same time, and a new one when it broke", async () => {
  const broker = new FakeBroker({ t: 1 });
  const cluster = new Cluster(broker.env(realEnv()), fast);
  await Promise.all([cluster.refresh(["t"]), cluster.refresh(null), cluster.refresh([])]);
  assert.equal(broker.connectionCount, 1);
  broker.disconnect();
  await cluster.retry(() => cluster.refresh(["t"]));
  assert.equal(broker.connectionCount, 2);
  cluster.close();
});

Deno.test("Cluster.close() ends what is under way", async () => {
  const broker = new FakeBroker({});
  broker.on(metadata, () => SILENCE);
  const cluster = new Cluster(broker.env(realEnv()), fast);
  const waiting = cluster.retry(() => cluster.refresh(null));
  await cluster.anyConnection();
  await new Promise((resolve) => setTimeout(resolve, 5));
  cluster.close();
  await assert.rejects(waiting, (error) => error instanceof ClosedError || error instanceof ConnectionError);
  await assert.rejects(cluster.anyConnection(), ClosedError);
});

Deno.test("Cluster gives up at the signal", async () => {
  const broker = new FakeBroker({});
  broker.on(metadata, () => CLOSE);
  const cluster = new Cluster(broker.env(realEnv()), fast);
  const abort = new AbortController();
  const waiting = cluster.topic("t", { signal: abort.signal });
  setTimeout(() => abort.abort(new Error("enough")), 5);
  await assert.rejects(waiting, /enough/);
  cluster.close();
});

Deno.test("Admin asks again when another node has become the controller, and reports what the broker says", async () => {
  const broker = new FakeBroker({});
  let count = 0;
  broker.on(createTopics, (request) => ({
    topics: request.topics.map(({ name }) => ({
      name,
      errorCode: errorCode(count++ === 0 ? "NOT_CONTROLLER" : "TOPIC_ALREADY_EXISTS"),
      errorMessage: "Topic 't' already exists.",
    })),
  }));
  using admin = new Admin(broker.env(realEnv()), fast);
  await assert.rejects(
    admin.createTopic({ name: "t" }),
    { error: "TOPIC_ALREADY_EXISTS", message: "Topic 't' already exists." },
  );
  assert.equal(count, 2);
  const sent = broker.requestsOf(createTopics)[0]?.topics[0];
  assert.deepEqual([sent?.numPartitions, sent?.replicationFactor], [-1, -1]);
});

Deno.test("Cluster asks anew where a broker is when it cannot be reached where it was", async () => {
  const broker = new FakeBroker({ t: 1 });
  let host = "old";
  broker.on(metadata, () => ({
    brokers: [{ nodeId: 1, host, port: 1 }],
    controllerId: 1,
    topics: [],
  }));
  broker.on(createTopics, () => ({ topics: [{ name: "t", errorCode: 0, errorMessage: null }] }));
  const env: Env = {
    ...broker.env(realEnv()),
    connect: ({ hostname }) =>
      hostname === "old" ? Promise.reject(new Error("refused")) : Promise.resolve(broker.connect()),
  };
  const admin = new Admin(env, { ...fast, callTimeoutMs: 2_000 });
  await admin.describeTopics([]);
  host = "new";
  await admin.createTopic({ name: "t" });
  admin.close();
});
