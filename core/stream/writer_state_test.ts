import assert from "node:assert/strict";
import fc from "fast-check";
import { limits } from "../config/limits.ts";
import type { ProducerTag } from "./record_note.ts";
import {
  type AppendWish,
  applyNote,
  decideStreamAppend,
  emptyWriterState,
  type WriterState,
} from "./writer_state.ts";

const plain: AppendWish = {
  hasData: true,
  close: false,
  contentTypeMatches: true,
  producer: null,
  streamSeq: null,
};

function tag(epoch: number, seq: number, id = "p"): ProducerTag {
  return { id, epoch, seq };
}

/** Decides and, if it is an append, applies. */
function send(state: WriterState, wish: Partial<AppendWish>): string {
  const decision = decideStreamAppend(state, { ...plain, ...wish });
  if (decision.type === "append") applyNote(state, decision.note);
  return decision.type;
}

Deno.test("a producer's requests are taken once and in order", () => {
  const state = emptyWriterState();
  assert.equal(send(state, { producer: tag(0, 1) }), "sequenceGap");
  assert.equal(send(state, { producer: tag(0, 0) }), "append");
  assert.equal(send(state, { producer: tag(0, 0) }), "duplicate");
  assert.equal(send(state, { producer: tag(0, 1) }), "append");
  assert.deepEqual(decideStreamAppend(state, { ...plain, producer: tag(0, 3) }), {
    type: "sequenceGap",
    expectedSeq: 2,
  });
  assert.equal(send(state, { producer: tag(1, 1) }), "epochStart");
  assert.equal(send(state, { producer: tag(1, 0) }), "append");
  assert.deepEqual(decideStreamAppend(state, { ...plain, producer: tag(0, 2) }), {
    type: "staleEpoch",
    epoch: 1,
  });
  assert.equal(send(state, { producer: tag(0, 0, "other") }), "append");
});

Deno.test("a closed stream takes nothing; its closing is repeatable by whoever did it", () => {
  const state = emptyWriterState();
  assert.equal(send(state, { producer: tag(0, 0), close: true }), "append");
  assert.equal(send(state, { producer: tag(0, 0), close: true }), "duplicate");
  assert.equal(send(state, { hasData: false, close: true }), "closedBefore");
  assert.equal(send(state, {}), "refusedClosed");
  assert.equal(send(state, { producer: tag(0, 1), close: true }), "refusedClosed");
  // That it is closed is told before anything else.
  assert.equal(send(state, { contentTypeMatches: false }), "refusedClosed");
});

Deno.test("Stream-Seq rises in byte order", () => {
  const state = emptyWriterState();
  const order = ["", "10", "9", "a", "aa", "\uFFFF", "\u{10000}"];
  for (const streamSeq of order) {
    assert.equal(send(state, { streamSeq }), "append", streamSeq);
    assert.equal(send(state, { streamSeq }), "streamSeqRegression", streamSeq);
  }
  assert.equal(send(state, { streamSeq: "9" }), "streamSeqRegression");
});

Deno.test("producers are remembered up to a bound, the silent ones go first", () => {
  const state = emptyWriterState();
  for (let index = 0; index < limits.streamProducersMax; index++) {
    send(state, { producer: tag(0, 0, `p${index}`) });
  }
  send(state, { producer: tag(0, 1, "p0") });
  send(state, { producer: tag(0, 0, "late") });
  assert.equal(state.producers.size, limits.streamProducersMax);
  assert.equal(state.producers.has("p1"), false);
  assert.deepEqual(state.producers.get("p0"), { epoch: 0, lastSeq: 1 });
});

Deno.test("whatever is sent, each producer's accepted requests are 0, 1, 2 … in each epoch", () => {
  const request = fc.record({ id: fc.constantFrom("a", "b"), epoch: fc.nat(2), seq: fc.nat(4) });
  fc.assert(fc.property(fc.array(request, { maxLength: 60 }), (requests) => {
    const state = emptyWriterState();
    const accepted = new Map<string, ProducerTag[]>();
    for (const producer of requests) {
      if (send(state, { producer }) !== "append") continue;
      accepted.set(producer.id, [...accepted.get(producer.id) ?? [], producer]);
    }
    for (const tags of accepted.values()) {
      for (const [index, { epoch, seq }] of tags.entries()) {
        const before = tags[index - 1];
        assert.ok(
          before === undefined || epoch > before.epoch
            ? seq === 0
            : epoch === before.epoch && seq === before.seq + 1,
        );
      }
    }
  }));
});
