import assert from "node:assert/strict";
import { ZERO_UUID } from "../../lib/bytes.ts";
import {
  type FetchContext,
  FetchSessionCache,
  type FetchSessionCacheOptions,
  type FetchWish,
  moveToEnd,
  nextEpoch,
  noteAnswer,
} from "./fetch_session.ts";

function wish(topic: string, partition = 0, fetchOffset = 0): FetchWish {
  return {
    topic,
    topicId: ZERO_UUID,
    partition,
    currentLeaderEpoch: -1,
    fetchOffset,
    lastFetchedEpoch: -1,
    partitionMaxBytes: 1_000,
  };
}

class Client {
  readonly cache: FetchSessionCache;
  nowMs = 0;
  #random = 0;

  constructor(options: Partial<FetchSessionCacheOptions> = {}) {
    const random = () => (this.#random += 0.001) % 1;
    this.cache = new FetchSessionCache({
      slotsMax: 2,
      evictionMs: 120_000,
      partitionsMax: 1_000,
      random,
      ...options,
    });
  }

  ask(sessionId: number, sessionEpoch: number, wishes: FetchWish[] = [], forgotten: FetchWish[] = []) {
    const request = { sessionId, sessionEpoch, wishes, forgotten, usesTopicIds: false };
    return this.cache.begin(request, this.nowMs);
  }

  open(...wishes: FetchWish[]): number {
    const context = this.ask(0, 0, wishes);
    assert.equal(context.type, "full");
    return "targets" in context ? this.cache.create(context.targets, false, this.nowMs) : 0;
  }
}

function asked(context: FetchContext): string[] {
  assert.ok("targets" in context, `the context is of type ${context.type}`);
  return context.targets.map(({ wish: { topic, fetchOffset } }) => `${topic}@${fetchOffset}`);
}

function fault(context: FetchContext): string {
  return context.type === "error" ? context.error : context.type;
}

Deno.test("a session remembers what was asked, and takes changes and what is forgotten", () => {
  const client = new Client();
  const id = client.open(wish("a"), wish("b"), wish("a", 0, 5));
  assert.ok(id > 0);
  assert.deepEqual(asked(client.ask(id, 1)), ["a@5", "b@0"]);
  assert.deepEqual(asked(client.ask(id, 2, [wish("b", 0, 7), wish("c")])), ["a@5", "b@7", "c@0"]);
  assert.deepEqual(asked(client.ask(id, 3, [], [wish("a"), wish("nobody")])), ["b@7", "c@0"]);
});

Deno.test("a session refuses other epochs, ids and forms of topics", () => {
  const client = new Client();
  const id = client.open(wish("a"));
  assert.equal(fault(client.ask(id + 1, 1)), "FETCH_SESSION_ID_NOT_FOUND");
  assert.equal(fault(client.ask(0, 1)), "FETCH_SESSION_ID_NOT_FOUND");
  assert.equal(fault(client.ask(id, 2)), "INVALID_FETCH_SESSION_EPOCH");
  assert.equal(client.ask(id, 1).type, "incremental");
  assert.equal(fault(client.ask(id, 1)), "INVALID_FETCH_SESSION_EPOCH");
  const byId = { sessionId: id, sessionEpoch: 2, wishes: [], forgotten: [], usesTopicIds: true };
  assert.equal(fault(client.cache.begin(byId, 0)), "FETCH_SESSION_TOPIC_ID_ERROR");
  assert.equal(client.ask(id, 2).type, "incremental");
});

Deno.test("a session ends when the client says so, opens another, or forgets everything", () => {
  const client = new Client();
  const first = client.open(wish("a"));
  assert.deepEqual(asked(client.ask(first, -1, [wish("z")])), ["z@0"]);
  assert.equal(fault(client.ask(first, 1)), "FETCH_SESSION_ID_NOT_FOUND");
  const second = client.open(wish("a"));
  assert.equal(client.ask(second, 0, [wish("b")]).type, "full");
  assert.equal(fault(client.ask(second, 1)), "FETCH_SESSION_ID_NOT_FOUND");
  const third = client.open(wish("a"));
  assert.equal(client.ask(third, 1, [], [wish("a")]).type, "sessionless");
  assert.equal(fault(client.ask(third, 2)), "FETCH_SESSION_ID_NOT_FOUND");
  assert.deepEqual(client.cache.stats(), { sessions: 0, partitions: 0, evictions: 0 });
});

Deno.test("a full cache keeps young and busy sessions, and gives up what was not used for two minutes", () => {
  const client = new Client();
  const first = client.open(wish("a"));
  const second = client.open(wish("b"));
  assert.equal(client.open(wish("c"), wish("d")), 0, "both are young");
  client.nowMs = 120_001;
  assert.equal(client.ask(second, 1).type, "incremental");
  assert.ok(client.open(wish("c")) > 0, "the first was not used");
  assert.equal(fault(client.ask(first, 1)), "FETCH_SESSION_ID_NOT_FOUND");
  assert.equal(client.open(wish("d")), 0, "not larger than the one that is old enough");
  assert.ok(client.open(wish("d"), wish("e")) > 0);
  assert.equal(fault(client.ask(second, 2)), "FETCH_SESSION_ID_NOT_FOUND");
  assert.deepEqual(client.cache.stats(), { sessions: 2, partitions: 3, evictions: 2 });
});

Deno.test("the partitions of all sessions together are bounded", () => {
  const client = new Client({ slotsMax: 10, partitionsMax: 3 });
  const first = client.open(wish("a"), wish("b"));
  assert.equal(client.open(wish("a"), wish("b")), 0);
  const second = client.open(wish("a"));
  assert.equal(client.ask(first, 1).type, "incremental");
  assert.equal(fault(client.ask(second, 1, [wish("b")])), "FETCH_SESSION_ID_NOT_FOUND");
  assert.equal(client.cache.stats().partitions, 2);
  assert.equal(new Client({ slotsMax: 0 }).open(wish("a")), 0);
});

Deno.test("noteAnswer() leaves out what the client knows", () => {
  const client = new Client();
  const context = client.ask(0, 0, [wish("a")]);
  const entry = "targets" in context ? context.targets[0]?.entry : undefined;
  assert.ok(entry !== undefined);
  const quiet = {
    hasError: false,
    hasRecords: false,
    isDiverging: false,
    highWatermark: 3,
    logStartOffset: 0,
  };
  assert.equal(noteAnswer(entry, quiet), true, "the first time");
  assert.equal(noteAnswer(entry, quiet), false);
  assert.equal(noteAnswer(entry, { ...quiet, hasRecords: true }), true);
  assert.equal(noteAnswer(entry, { ...quiet, highWatermark: 4 }), true);
  assert.equal(noteAnswer(entry, { ...quiet, highWatermark: 4, logStartOffset: 1 }), true);
  const failed = { ...quiet, hasError: true, highWatermark: -1, logStartOffset: -1 };
  assert.equal(noteAnswer(entry, failed), true);
  assert.equal(noteAnswer(entry, failed), true, "an error is told each time");
  assert.equal(noteAnswer(entry, quiet), true, "and so is its end");
  assert.equal(noteAnswer(entry, quiet), false);
});

Deno.test("moveToEnd() lets other partitions come first", () => {
  const client = new Client();
  const id = client.open(wish("a"), wish("b"), wish("c"));
  const context = client.ask(id, 1);
  assert.ok(context.type === "incremental");
  const entry = context.targets[0]?.entry;
  if (entry !== undefined) moveToEnd(context.session, entry);
  assert.deepEqual(asked(client.ask(id, 2)), ["b@0", "c@0", "a@0"]);
  assert.deepEqual([nextEpoch(-1), nextEpoch(0), nextEpoch(0x7fff_ffff)], [-1, 1, 1]);
});
