/** Backup, restore and check of a running broker over HTTP, with what clients wrote. */
import assert from "node:assert/strict";
import { backup as backupCommand } from "../cli/backup.ts";
import { Consumer, Producer } from "../client/mod.ts";
import { cliTerminal, run } from "./cli_terminal.ts";
import { backupMagic, BackupReader, encodeBackupFrame } from "../protocol/backup/backup_file.ts";
import { iterateRecords, readBatchHeader } from "../protocol/records/record_batch.ts";
import { buildControlBatch } from "../protocol/records/control_record.ts";
import { serveBroker, type ServedBroker } from "./served_broker.ts";

const ORDERS = { topic: "orders", partition: 0 };

async function createTopic(
  served: ServedBroker,
  name: string,
  configs: Record<string, string> = {},
): Promise<void> {
  const response = await served.http("/v1/topics", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name, partitionCount: 2, configs }),
  });
  assert.equal(response.status, 201);
}

/** Two topics with records, deleted ones among them, and a group's offset. */
async function fill(served: ServedBroker): Promise<void> {
  await createTopic(served, "orders", { "retention.ms": "123456789" });
  await createTopic(served, "empty");
  const options = { bootstrapServers: served.bootstrapServers };
  await using producer = new Producer(served.env, { ...options, lingerMs: 0 });
  for (let i = 0; i < 60; i++) {
    await producer.send({ ...ORDERS, partition: i % 2, key: `k${i}`, value: `v${i} ${"x".repeat(i * 900)}` });
  }
  await using consumer = new Consumer(served.env, {
    ...options,
    groupId: "g",
    offsetReset: "earliest",
    autoCommit: false,
  });
  consumer.assign([ORDERS]);
  await consumer.poll({ recordsMax: 7 });
  await consumer.commit();
  const { topicId } = served.broker.metadata.topicsByName.get("orders") ?? {};
  assert.ok(topicId !== undefined);
  await served.broker.partition(topicId, 0).ask({ type: "deleteRecords", offset: 4 });
}

async function stored(served: ServedBroker, partition: number, isolationLevel = "read_uncommitted" as const) {
  const topic = served.broker.metadata.topicsByName.get("orders");
  assert.ok(topic !== undefined);
  const actor = served.broker.partition(topic.topicId, partition);
  const { logStartOffset, highWatermark } = await actor.ask({ type: "describe" });
  const fetched = await actor.ask({
    type: "fetch",
    offset: logStartOffset,
    maxBytes: 1 << 26,
    minOneBatch: true,
    isolationLevel,
    currentLeaderEpoch: -1,
  });
  const decoder = new TextDecoder();
  const records = fetched.records.flatMap((batch) => [...iterateRecords(batch)])
    .filter(({ offset }) => offset >= logStartOffset)
    .map(({ offset, timestamp, value }) => `${offset} ${timestamp} ${decoder.decode(value ?? undefined)}`);
  return { logStartOffset, highWatermark, records, configs: topic.configs };
}

async function backup(served: ServedBroker, query = ""): Promise<Uint8Array<ArrayBuffer>> {
  const response = await served.http(`/v1/backup${query}`);
  assert.equal(response.status, 200);
  return new Uint8Array(await response.arrayBuffer());
}

const restore = (served: ServedBroker, body: Uint8Array<ArrayBuffer>, query = "") =>
  served.http(`/v1/restore${query}`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body,
  });

Deno.test("a backup brings topics, settings and offsets of groups to another broker, record for record", async () => {
  await using from = await serveBroker();
  await fill(from);
  const file = await backup(from);
  const reader = new BackupReader();
  const frames = reader.push(file);
  reader.finish();
  assert.equal(frames[0]?.type, "header");

  await using to = await serveBroker();
  const response = await restore(to, file);
  assert.deepEqual(await response.json(), {
    topics: ["empty", "orders"],
    batchBytes: frames.reduce((sum, frame) => sum + (frame.type === "batches" ? frame.bytes.length : 0), 0),
    groups: 1,
    skippedGroups: [],
  });
  for (const partition of [0, 1]) {
    assert.deepEqual(await stored(to, partition), await stored(from, partition));
  }
  assert.equal((await stored(to, 0)).logStartOffset, 4);
  assert.equal((await stored(to, 0)).configs["retention.ms"], "123456789");
  await using consumer = new Consumer(to.env, { bootstrapServers: to.bootstrapServers, groupId: "g" });
  assert.equal((await consumer.committed([ORDERS]))[0]?.offset, 7);
  // What comes next lies behind.
  await using producer = new Producer(to.env, { bootstrapServers: to.bootstrapServers });
  assert.equal((await producer.send({ ...ORDERS, value: "next" })).offset, 30);
});

Deno.test("a restore never touches topics that are there, unless told to, and leaves nothing half done", async () => {
  await using served = await serveBroker();
  await fill(served);
  const file = await backup(served);
  const before = await stored(served, 0);
  const refused = await restore(served, file);
  assert.equal(refused.status, 409);
  assert.match((await refused.json()).detail, /there already: empty, orders/);
  assert.deepEqual(await stored(served, 0), before);
  // What is there stays until the whole backup was read.
  assert.equal((await restore(served, file.slice(0, file.length - 10), "?overwrite=true")).status, 400);
  assert.deepEqual(await stored(served, 0), before);
  assert.deepEqual([...served.broker.metadata.topicsByName.keys()].sort(), ["empty", "orders"]);
  assert.equal((await restore(served, file, "?overwrite=true")).status, 200);
  assert.deepEqual(await stored(served, 0), before);
  assert.deepEqual([...served.broker.metadata.topicsByName.keys()].sort(), ["empty", "orders"]);

  for (const name of ["orders", "empty"]) await served.http(`/v1/topics/${name}`, { method: "DELETE" });
  const wrong = [
    [file.slice(0, file.length - 1), /cut short/],
    [file.slice(0, file.length >> 1), /cut short/],
    [file.with(file.length >> 1, (file[file.length >> 1] ?? 0) ^ 1), /damaged/],
    [new TextEncoder().encode("something else"), /no backup/],
  ] as const;
  for (const [bytes, pattern] of wrong) {
    const response = await restore(served, bytes);
    assert.equal(response.status, 400);
    assert.match((await response.json()).detail, pattern);
    assert.equal(served.broker.metadata.topicsByName.size, 0);
  }
  assert.equal((await restore(served, file)).status, 200);
});

Deno.test("a backup of some topics holds no others; one of an unknown topic is refused", async () => {
  await using served = await serveBroker();
  await fill(served);
  const [header] = new BackupReader().push(await backup(served, "?topics=empty"));
  assert.ok(header?.type === "header");
  assert.deepEqual(header.header.topics.map(({ name }) => name), ["empty"]);
  assert.equal((await served.http("/v1/backup?topics=nope")).status, 404);
});

Deno.test("gaps and transactions come back: offsets stay, and what was aborted is shown to nobody", async () => {
  await using from = await serveBroker();
  await fill(from);
  const frames = new BackupReader().push(await backup(from));
  const [header, ...rest] = frames;
  assert.ok(header?.type === "header");
  const topicIndex = header.header.topics.findIndex(({ name }) => name === "orders");
  const batches = rest.filter((each) => each.type === "batches" && each.partition === 1);
  const bytes = batches[0]?.type === "batches" ? batches[0].bytes : new Uint8Array();
  // Only the third batch of what was there, as compaction might have left it; then a transaction that was aborted.
  const third = 2;
  let at = 0;
  for (let i = 0; i < third; i++) at += readBatchHeader(bytes, at).sizeInBytes;
  const kept = bytes.slice(at, at + readBatchHeader(bytes, at).sizeInBytes);
  const topics = header.header.topics.map((topic, index) =>
    index === topicIndex
      ? { ...topic, partitions: [{ logStartOffset: 0, endOffset: 0 }, { logStartOffset: 0, endOffset: 12 }] }
      : topic
  );
  const { buildBatch } = await import("../protocol/records/record_batch.ts");
  const aborted = buildBatch({
    records: [{ key: null, value: new Uint8Array([1]), headers: [], timestamp: 1 }],
    producerId: 9,
    producerEpoch: 0,
    baseSequence: 0,
    isTransactional: true,
    baseOffset: 10,
  });
  const marker = buildControlBatch({
    type: "ABORT",
    coordinatorEpoch: 0,
    producerId: 9,
    producerEpoch: 0,
    timestamp: 1,
    baseOffset: 11,
  });
  const parts = [kept, aborted, marker].map((each) => ({
    type: "batches" as const,
    topicIndex,
    partition: 1,
    bytes: each,
  }));
  const batchBytes = kept.length + aborted.length + marker.length;
  const file = [
    backupMagic(),
    ...[{ ...header, header: { ...header.header, topics } }, ...parts, {
      type: "end" as const,
      end: { batchFrames: 3, batchBytes, groups: 0 },
    }].map(
      encodeBackupFrame,
    ),
  ];
  await using to = await serveBroker();
  const body = new Uint8Array(await new Blob(file as Uint8Array<ArrayBuffer>[]).arrayBuffer());
  assert.equal((await restore(to, body)).status, 200);
  const { highWatermark, records } = await stored(to, 1);
  assert.equal(highWatermark, 12);
  assert.deepEqual(records.map((line) => line.split(" ")[0]), ["2", "10", "11"]);
  const topic = to.broker.metadata.topicsByName.get("orders");
  assert.ok(topic !== undefined);
  const committed = await to.broker.partition(topic.topicId, 1).ask({
    type: "fetch",
    offset: 3,
    maxBytes: 1 << 20,
    minOneBatch: true,
    isolationLevel: "read_committed",
    currentLeaderEpoch: -1,
  });
  assert.deepEqual(
    committed.abortedTransactions.map(({ producerId, firstOffset }) => [producerId, firstOffset]),
    [[9, 10]],
  );
  assert.equal(committed.lastStableOffset, 12);
});

Deno.test("a partition whose records were all deleted comes back with its end, where its groups stand", async () => {
  await using from = await serveBroker();
  await fill(from);
  const { topicId = "" } = from.broker.metadata.topicsByName.get("orders") ?? {};
  await from.broker.partition(topicId, 0).ask({ type: "deleteRecords", offset: -1 });
  const file = await backup(from);
  await using to = await serveBroker();
  assert.equal((await restore(to, file)).status, 200);
  const { logStartOffset, highWatermark, records } = await stored(to, 0);
  assert.deepEqual([logStartOffset, highWatermark, records], [30, 30, []]);
  await using producer = new Producer(to.env, { bootstrapServers: to.bootstrapServers });
  assert.equal((await producer.send({ ...ORDERS, value: "next" })).offset, 30);
});

Deno.test("topics get their names at one stroke, also over a restart", async () => {
  const path = `${await Deno.makeTempDir()}/store.sqlite`;
  {
    await using served = await serveBroker({ path });
    await fill(served);
    const file = await backup(served);
    assert.equal((await restore(served, file, "?overwrite=true")).status, 200);
  }
  await using again = await serveBroker({ path });
  assert.deepEqual([...again.broker.metadata.topicsByName.keys()].sort(), ["empty", "orders"]);
  assert.equal((await stored(again, 0)).records.length, 26);
});

Deno.test("a running broker's logs are checked: sizes, and nothing wrong", async () => {
  await using served = await serveBroker();
  await fill(served);
  const response = await served.http("/v1/storage/check");
  const lines = (await response.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, 5);
  const { done, partitions, faults, batchCount, sizeBytes } = lines.at(-1);
  assert.deepEqual([done, partitions, faults, batchCount], [true, 4, 0, 56]);
  let described = 0;
  for (const topic of served.broker.metadata.topicsById.values()) {
    for (let partition = 0; partition < 2; partition++) {
      described +=
        (await served.broker.partition(topic.topicId, partition).ask({ type: "describe" })).sizeBytes;
    }
  }
  // Those that DeleteRecords left behind are not yet deleted.
  assert.ok(sizeBytes < described && sizeBytes > described * 0.9, `${sizeBytes} ${described}`);
});

Deno.test("kavka backup --force replaces a backup only with one that is whole, and leaves nothing of one that is not", async () => {
  await using served = await serveBroker();
  await fill(served);
  const file = await backup(served);
  const answers = { body: file, status: 200 };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(answers.body, { status: answers.status }),
  );
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/topics.backup`;
  const command = (more = "") =>
    run(backupCommand, `${path} --server http://127.0.0.1:${server.addr.port} ${more}`, cliTerminal(""));
  const names = () => [...Deno.readDirSync(directory)].map(({ name }) => name);
  try {
    Deno.writeTextFileSync(`${path}.part`, "of a command that was killed");
    assert.equal((await command()).code, 0);
    assert.deepEqual(Deno.readFileSync(path), file);
    assert.notEqual((await command()).code, 0, "it is there already");
    answers.body = file.slice(0, file.length - 10);
    assert.match((await command("--force")).error ?? "", /nothing is kept of it/);
    answers.status = 500;
    assert.notEqual((await command("--force")).code, 0);
    assert.deepEqual(Deno.readFileSync(path), file, "the old one is still there");
    answers.status = 200;
    answers.body = await backup(served, "?topics=empty");
    assert.equal((await command("--force")).code, 0);
    assert.deepEqual(Deno.readFileSync(path), answers.body);
    assert.deepEqual(names(), ["topics.backup"]);
  } finally {
    await server.shutdown();
    Deno.removeSync(directory, { recursive: true });
  }
});
