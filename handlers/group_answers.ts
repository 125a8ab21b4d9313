/** What an API answers for several groups: each once, one after the other, within a bound of bytes over all of them. */
import { limits } from "../core/config/limits.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { firstOfEach } from "./repeated.ts";

export interface GroupAnswering<Asked, Answer> {
  readonly groupIdOf: (asked: Asked) => string;
  readonly answer: (asked: Asked) => Promise<Answer>;
  /** About what the answer has on the wire. */
  readonly bytesOf: (answer: Answer) => number;
  readonly refuse: (asked: Asked, error: ErrorName) => Answer;
}

/**
 * A small request that repeats a group must not become a huge answer, nor one that names many large groups. The first group is
 * always answered; those beyond the bound get COORDINATOR_LOAD_IN_PROGRESS, after which Kafka's admin client asks for them again.
 */
export async function answerGroups<Asked, Answer>(
  asked: readonly Asked[],
  { groupIdOf, answer, bytesOf, refuse }: GroupAnswering<Asked, Answer>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  let bytes = 0;
  for (const each of firstOfEach(asked, groupIdOf)) {
    if (bytes >= limits.groupAnswerBytesMax) {
      answers.push(refuse(each, "COORDINATOR_LOAD_IN_PROGRESS"));
      continue;
    }
    const answered = await answer(each);
    bytes += bytesOf(answered);
    answers.push(answered);
  }
  return answers;
}
