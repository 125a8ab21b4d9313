import assert from "node:assert/strict";
import { removeInSteps } from "./remove_in_steps.ts";

const MIB = 1_024 * 1_024;

Deno.test("removeInSteps() takes four mebibytes at most off a file at a time, and then the file", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/file`;
  const { truncate, remove } = Deno;
  const steps: string[] = [];
  Deno.truncate = (name, length) => {
    steps.push(`${name === path} ${length}`);
    return truncate(name, length);
  };
  Deno.remove = (name, options) => {
    steps.push(`${name === path} removed at ${Deno.statSync(name).size}`);
    return remove(name, options);
  };
  try {
    for (
      const [size, lengths] of [[0, []], [1, []], [4 * MIB, []], [4 * MIB + 1, [4 * MIB]], [
        12 * MIB,
        [8 * MIB, 4 * MIB],
      ]] as const
    ) {
      await Deno.writeFile(path, new Uint8Array());
      await truncate(path, size);
      steps.length = 0;
      await removeInSteps(path);
      const last = Math.min(size, 4 * MIB);
      assert.deepEqual(steps, [...lengths.map((each) => `true ${each}`), `true removed at ${last}`]);
      await assert.rejects(removeInSteps(path), Deno.errors.NotFound);
    }
  } finally {
    Object.assign(Deno, { truncate, remove });
    await remove(directory, { recursive: true });
  }
});
