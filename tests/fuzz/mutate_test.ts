import assert from "node:assert/strict";
import { Rng } from "../../sim/rng.ts";
import { mutate, sized } from "./mutate.ts";

const FRAME = Uint8Array.from({ length: 60 }, (_, i) => i);

Deno.test("mutate() makes the same damage from the same seed, and leaves the frame alone", () => {
  const damaged = (seed: string) => mutate(new Rng(seed), FRAME).toHex();
  assert.equal(damaged("seven/3"), damaged("seven/3"));
  assert.notEqual(damaged("seven/3"), damaged("seven/4"));
  assert.deepEqual(FRAME, Uint8Array.from({ length: 60 }, (_, i) => i));
});

Deno.test("mutate() flips, inserts and removes", () => {
  const sizes = new Set<number>();
  let sameSize = 0;
  for (let i = 0; i < 500; i++) {
    const bytes = mutate(new Rng(`sizes/${i}`), FRAME);
    sizes.add(Math.sign(bytes.length - FRAME.length));
    if (bytes.length === FRAME.length && bytes.toHex() !== FRAME.toHex()) sameSize++;
  }
  assert.deepEqual([...sizes].sort(), [-1, 0, 1]);
  assert.ok(sameSize > 50, `${sameSize} of the same size`);
});

Deno.test("sized() tells the true size most of the time, and lies now and then", () => {
  let lies = 0;
  for (let i = 0; i < 500; i++) {
    const wire = sized(new Rng(`lies/${i}`), FRAME);
    assert.equal(wire.length, 64);
    if (new DataView(wire.buffer).getInt32(0) !== 60) lies++;
  }
  assert.ok(lies > 5 && lies < 60, `${lies} lies`);
});
