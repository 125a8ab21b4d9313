import assert from "node:assert/strict";
import { ByteGatherer } from "./byte_gatherer.ts";

Deno.test("ByteGatherer: pieces of any size come out as one, and it begins anew", () => {
  const gatherer = new ByteGatherer();
  assert.equal(gatherer.take().byteLength, 0);
  for (const sizes of [[1, 2, 3], [5_000], [0, 1_024, 0, 1], [100_000, 1, 100_000], [7]]) {
    const bytes = Uint8Array.from({ length: sizes.reduce((a, b) => a + b, 0) }, (_, at) => at * 31);
    let at = 0;
    for (const size of sizes) gatherer.push(bytes.subarray(at, at += size));
    assert.equal(gatherer.length, bytes.byteLength);
    assert.deepEqual(gatherer.take(), bytes);
    assert.equal(gatherer.length, 0);
  }
});

Deno.test("ByteGatherer: a million pieces of a byte take one buffer, of no more than twice the bytes", () => {
  const gatherer = new ByteGatherer();
  const piece = Uint8Array.of(7);
  for (let n = 0; n < 1_000_000; n++) gatherer.push(piece);
  const taken = gatherer.take();
  assert.equal(taken.byteLength, 1_000_000);
  assert.ok(taken.buffer.byteLength <= 2_000_000, String(taken.buffer.byteLength));
});
