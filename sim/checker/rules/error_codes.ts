/**
 * Rule: an API answers only error codes that Kafka's clients expect of it (`api_errors.ts`). Of an API without a list it is only
 * asked that the code exists and is not UNKNOWN_SERVER_ERROR. Pure.
 */

import { errors } from "../../../protocol/errors.ts";
import { ANY_API, API_ERRORS } from "../api_errors.ts";
import type { Rule } from "../rule.ts";

const NAMES = new Map<number, string>(Object.entries(errors).map(([name, error]) => [error.code, name]));

export const errorCodes: Rule = {
  name: "error-code",
  what: "An API answered an error code that clients do not expect of it.",
  look:
    "The handler of that API; UNKNOWN_SERVER_ERROR is an exception that nobody turned into a Kafka error.",
  severity: () => "fatal",
  check(judged, sink) {
    for (const { apiKey, errorCode, firstLine, count } of judged.history.replies) {
      const api = API_ERRORS[apiKey];
      const isAllowed = api === undefined
        ? NAMES.has(errorCode) && errorCode !== errors.UNKNOWN_SERVER_ERROR.code
        : [...ANY_API, ...api.errors].some((name) => errors[name].code === errorCode);
      if (isAllowed) continue;
      sink.add(() => ({
        message: `${api?.name ?? `API ${apiKey}`} answered ${
          NAMES.get(errorCode) ?? "an unknown code"
        } (${errorCode}) ${count === 1 ? "once" : `${count} times`}, first in line ${firstLine}`,
        lines: [firstLine],
      }));
    }
  },
};
