/**
 * One rule of groups that needs generations: when a member of generation g has committed, no commit of an older
 * generation that begins later may succeed. Pure.
 */
import type { HistoryLine } from "./checker/history_format.ts";

/** One text for each violation. */
export function generationViolations(lines: readonly HistoryLine[]): string[] {
  const violations: string[] = [];
  const commits = lines.flatMap((line) => line.kind === "commit" && line.type === "ok" ? [line] : []);
  for (const commit of commits) {
    const newer = commits.find((other) =>
      other.group === commit.group && other.generation > commit.generation &&
      other.completeMs < commit.invokeMs
    );
    if (newer === undefined) continue;
    violations.push(
      `Group ${commit.group}: ${commit.process} committed ${JSON.stringify(commit.offsets)} in generation ` +
        `${commit.generation} although ${newer.process} had committed in generation ${newer.generation} before`,
    );
  }
  return violations;
}
