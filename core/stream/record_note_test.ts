import assert from "node:assert/strict";
import { decodeNote, encodeNote, NOTE_HEADER, type RecordNote } from "./record_note.ts";

Deno.test("notes come back from the header", () => {
  const notes: RecordNote[] = [
    { producer: { id: 'p"ü', epoch: 3, seq: 2 ** 53 - 1 }, streamSeq: null, closed: false },
    { producer: null, streamSeq: "b", closed: false },
    { producer: null, streamSeq: null, closed: true },
  ];
  for (const note of notes) assert.deepEqual(decodeNote(encodeNote(note)), note);
  assert.deepEqual(encodeNote({ producer: null, streamSeq: null, closed: false }), []);
});

Deno.test("what a Kafka client writes into the header does no harm", () => {
  const texts = [
    "",
    "{",
    "null",
    "[]",
    '"x"',
    '{"producer":["p"]}',
    '{"producer":["p",-1,0]}',
    '{"closed":1}',
  ];
  for (const text of texts) {
    const note = decodeNote([{ key: NOTE_HEADER, value: new TextEncoder().encode(text) }]);
    if (note === null) continue;
    assert.deepEqual(note, { producer: null, streamSeq: null, closed: false }, text);
  }
  assert.equal(decodeNote([{ key: NOTE_HEADER, value: null }]), null);
});
