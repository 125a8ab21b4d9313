/**
 * Seeds that failed once, kept as test cases for ever: `sim_test.ts` runs each of them. A seed's world changes when the
 * drawing of worlds changes; it stays a case like any other then.
 */
const FILE = new URL("./kept_failures.json", import.meta.url);

export interface KeptFailure {
  readonly seed: string;
  readonly workload: string;
  /** The first line of what was broken. */
  readonly violation: string;
}

export async function keptFailures(): Promise<KeptFailure[]> {
  return JSON.parse(await Deno.readTextFile(FILE)) as KeptFailure[];
}

/** Adds one, unless it is there already. */
export async function keepFailure(failure: KeptFailure): Promise<void> {
  const kept = await keptFailures();
  if (kept.some(({ seed, workload }) => seed === failure.seed && workload === failure.workload)) return;
  const violation = failure.violation.split("\n", 1)[0] ?? "";
  const all = [...kept, { ...failure, violation }];
  await Deno.writeTextFile(FILE, JSON.stringify(all, null, 2) + "\n");
}
