import assert from "node:assert/strict";
import fc from "fast-check";
import { limits } from "../../core/config/limits.ts";
import { Problem } from "../problem.ts";
import { JsonSplitter } from "./json_sequence.ts";

const encoder = new TextEncoder();

function split(text: string, cuts: readonly number[] = []): string[] {
  const bytes = encoder.encode(text);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  const splitter = new JsonSplitter();
  const texts = places.slice(1).flatMap((
    end,
    index,
  ) => [...splitter.push(bytes.subarray(places[index], end))]);
  splitter.end();
  return texts;
}

Deno.test("objects come out one by one, however the bytes are cut", () => {
  const object = fc.dictionary(fc.string(), fc.jsonValue());
  const cuts = fc.array(fc.nat(), { maxLength: 20 });
  fc.assert(fc.property(fc.array(object), cuts, fc.constantFrom("", " ", "\r\n"), (objects, at, between) => {
    const texts = objects.map((each) => JSON.stringify(each));
    assert.deepEqual(split(texts.join(between), at), texts);
  }));
});

Deno.test("what is no sequence of objects is refused", () => {
  for (const text of ["1", '"x"', "[{}]", "{} x", "}", "{", '{"a":"', "{}]"]) {
    assert.throws(() => split(text), Problem, text);
  }
  assert.throws(() => split('{"a":'.repeat(limits.jsonDepthMax + 1)), /nested deeper/);
});

Deno.test("an object is bounded in bytes", () => {
  const splitter = new JsonSplitter();
  const chunk = new Uint8Array(1_048_576).fill(0x20);
  assert.throws(() => {
    [...splitter.push(encoder.encode("{"))];
    for (let index = 0; index < 20; index++) [...splitter.push(chunk)];
  }, (error) => error instanceof Problem && error.status === 413);
});
