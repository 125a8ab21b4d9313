import assert from "node:assert/strict";
import { limits } from "../core/config/limits.ts";
import { answerGroups } from "./group_answers.ts";

Deno.test("each group is answered once, and beyond the bound of bytes the client is told to come again", async () => {
  const asked: string[] = [];
  const answers = await answerGroups(["a", "b", "a", "c", "b", "d"], {
    groupIdOf: (groupId) => groupId,
    answer: (groupId) => Promise.resolve((asked.push(groupId), groupId)),
    bytesOf: (answer) => answer === "b" ? limits.groupAnswerBytesMax : 1,
    refuse: (groupId, error) => `${groupId} ${error}`,
  });
  assert.deepEqual(asked, ["a", "b"]);
  assert.deepEqual(answers, ["a", "b", "c COORDINATOR_LOAD_IN_PROGRESS", "d COORDINATOR_LOAD_IN_PROGRESS"]);
});
