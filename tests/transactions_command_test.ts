/** kafka-transactions.sh against a broker over real sockets: a transaction that hangs is found, and aborted. */
import assert from "node:assert/strict";
import { transactions } from "../cli/transactions.ts";
import { Connection } from "../client/connection.ts";
import { Admin } from "../client/mod.ts";
import { realEnv } from "../env/real.ts";
import type { Env } from "../lib/env.ts";
import { silentLogger } from "../lib/log.ts";
import { produce } from "../protocol/messages/00_produce.ts";
import { initProducerId } from "../protocol/messages/22_init_producer_id.ts";
import { buildBatch } from "../protocol/records/record_batch.ts";
import { DenoKvStorage } from "../storage/deno_kv.ts";
import { ShardStore } from "../storage/shard.ts";
import { TransactionShards } from "../storage/transaction_store.ts";
import { serveBroker, type ServedBroker } from "./served_broker.ts";

const HOUR_MS = 3_600_000;

async function run(served: ServedBroker, line: string, env: Env = served.env) {
  const out: string[] = [];
  const errors: string[] = [];
  const code = await transactions(["--bootstrap-server", served.bootstrapServers, ...line.split(" ")], {
    env,
    variable: () => undefined,
    writeOut: (bytes) => Promise.resolve(void out.push(new TextDecoder().decode(bytes))),
    writeError: (text) => void errors.push(text),
  });
  const rows = out.join("").split("\n").slice(1, -1).map((row) =>
    row.split("\t").slice(0, -1).map((cell) => cell.trim())
  );
  return { code, rows, errors };
}

async function createTopic(served: ServedBroker): Promise<void> {
  await using admin = new Admin(served.env, { bootstrapServers: served.bootstrapServers });
  await admin.createTopic({ name: "t", partitionCount: 1 });
}

/** Opens a transaction with one record in it. */
async function open(served: ServedBroker, transactionalId: string) {
  const connection = await Connection.open(served.env, {
    hostname: "127.0.0.1",
    port: served.port,
    clientId: "test",
    connectTimeoutMs: 5_000,
    requestTimeoutMs: 10_000,
    frameBytesMax: 1 << 20,
  });
  const identity = await connection.request(initProducerId, {
    transactionalId,
    transactionTimeoutMs: 60_000,
    producerId: -1,
    producerEpoch: -1,
  });
  const { producerId, producerEpoch } = identity;
  const records = buildBatch({
    records: [{ key: null, value: new Uint8Array(3), headers: [], timestamp: 1 }],
    producerId,
    producerEpoch,
    baseSequence: 0,
    isTransactional: true,
  });
  const { responses } = await connection.request(produce, {
    transactionalId,
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ name: "t", partitionData: [{ index: 0, records }] }],
  }, { versionMax: 12 });
  assert.equal(responses[0]?.partitionResponses[0]?.errorCode, 0);
  connection.close();
  return { producerId, producerEpoch };
}

/** An hour later, for the command alone. */
function later(env: Env): Env {
  const fast = Object.create(env) as Env;
  fast.now = () => env.now() + HOUR_MS;
  return fast;
}

Deno.test("kafka-transactions.sh lists, describes, and forces an end", async () => {
  await using served = await serveBroker();
  await createTopic(served);
  const { producerId } = await open(served, "x");
  assert.deepEqual((await run(served, "list")).rows, [["x", "1", String(producerId), "Ongoing"]]);
  assert.deepEqual((await run(served, "list --transactional-id-pattern y.*")).rows, []);
  assert.deepEqual((await run(served, "list --duration-filter 600000")).rows, []);
  const [described] = (await run(served, "describe --transactional-id x")).rows;
  assert.deepEqual([described?.[1], described?.[4], described?.[8]], ["x", "Ongoing", "t-0"]);
  const [producer] = (await run(served, "describe-producers --topic t --partition 0")).rows;
  assert.deepEqual([producer?.[0], producer?.[1], producer?.[5]], [String(producerId), "0", "0"]);
  // Its coordinator knows of it and will end it: it does not hang, however old it is.
  assert.deepEqual((await run(served, "find-hanging --topic t", later(served.env))).rows, []);
  assert.equal((await run(served, "forceTerminateTransaction --transactionalId x")).code, 0);
  assert.equal((await run(served, "describe --transactional-id x")).rows[0]?.[4], "Empty");
  const unknown = await run(served, "describe --transactional-id nobody");
  assert.equal(unknown.code, 1);
  assert.match(
    unknown.errors[0] ?? "",
    /^Failed to describe transaction state of transactional-id `nobody`: /,
  );
});

Deno.test("a transaction whose coordinator forgot it is found by find-hanging, and aborted", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/kavka.sqlite`;
    {
      await using served = await serveBroker({ path });
      await createTopic(served);
      await open(served, "x");
    }
    // No way leads there but a fault in the store, or in a broker of the past.
    await forget(path, "x");
    await using served = await serveBroker({ path });
    const found = await run(served, "find-hanging --broker-id 1", later(served.env));
    assert.deepEqual(found.rows.map((row) => [row[0], row[1], row[5]]), [["t", "0", "0"]]);
    assert.deepEqual(
      (await run(served, "find-hanging --topic t")).rows,
      [],
      "it is younger than the longest timeout",
    );
    const nothing = await run(served, "abort --topic t --partition 0 --start-offset 77");
    assert.equal(nothing.code, 1);
    assert.match(nothing.errors[0] ?? "", /Could not find any open transactions starting at offset 77/);
    assert.equal((await run(served, "abort --topic t --partition 0 --start-offset 0")).code, 0);
    assert.deepEqual((await run(served, "find-hanging --topic t", later(served.env))).rows, []);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

async function forget(path: string, transactionalId: string): Promise<void> {
  const env = realEnv();
  const storage = await DenoKvStorage.open({ env, path });
  const shards = await ShardStore.open({
    storage,
    env,
    log: silentLogger,
    brokerId: 1,
    incarnation: env.uuid(),
  });
  await (await new TransactionShards(shards).storeOf(transactionalId)).remove(transactionalId);
  await storage.close();
}
