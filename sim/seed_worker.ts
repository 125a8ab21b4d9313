/** The other side of `SeedPool`: runs one seed for each message and answers with its summary. */
import { type MutantName, setMutant } from "../lib/mutants.ts";
import { simulate } from "./simulate.ts";
import { type SeedSummary, summarize } from "./seed_summary.ts";
import { workloads } from "./workloads/all.ts";

/** What a worker is asked to do. */
export interface SeedTask {
  readonly seed: string;
  readonly workload: string;
  readonly mutant: MutantName | null;
}

/** What TypeScript's library for pages does not say of workers. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<SeedTask>) => void) | null;
  postMessage(summary: SeedSummary): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = async ({ data: { seed, workload: name, mutant } }) => {
  const workload = workloads.find((each) => each.name === name);
  if (workload === undefined) throw new RangeError(`No workload "${name}"`);
  setMutant(mutant);
  scope.postMessage(summarize(await simulate({ seed, workload })));
};
