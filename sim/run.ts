/**
 * `deno task sim`: runs seeds on all cores, prints what they covered and found, and keeps every failing one as a test case.
 *
 * ```
 * deno task sim --seeds 300                 seeds 1 to 300, the workloads in turn
 * deno task sim --seeds 300 --from 5000     seeds 5000 to 5299
 * deno task sim --seeds 300 --jobs 1        on one core
 * deno task sim --seed 17 --workload group-churn --trace     one run as a story
 * deno task sim --seed 17 --workload group-churn --steps     the same with every step
 * deno task sim --mutant no-head-check      how many seeds it takes to find a planted fault
 * deno task sim --mutants                   the same for all of them, as a table
 * deno task sim --history FILE --seed 17    the history of one run, for the checker
 * ```
 * The last line is `N passed, N failed`. Exit codes: 0 nothing was found (or every mutant was), 1 a violation (or a mutant
 * was not found), 2 a wrong argument.
 */
import { parseArgs } from "node:util";
import { setMutant } from "../lib/mutants.ts";
import { writeHistory } from "./checker/history.ts";
import { Coverage } from "./coverage.ts";
import { keepFailure } from "./kept_failures.ts";
import { type MutantCase, mutantCases } from "./mutants.ts";
import { SeedPool } from "./seed_pool.ts";
import { type SeedSummary, summarize } from "./seed_summary.ts";
import type { SeedTask } from "./seed_worker.ts";
import { simulate } from "./simulate.ts";
import { workloads } from "./workloads/all.ts";
import type { Workload } from "./workloads/workload.ts";

const SEED_COUNT_DEFAULT = 100;
const PROGRESS_EVERY = 50;
/** One in so many seeds runs twice, and must be the same both times. */
const REPEAT_EVERY = 100;
/** A run of so many seeds must have met every kind of fault. */
const SEEDS_FOR_FULL_COVERAGE = 300;
const JOBS_MAX = 64;

interface Options {
  readonly seeds: readonly string[];
  readonly workloads: readonly Workload[];
  readonly mutants: readonly MutantCase[];
  readonly jobCount: number;
  readonly isOne: boolean;
  readonly isTold: boolean;
  readonly tellsSteps: boolean;
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
      mutants: { type: "boolean" },
      jobs: { type: "string" },
      history: { type: "string" },
      trace: { type: "boolean" },
      steps: { type: "boolean" },
    },
  });
  const one = values.mutant === undefined ? null : named(mutantCases, values.mutant, "mutant");
  const mutants = one !== null ? [one] : values.mutants === true ? mutantCases : [];
  const isOne = values.seed !== undefined;
  const isTold = values.trace === true || values.steps === true;
  if ((isTold || values.history !== undefined) && !isOne) {
    throw new ArgumentError("--trace, --steps and --history need --seed S");
  }
  if (isOne && mutants.length > 1) {
    throw new ArgumentError("--mutants runs seeds of its own: leave out --seed");
  }
  const wanted = values.workload ?? one?.workload;
  const count = wholeNumber("--seeds", values.seeds ?? String(one?.seedCountMax ?? SEED_COUNT_DEFAULT));
  const from = wholeNumber("--from", values.from ?? String(one?.firstSeed ?? 1));
  const jobCount = wholeNumber("--jobs", values.jobs ?? String(navigator.hardwareConcurrency));
  if (jobCount > JOBS_MAX) throw new ArgumentError(`Cannot use --jobs "${jobCount}": at most ${JOBS_MAX}`);
  return {
    seeds: isOne ? [values.seed ?? ""] : Array.from({ length: count }, (_, i) => String(from + i)),
    workloads: wanted === undefined ? workloads : [named(workloads, wanted, "workload")],
    mutants,
    jobCount,
    isOne,
    isTold,
    tellsSteps: values.steps === true,
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

/** One seed, in this very process. Returns how many failed. */
async function runOne(options: Options, seed: string): Promise<number> {
  const [mutant = null] = options.mutants;
  setMutant(mutant?.name ?? null);
  const onLine = options.isTold ? (line: string) => console.log(line) : undefined;
  const { tellsSteps } = options;
  const result = await simulate({ seed, workload: workloadOf(options, seed), onLine, tellsSteps });
  const summary = summarize(result);
  if (options.historyPath !== null) {
    await keepHistory(options.historyPath, writeHistory(result.history.header, result.history.lines));
  }
  const coverage = new Coverage();
  coverage.add(summary);
  if (summary.violation !== null) await tellFailure(summary, summary.violation, mutant);
  console.log(coverage.table());
  console.log(
    `seed ${seed} ${summary.workload}: ${summary.profile} store, ${summary.stepCount} steps, ` +
      `${summary.recordCount} records, ${(summary.virtualMs / 1_000).toFixed(1)} s of virtual time, ` +
      `trace ${summary.traceHash}`,
  );
  return summary.violation === null ? 0 : 1;
}

async function keepHistory(path: string, text: string): Promise<void> {
  try {
    await Deno.writeTextFile(path, text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ArgumentError(`Cannot write history "${path}": ${reason}`, { cause });
  }
}

/** All seeds. Returns how many failed. */
async function runAll(options: Options): Promise<number> {
  const pool = new SeedPool(Math.min(options.jobCount, options.seeds.length));
  const coverage = new Coverage();
  const startedMs = performance.now();
  let failureCount = 0;
  let next = 0;
  async function runNext(): Promise<void> {
    while (next < options.seeds.length) {
      const index = next++;
      const seed = options.seeds[index] ?? "";
      const task: SeedTask = { seed, workload: workloadOf(options, seed).name, mutant: null };
      const isRepeated = index % REPEAT_EVERY === 0;
      const [first, again] = isRepeated ? await pool.runTwice(task) : [await pool.run(task), null];
      const why = first.violation ?? difference(first, again) ?? tooEasy(first);
      if (why !== null) {
        failureCount++;
        await tellFailure(first, why, null);
      }
      coverage.add(first);
      if (coverage.seedCount % PROGRESS_EVERY === 0) {
        console.log(
          `${coverage.seedCount} seeds, ${failureCount} failed, ${
            coverage.rates(performance.now() - startedMs)
          }`,
        );
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: pool.workerCount }, runNext));
  } finally {
    pool.close();
  }
  console.log(coverage.table());
  const isFull = options.seeds.length >= SEEDS_FOR_FULL_COVERAGE && options.workloads.length > 1;
  if (isFull && coverage.missing.length > 0) {
    failureCount++;
    console.log(`FAILED: no seed met these faults: ${coverage.missing.join(", ")}`);
  }
  console.log(
    `${coverage.total(failureCount)}; ${
      coverage.rates(performance.now() - startedMs)
    } on ${pool.workerCount} workers`,
  );
  return failureCount;
}

function difference(first: SeedSummary, again: SeedSummary | null): string | null {
  if (again === null || again.traceHash === first.traceHash) return null;
  return `Two runs differ: trace ${first.traceHash} and ${again.traceHash}`;
}

/** What a seed must have been through. */
function tooEasy({ stepCount, recordCount, faults }: SeedSummary): string | null {
  if (stepCount >= 5_000 && recordCount >= 200 && faults.length >= 3) return null;
  return `Too easy: ${stepCount} steps, ${recordCount} records, ${faults.length} kinds of fault`;
}

async function tellFailure(
  summary: SeedSummary,
  violation: string,
  mutant: MutantCase | null,
): Promise<void> {
  const { seed, workload, profile, traceHash, tail } = summary;
  const flags = mutant === null ? "" : ` --mutant ${mutant.name}`;
  if (mutant === null) {
    console.log(tail.join("\n"));
    await keepFailure({ seed, workload, violation });
  }
  console.log(`\nseed ${seed} ${workload} (${profile} store, trace ${traceHash}) FAILED\n${violation}`);
  console.log(`replay: deno task sim --seed ${seed} --workload ${workload}${flags} --trace\n`);
}

/** Runs seeds until one finds the mutant; the number of seeds it took, or null. The same whatever the number of workers. */
async function seedsToFind(options: Options, pool: SeedPool, mutant: MutantCase): Promise<number | null> {
  const isAlone = options.mutants.length === 1;
  const seeds = isAlone
    ? options.seeds
    : Array.from({ length: mutant.seedCountMax }, (_, i) => String(mutant.firstSeed + i));
  let next = 0;
  let found: number | null = null;
  async function runNext(): Promise<void> {
    while (next < seeds.length && found === null) {
      const index = next++;
      const seed = seeds[index] ?? "";
      const summary = await pool.run({ seed, workload: mutant.workload, mutant: mutant.name });
      if (summary.violation === null || (found !== null && found < index)) continue;
      found = index;
      if (isAlone) await tellFailure(summary, summary.violation, mutant);
    }
  }
  await Promise.all(Array.from({ length: pool.workerCount }, runNext));
  return found === null ? null : found + 1;
}

/** Prints a line for each mutant. Returns how many were not found. */
async function runMutants(options: Options): Promise<number> {
  const pool = new SeedPool(options.jobCount);
  let missedCount = 0;
  console.log(
    "| mutant | workload | from seed | seeds until found | at most |\n| --- | --- | --- | --- | --- |",
  );
  try {
    for (const mutant of options.mutants) {
      const count = await seedsToFind(options, pool, mutant);
      if (count === null) missedCount++;
      console.log(
        `| ${mutant.name} | ${mutant.workload} | ${mutant.firstSeed} | ${
          count ?? "NOT FOUND"
        } | ${mutant.seedCountMax} |`,
      );
    }
  } finally {
    pool.close();
  }
  return missedCount;
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = parse(Deno.args);
  } catch (error) {
    console.error(`sim: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  try {
    return await run(options);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    console.error(`sim: ${error.message}`);
    return 2;
  }
}

async function run(options: Options): Promise<number> {
  const [only] = options.seeds;
  const [mutant] = options.mutants;
  if (options.isOne && only !== undefined) {
    const failureCount = await runOne(options, only);
    if (mutant !== undefined) {
      console.log(`mutant ${mutant.name}: ${failureCount > 0 ? "found" : "NOT FOUND"}`);
    }
    const isGood = mutant === undefined ? failureCount === 0 : failureCount > 0;
    console.log(isGood ? "1 passed, 0 failed" : "0 passed, 1 failed");
    return isGood ? 0 : 1;
  }
  const isHunt = mutant !== undefined;
  const count = isHunt ? options.mutants.length : options.seeds.length;
  const failureCount = Math.min(count, isHunt ? await runMutants(options) : await runAll(options));
  console.log(`${count - failureCount} passed, ${failureCount} failed`);
  return failureCount === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
