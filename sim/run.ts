/**
 * `deno task sim`: runs seeds, prints what they covered and found, and keeps every failing one as a test case.
 *
 * ```
 * deno task sim --seeds 300                 seeds 1 to 300, the workloads in turn
 * deno task sim --seeds 300 --from 5000     seeds 5000 to 5299
 * deno task sim --seed 17 --workload group-churn --trace     one run as a story
 * deno task sim --mutant no-head-check      how many seeds it takes to find a planted fault
 * deno task sim --history FILE --seed 17    the history of one run, for the checker
 * ```
 * Exit codes: 0 nothing was found (or the mutant was), 1 a violation (or the mutant was not found), 2 a wrong argument.
 */
import { parseArgs } from "node:util";
import { setMutant } from "../lib/mutants.ts";
import { writeHistory } from "./checker/history.ts";
import { FaultLog, FAULTS } from "./fault_log.ts";
import { keepFailure } from "./kept_failures.ts";
import { type MutantCase, mutantCases } from "./mutants.ts";
import { type RunResult, simulate } from "./simulate.ts";
import { workloads } from "./workloads/all.ts";
import type { Workload } from "./workloads/workload.ts";

const SEED_COUNT_DEFAULT = 100;
const PROGRESS_EVERY = 50;
/** One in so many seeds runs twice, and must be the same both times. */
const REPEAT_EVERY = 100;
const STORY_TAIL_LINES = 40;

interface Options {
  readonly seeds: readonly string[];
  readonly workloads: readonly Workload[];
  readonly mutant: MutantCase | null;
  readonly isTold: boolean;
  readonly historyPath: string | null;
}

class ArgumentError extends Error {
  override readonly name = "ArgumentError";
}

function parse(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: "string" },
      seed: { type: "string" },
      from: { type: "string" },
      workload: { type: "string" },
      mutant: { type: "string" },
      history: { type: "string" },
      trace: { type: "boolean" },
    },
  });
  const mutant = values.mutant === undefined ? null : named(mutantCases, values.mutant, "mutant");
  const wanted = values.workload ?? mutant?.workload;
  const count = wholeNumber("--seeds", values.seeds ?? String(mutant?.seedCountMax ?? SEED_COUNT_DEFAULT));
  const from = wholeNumber("--from", values.from ?? String(mutant?.firstSeed ?? 1));
  const isOne = values.seed !== undefined;
  if ((values.trace === true || values.history !== undefined) && !isOne) {
    throw new ArgumentError("--trace and --history need --seed S");
  }
  const chosen = wanted === undefined ? workloads : [named(workloads, wanted, "workload")];
  return {
    seeds: isOne ? [values.seed ?? ""] : Array.from({ length: count }, (_, i) => String(from + i)),
    workloads: chosen,
    mutant,
    isTold: values.trace === true,
    historyPath: values.history ?? null,
  };
}

function wholeNumber(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new ArgumentError(`Cannot use ${flag} "${text}": it is a whole number from 1 on`);
  }
  return value;
}

function named<T extends { readonly name: string }>(list: readonly T[], name: string, what: string): T {
  const found = list.find((each) => each.name === name);
  if (found !== undefined) return found;
  throw new ArgumentError(`No ${what} "${name}": there are ${list.map((each) => each.name).join(", ")}`);
}

/** Which workload a seed gets when none was named: they take turns. */
function workloadOf(options: Options, seed: string): Workload {
  const index = options.workloads.length === 1 ? 0 : Number(seed) % options.workloads.length;
  return options.workloads[index] ?? options.workloads[0] as Workload;
}

async function runAll(options: Options): Promise<number> {
  const faults = new FaultLog();
  const startedMs = performance.now();
  let stepCount = 0;
  let recordCount = 0;
  let runCount = 0;
  let failureCount = 0;
  for (const seed of options.seeds) {
    const workload = workloadOf(options, seed);
    const onLine = options.isTold ? (line: string) => console.log(line) : undefined;
    const result = await simulate({ seed, workload, onLine });
    runCount++;
    stepCount += result.stepCount;
    recordCount += result.recordCount;
    faults.addAll(result.faults);
    if (options.historyPath !== null) {
      await Deno.writeTextFile(
        options.historyPath,
        writeHistory(result.history.header, result.history.lines),
      );
    }
    if (result.violation !== null) {
      failureCount++;
      await tellFailure(result, options.mutant);
      if (options.mutant !== null) break;
    } else if (runCount % REPEAT_EVERY === 0) {
      const again = await simulate({ seed, workload });
      if (again.traceHash !== result.traceHash) {
        failureCount++;
        console.log(
          `seed ${seed} ${workload.name}: two runs differ: ${result.traceHash}, ${again.traceHash}`,
        );
      }
    }
    if (runCount % PROGRESS_EVERY === 0) {
      console.log(`${runCount} seeds, ${failureCount} failed, ${rates(runCount, stepCount, startedMs)}`);
    }
  }
  console.log(coverage(faults, runCount));
  console.log(
    `${runCount} seeds, ${stepCount} steps, ${recordCount} records, ${failureCount} failed; ` +
      rates(runCount, stepCount, startedMs),
  );
  return failureCount;
}

function rates(runCount: number, stepCount: number, startedMs: number): string {
  const seconds = (performance.now() - startedMs) / 1_000;
  return `${seconds.toFixed(1)} s, ${Math.round(runCount / seconds * 3_600)} seeds/h, ${
    Math.round(stepCount / seconds)
  } steps/s`;
}

async function tellFailure(result: RunResult, mutant: MutantCase | null): Promise<void> {
  const { seed, workload, violation, swarm, traceHash } = result;
  const flags = mutant === null ? "" : ` --mutant ${mutant.name}`;
  if (mutant === null) {
    console.log(result.tail.slice(-STORY_TAIL_LINES).join("\n"));
    await keepFailure({ seed, workload, violation: violation ?? "" });
  }
  console.log(`\nseed ${seed} ${workload} (${swarm.profile} store, trace ${traceHash}) FAILED\n${violation}`);
  console.log(`replay: deno task sim --seed ${seed} --workload ${workload}${flags} --trace\n`);
}

function coverage(faults: FaultLog, runCount: number): string {
  const lines = Object.entries(FAULTS).map(([kind, about]) => {
    const count = faults.of(kind as keyof typeof FAULTS);
    return `  ${kind.padEnd(22)} ${String(count).padStart(8)}  ${about}`;
  });
  return [`faults in ${runCount} seeds:`, ...lines].join("\n");
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = parse(Deno.args);
  } catch (error) {
    console.error(`sim: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  const { mutant } = options;
  if (mutant === null) return await runAll(options) === 0 ? 0 : 1;
  setMutant(mutant.name);
  const found = await runAll(options) > 0;
  console.log(`mutant ${mutant.name} (${mutant.about}): ${found ? "found" : "NOT FOUND"}`);
  return found ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
