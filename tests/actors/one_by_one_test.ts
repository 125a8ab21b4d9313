/** What goes over many actors is not held up by one that fails: of groups in `group_directory_test.ts`, of the others here. */
import assert from "node:assert/strict";
import { oneByOne } from "../../actors/one_by_one.ts";
import { TestEnv, TestLogger } from "../../actors/runtime/testkit.ts";
import type { ActorRef } from "../../actors/runtime/types.ts";
import { ShareGroupDirectory } from "../../actors/share_group_directory.ts";
import { TransactionDirectory } from "../../actors/transaction_directory.ts";
import { emptyMetadataImage } from "../../core/cluster/metadata_image.ts";
import { GroupShards } from "../../storage/group_store.ts";
import { ShardStore } from "../../storage/shard.ts";
import { settled, start } from "../local_world.ts";

/** Actors of which one cannot be asked; the keys of those that were. */
class Actors {
  readonly asked: string[] = [];
  broken = "";

  ref = <M>(key: string): ActorRef<M> => ({
    address: { kind: "test", key },
    ask: () => {
      if (key === this.broken) return Promise.reject(new Error("Cannot read it"));
      this.asked.push(key);
      return Promise.resolve({} as never);
    },
    tell: () => {},
  });
}

Deno.test("what fails is logged once and returned; the signal ends the work", async () => {
  const log = new TestLogger();
  const ended = new AbortController();
  const options = { signal: ended.signal, log, failure: "Cannot do some" };
  const done: number[] = [];
  const act = (item: number) => {
    if (item % 2 === 1) return Promise.reject(new Error(`odd ${item}`));
    done.push(item);
    if (item === 4) ended.abort();
    return Promise.resolve();
  };
  assert.deepEqual(await oneByOne([1, 2, 3, 4, 5, 6], String, act, options), [1, 3]);
  assert.deepEqual(done, [2, 4]);
  assert.deepEqual(log.lines.map(({ message, fields }) => [message, fields]), [
    ["Cannot do some", { count: 2, first: "1", error: "Error: odd 1" }],
  ]);
});

Deno.test("a transaction that cannot be woken keeps no other asleep, and is tried again", async () => {
  const env = new TestEnv();
  const actors = new Actors();
  actors.broken = "a";
  const records = ["a", "b", "c"].map((transactionalId) => ({
    transactionalId,
    state: "Ongoing",
    changedMs: 0,
  }));
  const directory = new TransactionDirectory({
    env,
    log: new TestLogger(),
    transactionShards: { list: () => ReadableStream.from(records) } as never,
    transaction: actors.ref,
    expirationMs: 1,
  });
  directory.start();
  await env.advance(100);
  assert.deepEqual(actors.asked, ["b", "c"]);
  actors.broken = "";
  await env.advance(1_000);
  assert.deepEqual(actors.asked, ["b", "c", "a"]);
  actors.broken = "a";
  await directory.sweep();
  assert.deepEqual(actors.asked, ["b", "c", "a", "b", "c"]);
  directory.stop();
});

Deno.test("a share group that cannot be woken or swept holds up no other", async () => {
  const { env, broker, storage } = await start();
  const created = { name: "t", partitionCount: 1, replicationFactor: 1, configs: {}, validateOnly: false };
  await settled(env, broker.supervisor.ask({ type: "createTopic", ...created }));
  const topicId = broker.metadata.topicsByName.get("t")?.topicId ?? "";
  for (const groupId of ["a", "b", "c"]) {
    await settled(
      env,
      broker.shareGroup(groupId).ask({
        type: "heartbeat",
        clientId: "c",
        clientHost: "/127.0.0.1",
        memberId: "m",
        memberEpoch: 0,
        rackId: null,
        subscribedTopicNames: ["t"],
      }),
    );
    await settled(env, broker.sharePartition(groupId, topicId, 0).ask({ type: "reset", startOffset: 0 }));
  }
  const actors = new Actors();
  const opening = ShardStore.open({
    storage,
    env,
    log: new TestLogger(),
    brokerId: 1,
    incarnation: env.uuid(),
  });
  await env.runUntilIdle();
  const directory = new ShareGroupDirectory({
    env,
    log: new TestLogger(),
    groupShards: new GroupShards(await opening),
    metadata: () => emptyMetadataImage,
    shareGroup: actors.ref,
    sharePartition: actors.ref,
    inspect: () => [],
  });
  actors.broken = (await directory.list())[0]?.groupId ?? "";
  assert.notEqual(actors.broken, "");
  directory.start();
  await env.advance(100);
  assert.equal(actors.asked.length, 2);
  await env.advance(2_000);
  assert.equal(actors.asked.length, 4);
  directory.stop();
});
