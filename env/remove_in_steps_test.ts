import assert from "node:assert/strict";
import { removeInSteps } from "./remove_in_steps.ts";

const MIB = 1_024 * 1_024;

/** What was done to a file of that size, whose truncations take `stepMs`. */
async function stepsOf(sizeBytes: number, stepMs: number): Promise<string[]> {
  let size = sizeBytes;
  let nowMs = 0;
  const steps: string[] = [];
  await removeInSteps("file", {
    sizeOf: () => Promise.resolve(size),
    truncate(path, length) {
      steps.push(`${path} to ${length}`);
      size = length;
      nowMs += stepMs;
      return Promise.resolve();
    },
    remove(path) {
      steps.push(`${path} of ${size} removed`);
      return Promise.resolve();
    },
    mono: () => nowMs,
    sleep(ms) {
      steps.push(`${ms} ms`);
      return Promise.resolve();
    },
  });
  return steps;
}

Deno.test("removeInSteps() takes four mebibytes at most off a file at a time, with a pause, and then the file", async () => {
  for (const size of [0, 1, 4 * MIB]) assert.deepEqual(await stepsOf(size, 1), [`file of ${size} removed`]);
  assert.deepEqual(await stepsOf(4 * MIB + 1, 1), [
    `file to ${4 * MIB}`,
    "2 ms",
    `file of ${4 * MIB} removed`,
  ]);
  assert.deepEqual(await stepsOf(12 * MIB, 7), [
    `file to ${8 * MIB}`,
    "7 ms",
    `file to ${4 * MIB}`,
    "7 ms",
    `file of ${4 * MIB} removed`,
  ]);
});
