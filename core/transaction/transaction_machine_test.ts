/** The transaction machine by example, then by property. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { IdentityResult, TransactionCommand } from "./transaction_commands.ts";
import {
  abortTimedOut,
  completeTransaction,
  decideTransaction,
  expireTransaction,
  timeoutAtMs,
  TRANSACTION_BYTES_MAX,
  transactionBytes,
} from "./transaction_machine.ts";
import {
  isEnding,
  newTransaction,
  PREDECESSORS,
  TRANSACTION_STATES,
  type TransactionRecord,
  transition,
} from "./transaction_state.ts";

/** One transactional id, with ids from 100 on. */
class Coordinator {
  record: TransactionRecord | null = null;
  wallMs = 1_000;
  #nextId = 100;

  /** `error`, or `id/epoch` when the answer has one. */
  send(command: TransactionCommand): string {
    const now = { transactionalId: "t", wallMs: this.wallMs, timeoutMsMax: 900_000 };
    let decision = decideTransaction(this.record, command, { ...now, freshProducerId: null });
    if (decision.type === "needsProducerId") {
      decision = decideTransaction(this.record, command, { ...now, freshProducerId: this.#nextId++ });
    }
    assert(decision.type === "answer");
    const { answer, next } = decision;
    if (next !== undefined) this.record = next;
    const { producerId = -1, producerEpoch } = answer as IdentityResult;
    return answer.error === "NONE" && producerId >= 0 ? `${producerId}/${producerEpoch}` : answer.error;
  }
  init(producerId = -1, producerEpoch = -1, timeoutMs = 60_000): string {
    return this.send({ type: "initProducerId", timeoutMs, producerId, producerEpoch });
  }
  add(producerId: number, producerEpoch: number, ...partitions: number[]): string {
    const added = partitions.map((partition) => ({ topicId: "T", partition }));
    return this.send({
      type: "addToTransaction",
      producerId,
      producerEpoch,
      partitions: added,
      groups: [],
    });
  }
  verify(producerId: number, producerEpoch: number, partition: number): string {
    const partitions = [{ topicId: "T", partition }];
    return this.send({ type: "verifyTransaction", producerId, producerEpoch, partitions, groups: [] });
  }
  end(producerId: number, producerEpoch: number, committed: boolean, bumpsEpoch = true): string {
    return this.send({ type: "endTransaction", producerId, producerEpoch, committed, bumpsEpoch });
  }
  complete(): void {
    assert(this.record !== null);
    this.record = completeTransaction(this.record, this.wallMs);
  }
  get state(): string {
    return this.record?.state ?? "none";
  }
  /** An id in Complete or Empty whose epoch is `producerEpoch`. */
  static at(producerEpoch: number): Coordinator {
    const coordinator = new Coordinator();
    coordinator.record = { ...newTransaction("t", 7, 60_000, 0), producerEpoch };
    return coordinator;
  }
}

/** Id 100 with epoch 0, whose transaction the coordinator aborts at its timeout. */
function timedOut(): Coordinator {
  const t = new Coordinator();
  t.init();
  t.add(100, 0, 0);
  t.wallMs += 60_000;
  assert(t.record !== null && timeoutAtMs(t.record) === t.wallMs);
  t.record = abortTimedOut(t.record, t.wallMs);
  assert.equal(t.state, "PrepareAbort");
  return t;
}

Deno.test("a new id starts at epoch 0, each new instance gets the next epoch", () => {
  const t = new Coordinator();
  assert.deepEqual([t.init(), t.init(), t.init()], ["100/0", "100/1", "100/2"]);
  assert.equal(t.state, "Empty");
});

Deno.test("timeouts outside the bounds are INVALID_TRANSACTION_TIMEOUT", () => {
  const t = new Coordinator();
  assert.equal(t.init(-1, -1, 900_001), "INVALID_TRANSACTION_TIMEOUT");
  assert.equal(t.init(-1, -1, 0), "INVALID_TRANSACTION_TIMEOUT");
  assert.equal(t.record, null);
});

Deno.test("every end bumps the epoch, and the next transaction waits for the markers", () => {
  const t = new Coordinator();
  t.init();
  assert.equal(t.add(100, 0, 0, 1), "NONE");
  assert.equal(t.end(100, 0, true), "100/1");
  assert.equal(t.state, "PrepareCommit");
  assert.equal(t.add(100, 1, 0), "CONCURRENT_TRANSACTIONS");
  assert.equal(t.record?.partitions.length, 2, "frozen");
  t.complete();
  assert.equal(t.state, "CompleteCommit");
  assert.equal(t.add(100, 0, 0), "PRODUCER_FENCED", "the old epoch");
  assert.equal(t.add(100, 1, 0), "NONE");
});

Deno.test("a retry with the epoch before and the same command is answered, with another command refused", () => {
  const t = new Coordinator();
  t.init();
  t.add(100, 0, 0);
  t.end(100, 0, true);
  assert.equal(t.end(100, 0, true), "CONCURRENT_TRANSACTIONS", "while it ends");
  assert.equal(t.end(100, 0, false), "INVALID_TXN_STATE");
  t.complete();
  assert.equal(t.end(100, 0, true), "100/1");
  assert.equal(t.end(100, 0, false), "INVALID_TXN_STATE");
  assert.equal(t.state, "CompleteCommit");
});

Deno.test("a late EndTxn never ends a later transaction (Jepsen's torn transactions, KAFKA-17754)", () => {
  for (const committed of [true, false]) {
    const t = new Coordinator();
    t.init();
    t.add(100, 0, 0);
    t.end(100, 0, true);
    t.complete();
    t.add(100, 1, 0);
    assert.equal(t.end(100, 0, committed), "PRODUCER_FENCED");
    assert.equal(t.state, "Ongoing");
  }
});

Deno.test("an end while the one before completes is CONCURRENT_TRANSACTIONS, no empty success (YDB's finding)", () => {
  const t = new Coordinator();
  t.init();
  t.add(100, 0, 0);
  t.end(100, 0, true);
  assert.equal(t.end(100, 1, true), "CONCURRENT_TRANSACTIONS");
  assert.equal(t.end(100, 1, false), "CONCURRENT_TRANSACTIONS");
});

Deno.test("an end with partitions but no data succeeds; nothing added can be aborted, not committed", () => {
  const t = new Coordinator();
  t.init();
  assert.equal(t.end(100, 0, true), "INVALID_TXN_STATE");
  assert.equal(t.end(100, 0, false, false), "INVALID_TXN_STATE", "older clients");
  assert.equal(t.end(100, 0, false), "100/1");
  t.complete();
  assert.equal(t.state, "CompleteAbort");
  assert.equal(t.end(100, 1, true), "INVALID_TXN_STATE");
  assert.equal(t.end(100, 1, false), "100/2");
});

Deno.test("a commit that races with the coordinator's abort is INVALID_PRODUCER_EPOCH (KAFKA-20785)", () => {
  const t = timedOut();
  assert.equal(t.end(100, 0, true), "INVALID_PRODUCER_EPOCH");
  assert.equal(t.end(100, 0, true, false), "PRODUCER_FENCED", "older clients");
  t.complete();
  assert.equal(t.end(100, 0, true), "INVALID_PRODUCER_EPOCH");
  assert.equal(t.end(100, 0, true, false), "PRODUCER_FENCED", "older clients");
  assert.equal(t.add(100, 0, 0), "PRODUCER_FENCED");
  assert.equal(t.init(), "100/2", "a new instance");
  assert.equal(t.end(100, 0, true), "PRODUCER_FENCED");
});

Deno.test("who aborts what timed out has it aborted, gets the next epoch and goes on, as with Kafka", () => {
  const t = timedOut();
  assert.equal(t.end(100, 0, false), "CONCURRENT_TRANSACTIONS", "until the markers are written");
  t.complete();
  assert.equal(t.end(100, 0, false, false), "PRODUCER_FENCED", "older clients");
  assert.equal(t.end(100, 0, false), "100/1");
  assert.equal(t.end(100, 0, false), "100/1", "the answer was lost");
  assert.equal(t.add(100, 1, 0), "NONE");
  assert.equal(t.end(100, 0, false), "PRODUCER_FENCED", "late");
  assert.equal(t.end(100, 1, true), "100/2");
});

Deno.test("who begins anew after a timeout gets the next epoch, unless another instance came in between", () => {
  const t = timedOut();
  assert.equal(t.init(100, 0), "CONCURRENT_TRANSACTIONS", "until the markers are written");
  t.complete();
  assert.equal(t.init(100, 0), "100/1");
  assert.equal(t.init(100, 0), "100/1", "the answer was lost");
  assert.equal(t.init(), "100/2");
  assert.equal(t.init(100, 0), "PRODUCER_FENCED");
  assert.equal(t.end(100, 0, false), "PRODUCER_FENCED");
});

Deno.test("the last epoch is for the coordinator's own markers: who timed out with the one before gets a new id", () => {
  for (
    const [producerEpoch, answers] of [[32_765, ["7/32766", "7/32766"]], [32_766, [
      "INVALID_PRODUCER_EPOCH",
      "100/0",
    ]]] as const
  ) {
    const t = Coordinator.at(producerEpoch);
    t.add(7, producerEpoch, 0);
    assert(t.record !== null);
    t.record = abortTimedOut(t.record, t.wallMs);
    t.complete();
    assert.deepEqual([t.end(7, producerEpoch, false), t.init(7, producerEpoch)], answers);
    assert.equal(t.init(7, producerEpoch), answers[1], "the answer was lost");
  }
});

Deno.test("a new instance aborts what an older one left open, and fences it", () => {
  const t = new Coordinator();
  t.init();
  t.add(100, 0, 0);
  assert.equal(t.init(), "CONCURRENT_TRANSACTIONS");
  assert.equal(t.state, "PrepareAbort");
  assert.equal(t.init(), "CONCURRENT_TRANSACTIONS", "until the markers are written");
  assert.equal(t.record?.producerEpoch, 1, "it bumps once");
  t.complete();
  assert.equal(t.init(), "100/2");
  for (const zombie of [t.add(100, 0, 0), t.end(100, 0, true), t.init(100, 0), t.verify(100, 0, 0)]) {
    assert.equal(zombie, "PRODUCER_FENCED");
  }
});

Deno.test("a zombie's InitProducerId does not abort its successor's transaction", () => {
  const t = new Coordinator();
  t.init();
  t.init();
  t.add(100, 1, 0);
  assert.equal(t.init(100, 0), "PRODUCER_FENCED");
  assert.equal(t.state, "Ongoing");
});

Deno.test("InitProducerId with the present epoch bumps, its retry gets the same answer (KIP-360)", () => {
  const t = new Coordinator();
  t.init();
  assert.equal(t.init(100, 0), "100/1");
  assert.equal(t.init(100, 0), "100/1");
  assert.equal(t.init(), "100/2", "a new instance");
  assert.equal(t.init(100, 1), "PRODUCER_FENCED");
});

Deno.test("older clients keep their epoch: the same end twice is one end", () => {
  const t = new Coordinator();
  t.init();
  t.add(100, 0, 0);
  assert.equal(t.end(100, 0, true, false), "100/0");
  assert.equal(t.end(100, 0, true, false), "CONCURRENT_TRANSACTIONS");
  assert.equal(t.end(100, 0, false, false), "INVALID_TXN_STATE");
  t.complete();
  assert.equal(t.end(100, 0, true, false), "100/0");
  assert.equal(t.end(100, 0, false, false), "INVALID_TXN_STATE");
  assert.equal(t.add(100, 0, 1), "NONE");
});

Deno.test("when the epochs are used up, an end and InitProducerId hand out a new id", () => {
  const t = Coordinator.at(32_766);
  assert.equal(t.add(7, 32_766, 0), "NONE");
  assert.equal(t.end(7, 32_766, true), "100/0");
  assert.equal(t.record?.producerEpoch, 32_767, "the markers' epoch");
  assert.equal(t.add(100, 0, 0), "CONCURRENT_TRANSACTIONS");
  t.complete();
  assert.equal(t.end(7, 32_766, true), "100/0", "a retry");
  assert.equal(t.add(7, 32_766, 0), "INVALID_PRODUCER_ID_MAPPING");
  assert.equal(t.add(100, 0, 0), "NONE");
  const u = Coordinator.at(32_766);
  assert.equal(u.init(7, 32_766), "100/0");
  assert.equal(u.init(7, 32_766), "100/0", "a retry");
  const v = Coordinator.at(32_766);
  v.add(7, 32_766, 0);
  assert.equal(v.init(), "CONCURRENT_TRANSACTIONS");
  v.complete();
  assert.equal(v.init(), "100/0");
});

Deno.test("verification passes only what is in the open transaction", () => {
  const t = new Coordinator();
  assert.equal(t.verify(100, 0, 0), "INVALID_PRODUCER_ID_MAPPING");
  t.init();
  assert.equal(t.verify(100, 0, 0), "TRANSACTION_ABORTABLE");
  t.add(100, 0, 0);
  assert.equal(t.verify(100, 0, 0), "NONE");
  assert.equal(t.verify(100, 0, 1), "TRANSACTION_ABORTABLE");
  assert.equal(t.verify(100, 1, 0), "PRODUCER_FENCED");
  assert.equal(t.verify(99, 0, 0), "INVALID_PRODUCER_ID_MAPPING");
  t.end(100, 0, true);
  assert.equal(t.verify(100, 1, 0), "CONCURRENT_TRANSACTIONS");
  t.complete();
  assert.equal(t.verify(100, 1, 0), "TRANSACTION_ABORTABLE");
});

Deno.test("a transaction that outgrows its record is TRANSACTION_ABORTABLE and stays as it was", () => {
  const t = new Coordinator();
  t.init();
  t.add(100, 0, 0);
  assert.equal(t.add(100, 0, ...Array.from({ length: 3_000 }, (_, i) => i)), "TRANSACTION_ABORTABLE");
  assert.equal(t.record?.partitions.length, 1);
  assert(transactionBytes(t.record) < TRANSACTION_BYTES_MAX);
});

Deno.test("an id that nobody used expires, one in a transaction does not", () => {
  const t = new Coordinator();
  t.init();
  assert.equal(expireTransaction(t.record, t.wallMs - 1, t.wallMs), null, "used since");
  assert.equal(expireTransaction(t.record, t.wallMs, t.wallMs)?.state, "Dead");
  t.add(100, 0, 0);
  assert.equal(expireTransaction(t.record, t.wallMs, t.wallMs), null);
});

Deno.test("transition() takes only legal steps", () => {
  for (const from of TRANSACTION_STATES) {
    for (const to of TRANSACTION_STATES) {
      const record = { ...newTransaction("t", 1, 1, 0), producerEpoch: 0, state: from };
      const step = () => transition(record, to, {});
      if (PREDECESSORS[to].includes(from)) step();
      else assert.throws(step, `${from} to ${to}`);
    }
  }
});

/** Two instances of one producer, old and new clients, lost answers, timeouts, and markers that take their time. */
Deno.test("whatever happens, each transaction has one outcome, and fenced producers change nothing", () => {
  const action = fc.record({
    instance: fc.nat(1),
    act: fc.constantFrom("init", "reinit", "add", "commit", "abort", "complete", "timeout"),
    isLost: fc.boolean(),
    bumps: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 60 }),
      fc.constantFrom(0, 32_760),
      (actions, firstEpoch) => {
        const t = Coordinator.at(firstEpoch);
        const held = [{ id: 7, epoch: firstEpoch }, { id: -1, epoch: -1 }];
        /** By id and epoch that the markers have: commit or abort, decided once. */
        const outcomes = new Map<string, string>();
        let seen: TransactionRecord | null = null;
        for (const { instance, act, isLost, bumps } of actions) {
          const me = held[instance] as { id: number; epoch: number };
          const before = t.record;
          let answer = "";
          t.wallMs++;
          if (act === "init") answer = t.init();
          if (act === "reinit") answer = t.init(me.id, me.epoch);
          if (act === "add") answer = t.add(me.id, me.epoch, t.wallMs % 4);
          if (act === "commit" || act === "abort") {
            answer = t.end(me.id, me.epoch, act === "commit", bumps);
          }
          if (act === "complete" && before !== null && isEnding(before)) t.complete();
          if (act === "timeout") t.record = abortTimedOut(t.record, t.wallMs) ?? t.record;
          const after = t.record;
          assert(before !== null && after !== null);
          const isRefused = answer === "PRODUCER_FENCED" || answer === "INVALID_PRODUCER_EPOCH" ||
            answer === "INVALID_PRODUCER_ID_MAPPING" || answer === "INVALID_TXN_STATE";
          if (isRefused) assert.equal(after, before, `${act} was refused and changed something`);
          if (isEnding(after) && !isEnding(before)) {
            const bumped = after.producerEpoch > before.producerEpoch;
            if (bumped) {
              const key = `${after.producerId}/${after.producerEpoch}`;
              assert(!outcomes.has(key), "a transaction ended twice");
              outcomes.set(key, after.state);
            }
          }
          if (isEnding(before)) {
            assert.equal(after.partitions, isEnding(after) ? before.partitions : after.partitions);
            const complete = before.state === "PrepareCommit" ? "CompleteCommit" : "CompleteAbort";
            assert(after === before || after.state === complete, "only completion follows Prepare*");
          }
          if (answer.includes("/") && !isLost) {
            const [id, epoch] = answer.split("/").map(Number);
            held[instance] = { id: id ?? -1, epoch: epoch ?? -1 };
          }
          assert(after.nextProducerId === -1 || isEnding(after));
          assert.equal(after.startedMs >= 0, after.state === "Ongoing" || isEnding(after));
          seen = after;
        }
        // Liveness: whatever state it is in, a new instance gets in after at most one completion.
        if (seen === null) return;
        if (!t.init().includes("/")) {
          t.complete();
          assert.match(t.init(), /\//);
        }
      },
    ),
    { numRuns: 500 },
  );
});
