/**
 * `deno task test`: every test that needs only Deno.
 *
 * Two runs: the actor tests without any permission, which proves that they touch nothing real, then all
 * others with what they need. The last line is `N passed, N failed` over both. Arguments (paths, `--filter`)
 * are passed on to one run with permissions.
 */

import { type Finished, report, ROOT, runDeno, type Tally } from "./run.ts";

const DEADLINE_MS = 10 * 60_000;
const ACTOR_TESTS = "tests/actors";
/** What `deno test` would find and is no test of this task; `--ignore` takes the place of deno.json's list. */
const NOT_OURS = ["tests/interop", ".cache", "data"];

/** What the tests with IO may do: any file, loopback sockets, and this Deno as a child. */
const PERMISSIONS = [
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys",
  "--allow-net=127.0.0.1,localhost,[::1]",
  `--allow-run=${Deno.execPath()}`,
];

/** Reads the summary line of `deno test`; a run without one (a type error, a crash) is one failure. */
export function countTests(run: Finished): Tally & { ignored: number } {
  const lines = [...run.text.matchAll(/^(?:ok|FAILED) \| .*$/gm)];
  const line = lines.at(-1)?.[0];
  if (line === undefined) return { passed: 0, failed: 1, ignored: 0 };
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0);
  const failed = count("failed");
  return {
    passed: count("passed"),
    failed: run.code !== 0 ? Math.max(1, failed) : failed,
    ignored: count("ignored"),
  };
}

function hasTests(folder: string): boolean {
  try {
    return Array.from(Deno.readDirSync(ROOT + folder)).some((entry) =>
      entry.isDirectory ? hasTests(`${folder}/${entry.name}`) : entry.name.endsWith("_test.ts")
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function main(args: readonly string[]): Promise<number> {
  const frozen = Deno.env.get("CI") === undefined ? [] : ["--frozen"];
  const runs: string[][] = [];
  if (args.length > 0) runs.push([...PERMISSIONS, ...args]);
  else {
    if (hasTests(ACTOR_TESTS)) runs.push(["--no-prompt", ACTOR_TESTS]);
    runs.push([...PERMISSIONS, "--no-prompt", `--ignore=${[ACTOR_TESTS, ...NOT_OURS].join(",")}`]);
  }
  const total = { passed: 0, failed: 0, ignored: 0 };
  for (const run of runs) {
    const counted = countTests(await runDeno(["test", ...frozen, ...run], { deadlineMs: DEADLINE_MS }));
    total.passed += counted.passed;
    total.failed += counted.failed;
    total.ignored += counted.ignored;
  }
  if (total.ignored > 0) console.log(`${total.ignored} ignored`);
  return report(total);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
