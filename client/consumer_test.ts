import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import { concat } from "../lib/bytes.ts";
import { errorCode } from "../protocol/errors.ts";
import { fetchApi, type FetchRequest } from "../protocol/messages/01_fetch.ts";
import { listOffsets } from "../protocol/messages/02_list_offsets.ts";
import { offsetCommit } from "../protocol/messages/08_offset_commit.ts";
import { offsetFetch } from "../protocol/messages/09_offset_fetch.ts";
import { joinGroup } from "../protocol/messages/11_join_group.ts";
import { heartbeat } from "../protocol/messages/12_heartbeat.ts";
import { leaveGroup } from "../protocol/messages/13_leave_group.ts";
import { syncGroup } from "../protocol/messages/14_sync_group.ts";
import { buildControlBatch } from "../protocol/records/control_record.ts";
import { buildBatch } from "../protocol/records/record_batch.ts";
import { Consumer, type ConsumerOptions } from "./consumer.ts";
import { CommitFailedError, NoOffsetError } from "./errors.ts";
import { FakeBroker } from "./testkit.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

function batch(baseOffset: number, values: readonly string[], producerId = -1): Uint8Array {
  return buildBatch({
    records: values.map((value) => ({ key: null, value: encoder.encode(value), headers: [], timestamp: 1 })),
    baseOffset,
    ...(producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true }),
  });
}

/** Serves the batches of partition t/0, whose log goes from `start` to `end`. */
function serve(
  broker: FakeBroker,
  log: { start: number; end: number; batches: readonly { lastOffset: number; bytes: Uint8Array }[] },
  aborted: { producerId: number; firstOffset: number }[] = [],
): void {
  broker.on(listOffsets, (request) => ({
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, timestamp }) => ({
        partitionIndex,
        errorCode: 0,
        offset: timestamp === -2 ? log.start : timestamp === -1 ? log.end : -1,
      })),
    })),
  }));
  broker.on(fetchApi, async (request) => {
    const offset = fetchOffset(request);
    const outOfRange = offset < log.start || offset > log.end;
    if (offset === log.end) await new Promise((resolve) => setTimeout(resolve, 5));
    return {
      errorCode: 0,
      responses: [{
        topic: "t",
        partitions: [{
          partitionIndex: 0,
          errorCode: outOfRange ? errorCode("OFFSET_OUT_OF_RANGE") : 0,
          highWatermark: log.end,
          abortedTransactions: aborted,
          records: outOfRange ? null : concat(
            log.batches.filter(({ lastOffset }) => lastOffset >= offset).map(({ bytes }) => bytes),
          ),
        }],
      }],
    };
  });
}

function fetchOffset(request: FetchRequest): number {
  return request.topics[0]?.partitions[0]?.fetchOffset ?? -1;
}

function newConsumer(broker: FakeBroker, options: Partial<ConsumerOptions> = {}): Consumer {
  return new Consumer(broker.env(realEnv()), {
    bootstrapServers: "memory:1",
    retryBackoffMs: 1,
    retryBackoffMaxMs: 2,
    ...options,
  });
}

async function read(consumer: Consumer, count: number): Promise<string[]> {
  const values: string[] = [];
  while (values.length < count) {
    const records = await consumer.poll({ timeoutMs: 2000, recordsMax: count - values.length });
    assert.notEqual(records.length, 0, `only ${values.length} records came`);
    for (const { offset, value } of records) values.push(`${offset}:${decoder.decode(value ?? undefined)}`);
  }
  return values;
}

const twoBatches = {
  start: 0,
  end: 5,
  batches: [
    { lastOffset: 2, bytes: batch(0, ["a", "b", "c"]) },
    { lastOffset: 4, bytes: batch(3, ["d", "e"]) },
  ],
};

Deno.test("Consumer reads from the earliest offset, and leaves out what lies before its position", async () => {
  const broker = new FakeBroker({ t: 1 });
  serve(broker, twoBatches);
  await using consumer = newConsumer(broker);
  await consumer.assignTopic("t", { start: "earliest" });
  assert.deepEqual(await read(consumer, 5), ["0:a", "1:b", "2:c", "3:d", "4:e"]);
  assert.equal(consumer.position("t", 0), 5);
  consumer.seek("t", 0, 1);
  assert.deepEqual(await read(consumer, 3), ["1:b", "2:c", "3:d"]);
  assert.equal(consumer.position("t", 0), 4);
});

Deno.test("Consumer falls back on offsetReset when its position is outside the log", async () => {
  const broker = new FakeBroker({ t: 1 });
  serve(broker, { start: 3, end: 5, batches: twoBatches.batches.slice(1) });
  await using consumer = newConsumer(broker, { offsetReset: "earliest" });
  consumer.assign([{ topic: "t", partition: 0, start: 1 }]);
  assert.deepEqual(await read(consumer, 2), ["3:d", "4:e"]);

  await using strict = newConsumer(broker, { offsetReset: "none" });
  strict.assign([{ topic: "t", partition: 0, start: 1 }]);
  await assert.rejects(strict.poll({ timeoutMs: 2000 }), NoOffsetError);
});

Deno.test("Consumer returns nothing when the time is over, and stops when it is told to", async () => {
  const broker = new FakeBroker({ t: 1 });
  serve(broker, { start: 0, end: 0, batches: [] });
  await using consumer = newConsumer(broker);
  await consumer.assignTopic("t");
  assert.deepEqual(await consumer.poll({ timeoutMs: 20 }), []);
  const abort = new AbortController();
  const poll = consumer.poll({ signal: abort.signal });
  abort.abort(new Error("enough"));
  await assert.rejects(poll, /enough/);
});

Deno.test("Consumer hides aborted transactions and control batches from read_committed", async () => {
  const log = {
    start: 0,
    end: 6,
    batches: [
      { lastOffset: 1, bytes: batch(0, ["aborted", "aborted"], 7) },
      { lastOffset: 2, bytes: batch(2, ["plain"]) },
      {
        lastOffset: 3,
        bytes: buildControlBatch({
          type: "ABORT",
          coordinatorEpoch: 0,
          producerId: 7,
          producerEpoch: 0,
          timestamp: 1,
          baseOffset: 3,
        }),
      },
      { lastOffset: 4, bytes: batch(4, ["committed"], 7) },
      {
        lastOffset: 5,
        bytes: buildControlBatch({
          type: "COMMIT",
          coordinatorEpoch: 0,
          producerId: 7,
          producerEpoch: 0,
          timestamp: 1,
          baseOffset: 5,
        }),
      },
    ],
  };
  const broker = new FakeBroker({ t: 1 });
  serve(broker, log, [{ producerId: 7, firstOffset: 0 }]);
  await using committed = newConsumer(broker, { isolationLevel: "read_committed" });
  await committed.assignTopic("t", { start: "earliest" });
  assert.deepEqual(await read(committed, 2), ["2:plain", "4:committed"]);
  await using all = newConsumer(broker);
  await all.assignTopic("t", { start: "earliest" });
  assert.deepEqual(await read(all, 4), ["0:aborted", "1:aborted", "2:plain", "4:committed"]);
});

/** A group of which the client is the only member. */
function serveGroup(
  broker: FakeBroker,
  committed: Map<string, number>,
): { rebalance: boolean; generation: number } {
  const state = { rebalance: false, generation: 0 };
  let assignment = new Uint8Array(0);
  broker.coordinates();
  broker.on(joinGroup, (request) => {
    const empty = { protocolName: null, leader: "", memberId: "m1", members: [] };
    if (request.memberId === "") return { ...empty, errorCode: errorCode("MEMBER_ID_REQUIRED") };
    state.rebalance = false;
    return {
      errorCode: 0,
      generationId: ++state.generation,
      protocolName: "range",
      leader: "m1",
      memberId: "m1",
      members: [{ memberId: "m1", metadata: request.protocols[0]?.metadata ?? new Uint8Array(0) }],
    };
  });
  broker.on(syncGroup, (request) => {
    assignment = Uint8Array.from(request.assignments[0]?.assignment ?? []);
    return { errorCode: 0, assignment };
  });
  broker.on(heartbeat, () => ({ errorCode: state.rebalance ? errorCode("REBALANCE_IN_PROGRESS") : 0 }));
  broker.on(leaveGroup, () => ({ errorCode: 0, members: [] }));
  broker.on(offsetFetch, (request) => ({
    topics: [],
    groups: request.groups.map(({ groupId, topics }) => ({
      groupId,
      topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => ({
          partitionIndex,
          committedOffset: committed.get(`${name}/${partitionIndex}`) ?? -1,
          metadata: "",
          errorCode: 0,
        })),
      })),
    })),
  }));
  broker.on(offsetCommit, (request) => ({
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, committedOffset }) => {
        committed.set(`${name}/${partitionIndex}`, committedOffset);
        return { partitionIndex, errorCode: 0 };
      }),
    })),
  }));
  return state;
}

Deno.test("Consumer joins a group, assigns as its leader, and commits what poll returned when it closes", async () => {
  const broker = new FakeBroker({ t: 1 });
  serve(broker, twoBatches);
  const committed = new Map<string, number>();
  serveGroup(broker, committed);
  const consumer = newConsumer(broker, { groupId: "g", offsetReset: "earliest" });
  consumer.subscribe(["t"]);
  assert.deepEqual(await read(consumer, 2), ["0:a", "1:b"]);
  assert.deepEqual(consumer.assignment, [{ topic: "t", partition: 0 }]);
  await consumer.close();
  assert.deepEqual([...committed], [["t/0", 2]]);
  assert.equal(broker.requestsOf(leaveGroup).length, 1);

  await using again = newConsumer(broker, { groupId: "g", offsetReset: "earliest" });
  again.subscribe(["t"]);
  assert.deepEqual(await read(again, 1), ["2:c"]);
});

Deno.test("Consumer commits and joins again when a heartbeat tells of a rebalance", async () => {
  const broker = new FakeBroker({ t: 1 });
  serve(broker, twoBatches);
  const committed = new Map<string, number>();
  const group = serveGroup(broker, committed);
  await using consumer = newConsumer(broker, {
    groupId: "g",
    offsetReset: "earliest",
    heartbeatIntervalMs: 5,
  });
  consumer.subscribe(["t"]);
  assert.deepEqual(await read(consumer, 4), ["0:a", "1:b", "2:c", "3:d"]);
  group.rebalance = true;
  while (group.generation < 2) await consumer.poll({ timeoutMs: 10, recordsMax: 0 });
  assert.equal(committed.get("t/0"), 4);
  assert.deepEqual(await read(consumer, 1), ["4:e"]);
});

Deno.test("Consumer commits nothing after its group has put it out", async () => {
  const broker = new FakeBroker({ t: 1 });
  serve(broker, twoBatches);
  const committed = new Map<string, number>();
  serveGroup(broker, committed);
  await using consumer = newConsumer(broker, {
    groupId: "g",
    offsetReset: "earliest",
    autoCommit: false,
    heartbeatIntervalMs: 5,
  });
  consumer.subscribe(["t"]);
  await read(consumer, 4);
  broker.on(heartbeat, () => ({ errorCode: errorCode("UNKNOWN_MEMBER_ID") }));
  while (consumer.groupMetadata.generationId >= 0) await new Promise((resolve) => setTimeout(resolve, 2));
  await assert.rejects(consumer.commit(), CommitFailedError);
  assert.equal(broker.requestsOf(offsetCommit).length, 0);
});

Deno.test("Consumer commits no positions of one generation in the next", async () => {
  const broker = new FakeBroker({ t: 1 });
  serve(broker, twoBatches);
  const committed = new Map<string, number>();
  const group = serveGroup(broker, committed);
  await using consumer = newConsumer(broker, {
    groupId: "g",
    offsetReset: "earliest",
    heartbeatIntervalMs: 5,
  });
  consumer.subscribe(["t"]);
  await read(consumer, 5);
  // The group has rebalanced, others have committed, and the offsets do not come yet.
  group.rebalance = true;
  const answer = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  let attempt = 0;
  broker.on(offsetFetch, async (request) => {
    committed.set("t/0", 3);
    asked.resolve();
    await answer.promise;
    if (attempt++ === 0) {
      return {
        errorCode: errorCode("GROUP_AUTHORIZATION_FAILED"),
        topics: [],
        groups: [
          { groupId: "g", errorCode: errorCode("GROUP_AUTHORIZATION_FAILED"), topics: [] },
        ],
      };
    }
    return {
      topics: [],
      groups: request.groups.map(({ groupId }) => ({
        groupId,
        topics: [{
          name: "t",
          partitions: [{
            partitionIndex: 0,
            committedOffset: committed.get("t/0") ?? -1,
            metadata: "",
            errorCode: 0,
          }],
        }],
      })),
    };
  });
  const polling = assert.rejects(consumer.poll({ timeoutMs: 2_000, recordsMax: 1 }), /No permission/);
  while (group.generation < 2) await new Promise((resolve) => setTimeout(resolve, 2));
  await asked.promise;
  await assert.rejects(consumer.commit(), CommitFailedError);
  answer.resolve();
  await polling;
  // It is a member of the new generation, and still has the partitions of the old one.
  await assert.rejects(consumer.commit(), CommitFailedError);
  assert.deepEqual(await read(consumer, 2), ["3:d", "4:e"]);
  assert.equal(committed.get("t/0"), 3);
  await consumer.commit();
  assert.equal(committed.get("t/0"), 5);
});

Deno.test("Consumer commits in its generation while the next one is only announced", async () => {
  const broker = new FakeBroker({ t: 1 });
  serve(broker, twoBatches);
  const committed = new Map<string, number>();
  const group = serveGroup(broker, committed);
  await using consumer = newConsumer(broker, {
    groupId: "g",
    offsetReset: "earliest",
    autoCommit: false,
    heartbeatIntervalMs: 2,
  });
  consumer.subscribe(["t"]);
  await read(consumer, 2);
  group.rebalance = true;
  const beats = broker.requestsOf(heartbeat).length;
  while (broker.requestsOf(heartbeat).length < beats + 2) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await consumer.commit();
  assert.equal(committed.get("t/0"), 2);
});

Deno.test("Leaving the loop over a consumer gives back the records that were not handed out", async () => {
  const broker = new FakeBroker({ t: 1 });
  serve(broker, twoBatches);
  await using consumer = newConsumer(broker);
  await consumer.assignTopic("t", { start: "earliest" });
  for await (const record of consumer) if (record.offset === 1) break;
  assert.equal(consumer.position("t", 0), 2);
  assert.deepEqual(await read(consumer, 3), ["2:c", "3:d", "4:e"]);
});

Deno.test("Consumer takes back no commit by one from before that is tried again", async () => {
  const broker = new FakeBroker({ t: 1 });
  serve(broker, twoBatches);
  const committed = new Map<string, number>();
  serveGroup(broker, committed);
  await using consumer = newConsumer(broker, { groupId: "g", offsetReset: "earliest", autoCommit: false });
  consumer.subscribe(["t"]);
  await read(consumer, 4);
  const told: number[] = [];
  broker.on(offsetCommit, ({ topics }) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, committedOffset }) => {
        told.push(committedOffset);
        // Only the first is told to come again.
        return {
          partitionIndex,
          errorCode: told.length === 1 ? errorCode("COORDINATOR_LOAD_IN_PROGRESS") : 0,
        };
      }),
    })),
  }));
  const at = (offset: number) => [{ topic: "t", partition: 0, offset }];
  await Promise.all([consumer.commit(at(1)), consumer.commit(at(2)), consumer.commit(at(3))]);
  assert.deepEqual(told, [1, 1, 2, 3]);

  // One that nobody waits for any more is not sent when its turn comes.
  told.length = 0;
  const slow = consumer.commit(at(5));
  await assert.rejects(consumer.commit(at(6), { timeoutMs: 1 }));
  await slow;
  await consumer.commit(at(7));
  assert.deepEqual(told, [5, 5, 7]);
});
