/** Groups from the outside: the SDK's consumer, the group admin and kafka-consumer-groups.sh against a served broker. */
import assert from "node:assert/strict";
import { consumerGroups } from "../cli/consumer_groups.ts";
import type { Terminal } from "../cli/command_line.ts";
import { Admin, Consumer, GroupAdmin, Producer } from "../client/mod.ts";
import { serveBroker } from "./served_broker.ts";

Deno.test("a group is listed, described, reset, and deleted with its offsets", async () => {
  await using served = await serveBroker();
  const { env, bootstrapServers } = served;
  const options = { bootstrapServers };
  using admin = new Admin(env, options);
  using groups = new GroupAdmin(env, options);
  await admin.createTopic({ name: "t", partitionCount: 2 });
  await using producer = new Producer(env, options);
  for (const partition of [0, 1]) await producer.send({ topic: "t", partition, value: "x" });

  const run = async (...args: string[]): Promise<string> => {
    const out: string[] = [];
    const terminal: Terminal = {
      env,
      variable: () => bootstrapServers,
      writeOut: (bytes) => Promise.resolve(void out.push(new TextDecoder().decode(bytes))),
      writeError: () => {},
    };
    await consumerGroups(args, terminal);
    return out.join("");
  };
  {
    await using consumer = new Consumer(env, { ...options, groupId: "g", offsetReset: "earliest" });
    consumer.subscribe(["t"]);
    let count = 0;
    for await (const _record of consumer) if (++count === 2) break;
    await consumer.commit();
    assert.deepEqual((await groups.listGroups()).map(({ groupId, state, type }) => [groupId, state, type]), [
      ["g", "Stable", "Classic"],
    ]);
    const { members } = await groups.describeGroup("g");
    assert.deepEqual(members[0]?.assignment.map(({ topic, partitions }) => [topic, [...partitions]]), [["t", [
      0,
      1,
    ]]]);
    assert.match(await run("--delete", "--group", "g"), /GroupNotEmptyException/);
    assert.match(
      await run("--reset-offsets", "--group", "g", "--topic", "t", "--to-earliest"),
      /is inactive/,
    );
  }
  const offsets = async () => (await groups.offsets("g")).map(({ offset }) => offset);
  assert.deepEqual(await offsets(), [1, 1]);
  assert.match(await run("--describe", "--group", "g"), /\ng +t +0 +1 +1 +0 +- +- +-\n/);
  await run("--reset-offsets", "--group", "g", "--topic", "t", "--to-earliest");
  assert.deepEqual(await offsets(), [1, 1], "a dry run changes nothing");
  await run("--reset-offsets", "--group", "g", "--topic", "t:1", "--to-earliest", "--execute");
  assert.deepEqual(await offsets(), [1, 0]);
  assert.match(await run("--delete-offsets", "--group", "g", "--topic", "t:0"), /t +0 +Successful/);
  assert.deepEqual(await offsets(), [0]);
  assert.match(await run("--delete", "--group", "g"), /'g'\) was successful/);
  assert.equal(await run("--list"), "");
});

Deno.test("offsets of a deleted topic go soon, and a group that has nothing else with them", async () => {
  await using served = await serveBroker();
  const { env, bootstrapServers, broker } = served;
  using admin = new Admin(env, { bootstrapServers });
  using groups = new GroupAdmin(env, { bootstrapServers });
  await admin.createTopic({ name: "t", partitionCount: 1 });
  await groups.setOffsets("g", [{ topic: "t", partition: 0, offset: 0 }]);
  assert.equal((await broker.listGroups()).length, 1);
  await admin.deleteTopic("t");
  for (let i = 0; i < 100 && (await broker.listGroups()).length > 0; i++) await env.sleep(50);
  assert.deepEqual(await broker.listGroups(), []);
});
