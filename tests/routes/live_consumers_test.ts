/** GET /v1/consumers on a whole broker: who reads what in which group, and how far behind. */
import assert from "node:assert/strict";
import { Admin, Consumer, Producer, realEnv } from "../../client/mod.ts";
import { serveBroker } from "../served_broker.ts";

interface Listed {
  readonly groupId: string;
  readonly memberId: string;
  readonly clientId: string;
  readonly host: string;
  readonly lastHeartbeatMs: number;
  readonly partitions: readonly Record<string, unknown>[];
  readonly lag: number | null;
}

Deno.test("live consumers are listed with group, client, host, partitions, last heartbeat and lag", async () => {
  await using served = await serveBroker();
  const env = realEnv();
  const options = { bootstrapServers: served.bootstrapServers };
  using admin = new Admin(env, options);
  await admin.createTopic({ name: "t", partitionCount: 2 });
  await using producer = new Producer(env, options);
  for (let index = 0; index < 5; index++) {
    await producer.send({ topic: "t", partition: index % 2, value: String(index) });
  }
  const startedMs = Date.now();
  await using consumer = new Consumer(env, {
    ...options,
    groupId: "g",
    clientId: "reader",
    offsetReset: "earliest",
    autoCommit: false,
  });
  consumer.subscribe(["t"]);
  let count = 0;
  while (count < 5) count += (await consumer.poll({ timeoutMs: 5_000 })).length;
  const list = async () => (await (await served.http("/v1/consumers?group=g")).json()).consumers as Listed[];
  const [before] = await list();
  assert.ok(before !== undefined);
  assert.equal(before.lag, null);
  assert.deepEqual(before.partitions.map(({ endOffset, lag }) => [endOffset, lag]), [[3, null], [2, null]]);
  await consumer.commit();
  await producer.send({ topic: "t", partition: 1, value: "late" });
  const [member, ...others] = await list();
  assert.deepEqual(others, []);
  assert.ok(member !== undefined);
  assert.equal(member.groupId, "g");
  assert.equal(member.clientId, "reader");
  assert.match(member.memberId, /^reader-/);
  assert.match(member.host, /127\.0\.0\.1/);
  assert.ok(member.lastHeartbeatMs >= startedMs - 1_000 && member.lastHeartbeatMs <= Date.now() + 1_000);
  assert.deepEqual(member.partitions, [
    { topic: "t", partition: 0, committedOffset: 3, endOffset: 3, lag: 0 },
    { topic: "t", partition: 1, committedOffset: 2, endOffset: 3, lag: 1 },
  ]);
  assert.equal(member.lag, 1);
  await consumer.close();
  assert.deepEqual(await list(), []);
});
