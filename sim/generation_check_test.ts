import assert from "node:assert/strict";
import type { HistoryLine } from "./checker/history_format.ts";
import { generationViolations } from "./generation_check.ts";

function commit(
  generation: number,
  invokeMs: number,
  completeMs: number,
  type: "ok" | "info" = "ok",
): HistoryLine {
  const process = `member of ${generation}`;
  return {
    kind: "commit",
    type,
    process,
    invokeMs,
    completeMs,
    group: "g",
    generation,
    offsets: { "t/0": 1 },
  };
}

Deno.test("generationViolations() finds a commit of an old generation after one of a newer", () => {
  assert.equal(generationViolations([commit(2, 0, 1), commit(1, 2, 3)]).length, 1);
});

Deno.test("generationViolations() takes commits in order, at the same time, and of unknown outcome", () => {
  assert.deepEqual(generationViolations([commit(1, 0, 1), commit(2, 2, 3)]), []);
  assert.deepEqual(generationViolations([commit(2, 0, 2), commit(1, 1, 3)]), []);
  assert.deepEqual(generationViolations([commit(2, 0, 1), commit(1, 2, 3, "info")]), []);
});
