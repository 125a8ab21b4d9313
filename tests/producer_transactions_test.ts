/** The client's transactions against a broker in this process: what readers of committed records see of them. */
import assert from "node:assert/strict";
import { Admin, BrokerError, Consumer, Producer, realEnv, TransactionAdmin } from "../client/mod.ts";
import { producerPerfTest } from "../cli/producer_perf.ts";
import { cliTerminal, run } from "./cli_terminal.ts";
import { serveBroker } from "./served_broker.ts";

const decoder = new TextDecoder();

/** Values and offsets that a reader of committed records gets, `count` of them. */
async function committed(bootstrapServers: string, topic: string, count: number): Promise<string[]> {
  const consumer = new Consumer(realEnv(), {
    bootstrapServers,
    isolationLevel: "read_committed",
    offsetReset: "earliest",
  });
  const values: string[] = [];
  consumer.assign([{ topic, partition: 0 }]);
  while (values.length < count) {
    for (const { value } of await consumer.poll({ timeoutMs: 10_000 })) {
      values.push(decoder.decode(value ?? undefined));
    }
  }
  await consumer.close();
  return values;
}

Deno.test("a producer's committed records are read, its aborted ones are not, and an earlier producer is fenced", async () => {
  await using served = await serveBroker();
  const { bootstrapServers } = served;
  await using admin = new Admin(realEnv(), { bootstrapServers });
  await admin.createTopic({ name: "t", partitionCount: 1 });
  const open = async () => {
    const producer = new Producer(realEnv(), { bootstrapServers, transactionalId: "x" });
    await producer.initTransactions();
    return producer;
  };
  await using first = await open();
  for (const [value, commits] of [["a", true], ["b", false], ["c", true]] as const) {
    first.beginTransaction();
    await Promise.all([first.send({ topic: "t", value }), first.send({ topic: "t", value: `${value}2` })]);
    await (commits ? first.commitTransaction() : first.abortTransaction());
  }
  first.beginTransaction();
  await first.send({ topic: "t", value: "left open" });
  await using second = await open();
  await assert.rejects(first.commitTransaction(), BrokerError);
  second.beginTransaction();
  await second.send({ topic: "t", value: "d" });
  await second.commitTransaction();
  assert.deepEqual(await committed(bootstrapServers, "t", 5), ["a", "a2", "c", "c2", "d"]);
});

Deno.test("kafka-producer-perf-test.sh sends in transactions, with an id of its own where none is given", async () => {
  await using served = await serveBroker();
  const { bootstrapServers } = served;
  await using admin = new Admin(realEnv(), { bootstrapServers });
  await admin.createTopic({ name: "p", partitionCount: 1 });
  const terminal = cliTerminal(bootstrapServers);
  const start = `--bootstrap-server ${bootstrapServers} --topic p --num-records 300 --payload-monotonic`;
  const long = await run(producerPerfTest, `${start} --throughput -1 --transactional-id mine`, terminal);
  assert.equal(long.code, 0, long.error);
  assert.match(long.out, /^300 records sent, /);
  const short = await run(
    producerPerfTest,
    `${start} --throughput 3000 --transaction-duration-ms 1`,
    terminal,
  );
  assert.equal(short.code, 0, short.error);
  const values = await committed(bootstrapServers, "p", 600);
  const numbers = Array.from({ length: 300 }, (_, i) => String(i));
  assert.deepEqual(values, [...numbers, ...numbers]);
  using transactions = new TransactionAdmin(realEnv(), { bootstrapServers });
  const ids = (await transactions.listTransactions()).map(({ transactionalId, state }) => [
    transactionalId.replace(/^performance-producer-[0-9a-f-]{36}$/, "random"),
    state,
  ]);
  assert.deepEqual(ids.sort(), [["mine", "CompleteCommit"], ["random", "CompleteCommit"]]);
  // One transaction leaves one marker: of the second call there are many.
  const [end] = [...(await admin.findOffsets([{ topic: "p", partition: 0, spec: "latest" }])).values()];
  assert.ok((end?.offset ?? 0) > 610, `end offset ${end?.offset}`);
});
