/** The SDK's share consumer and the commands of share groups, against a broker in this process. */
import assert from "node:assert/strict";
import { consoleShareConsumer, parseShareConsumerArguments } from "../cli/console_share_consumer.ts";
import { parseShareGroupsArguments, shareGroups } from "../cli/share_groups.ts";
import { Admin, Producer, realEnv, ShareConsumer, type SharedRecord } from "../client/mod.ts";
import { cliTerminal, run } from "./cli_terminal.ts";
import { serveBroker, type ServedBroker } from "./served_broker.ts";

const env = realEnv();

/** A topic `jobs` with records v0, v1, … and group `q`, which begins at the first one. */
async function queueOf(served: ServedBroker, count: number): Promise<void> {
  const options = { bootstrapServers: served.bootstrapServers };
  using admin = new Admin(env, options);
  await admin.createTopic({ name: "jobs", partitionCount: 2 });
  await admin.alterConfigs({ type: "group", name: "q" }, [{
    name: "share.auto.offset.reset",
    value: "earliest",
  }]);
  await using producer = new Producer(env, options);
  for (let index = 0; index < count; index++) {
    await producer.send({ topic: "jobs", partition: index % 2, value: `v${index}` });
  }
}

const text = ({ value }: SharedRecord) => new TextDecoder().decode(value ?? undefined);

async function takeAll(consumer: ShareConsumer, count: number): Promise<SharedRecord[]> {
  const records: SharedRecord[] = [];
  while (records.length < count) {
    const taken = await consumer.poll({ timeoutMs: 10_000 });
    assert.notEqual(taken.length, 0, "the queue is empty too early");
    records.push(...taken);
  }
  return records.sort((a, b) => text(a) < text(b) ? -1 : 1);
}

Deno.test("ShareConsumer: released records come again, accepted and rejected ones do not", async () => {
  await using served = await serveBroker();
  await queueOf(served, 6);
  const options = { bootstrapServers: served.bootstrapServers, groupId: "q" };
  {
    await using consumer = new ShareConsumer(env, options);
    consumer.subscribe(["jobs"]);
    const records = await takeAll(consumer, 6);
    assert.deepEqual(records.map(text), ["v0", "v1", "v2", "v3", "v4", "v5"]);
    assert.deepEqual(new Set(records.map(({ deliveryCount }) => deliveryCount)), new Set([1]));
    const outcomes = ["accept", "accept", "reject", "release", "release", "accept"] as const;
    records.forEach((record, index) => consumer.acknowledge(record, outcomes[index] ?? "accept"));
    await consumer.commit();
    const again = await takeAll(consumer, 2);
    assert.deepEqual(again.map((record) => [text(record), record.deliveryCount]), [["v3", 2], ["v4", 2]]);
    const [first] = again;
    assert.ok(first !== undefined);
    consumer.acknowledge(first, "accept");
  }
  // The one without a word is free again as its consumer has gone.
  await using other = new ShareConsumer(env, options);
  other.subscribe(["jobs"]);
  const [left] = await takeAll(other, 1);
  assert.ok(left !== undefined);
  assert.deepEqual([text(left), left.deliveryCount], ["v4", 3]);
  other.acknowledge(left, "accept");
  await other.commit();
  assert.deepEqual(await other.poll({ timeoutMs: 300 }), []);
});

Deno.test("kafka-console-share-consumer.sh prints each record of a queue once", async () => {
  await using served = await serveBroker();
  await queueOf(served, 5);
  const terminal = cliTerminal(served.bootstrapServers);
  const take = (line: string) =>
    run(
      (args, terminal) => consoleShareConsumer(args, terminal, new AbortController().signal),
      `--topic jobs --group q --timeout-ms 5000 ${line}`,
      terminal,
    );
  const first = await take("--max-messages 2");
  assert.equal(first.error, "Processed a total of 2 messages");
  const second = await take("--max-messages 3 --formatter-property print.delivery=true");
  assert.deepEqual(
    (first.out + second.out).trim().split("\n").map((line) => line.replace(/^Delivery:\d\t/, "")).sort(),
    ["v0", "v1", "v2", "v3", "v4"],
  );
  assert.match(second.out, /^Delivery:1\tv\d\n/);
  for (
    const [line, message] of [
      ["--group q", /\[topic\]/],
      ["--topic t --release --reject", /At most one of --reject and --release/],
      ["--topic t --formatter Other", /Formatter "Other" is not known/],
    ] as const
  ) assert.throws(() => parseShareConsumerArguments(line.split(" ")), message, line);
});

Deno.test("kafka-share-groups.sh lists, describes, resets and deletes", async () => {
  await using served = await serveBroker();
  await queueOf(served, 4);
  const terminal = cliTerminal(served.bootstrapServers);
  const groups = (line: string) => run(shareGroups, line, terminal);
  const consumer = new ShareConsumer(env, {
    bootstrapServers: served.bootstrapServers,
    groupId: "q",
    clientId: "worker",
  });
  consumer.subscribe(["jobs"]);
  for (const record of await takeAll(consumer, 4)) consumer.acknowledge(record, "accept");
  await consumer.commit();
  assert.deepEqual(await groups("--list --state"), {
    code: 0,
    out: "GROUP           STATE\nq               Stable\n",
  });
  assert.match(
    (await groups("--describe --group q --members")).out,
    /^\nGROUP +CONSUMER-ID +HOST +CLIENT-ID +#PARTITIONS +ASSIGNMENT\nq +\S+ +\/?127\.0\.0\.1 +worker +2 +jobs:0,1\n$/,
  );
  const active = await groups("--reset-offsets --group q --topic jobs --to-earliest --execute");
  assert.deepEqual(active, { code: 1, out: "", error: "Share group 'q' is not empty." });
  await consumer.close();
  assert.deepEqual(await groups("--describe --group q"), {
    code: 0,
    out: "\nGROUP           TOPIC           PARTITION  START-OFFSET  LAG\n" +
      "q               jobs            0          2             0\n" +
      "q               jobs            1          2             0\n",
  });
  assert.deepEqual(await groups("--reset-offsets --group q --topic jobs:1 --to-earliest --execute"), {
    code: 0,
    out:
      "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\nq               jobs            1          0\n",
  });
  assert.match((await groups("--describe --group q --offsets")).out, /\nq +jobs +1 +0 +2\n$/);
  assert.deepEqual(await groups("--delete-offsets --group q --topic jobs"), {
    code: 0,
    out: "\nTOPIC           STATUS\njobs            Successful\n",
  });
  assert.deepEqual(await groups("--delete --group q"), {
    code: 0,
    out: "Deletion of requested share groups ('q') was successful.\n",
  });
  const gone = await groups("--describe --group q");
  assert.match(
    gone.out,
    /^\nError: Executing share group command failed due to org.apache.kafka.common.errors.GroupIdNotFoundException: /,
  );
});

Deno.test("kafka-share-groups.sh refuses what cannot be meant, in Kafka's words", () => {
  const parse = (line: string) => parseShareGroupsArguments(line.split(" ").filter((word) => word !== ""));
  const reset = "--reset-offsets --group g";
  for (
    const [line, message] of [
      ["", /exactly one action/],
      ["--list --describe", /exactly one action/],
      ["--list --state frog", /Invalid state list 'frog'/],
      ["--describe", /\[all-groups\], \[group\]/],
      ["--describe --group g --members --state", /at most one/],
      ["--describe --group g --state Stable", /does not take a value/],
      ["--delete", /takes the options \[group\] or \[all-groups\]/],
      ["--delete --group g --all-groups", /not both/],
      ["--delete-offsets --group g", /takes the following options/],
      [`${reset} --topic t --to-latest`, /\[execute\] or \[dry-run\]/],
      [`${reset} --topic t --to-latest --dry-run --execute`, /only accepts one of/],
      ["--reset-offsets --topic t --to-latest --dry-run", /takes the option: \[group\]/],
      [`${reset} --to-latest --dry-run`, /\[all-topics\], \[topic\]/],
      [`${reset} --topic t --dry-run`, /\[to-datetime\], \[to-earliest\], \[to-latest\]/],
      [`${reset} --topic t --to-latest --to-earliest --dry-run`, /can't be used with option/],
    ] as const
  ) assert.throws(() => parse(line), message, line);
});
