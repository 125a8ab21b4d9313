/** How Kafka's tools choose topics by a pattern. */
import { UsageError } from "./command_line.ts";

/** As Kafka reads `--topic`: a regular expression for the whole name, in which a comma means "or". */
export function topicMatcher(pattern: string | undefined): (name: string) => boolean {
  if (pattern === undefined) return () => true;
  try {
    const expression = new RegExp(
      `^(?:${pattern.trim().replaceAll(",", "|").replace(/^["']+|["']+$/g, "")})$`,
      "u",
    );
    return (name) => expression.test(name);
  } catch (error) {
    throw new UsageError(`${pattern} is an invalid regex.`, { cause: error });
  }
}
