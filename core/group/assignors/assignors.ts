/** The coordinator's assignors by name; the first one of `group.consumer.assignors` is the default. */
import type { AssignorInput, AssignorOutput } from "./assignor.ts";
import { assignRange } from "./range.ts";
import { assignUniform } from "./uniform.ts";

export const serverAssignors: ReadonlyMap<string, (input: AssignorInput) => AssignorOutput> = new Map([
  ["uniform", assignUniform],
  ["range", assignRange],
]);
