/** The simulator by its own standards: the same seed twice is the same run, seeds pass, planted faults are found. */
import assert from "node:assert/strict";
import { setMutant } from "../lib/mutants.ts";
import { keptFailures } from "./kept_failures.ts";
import { mutantCases } from "./mutants.ts";
import { type RunResult, simulate } from "./simulate.ts";
import { workloads } from "./workloads/all.ts";
import type { Workload } from "./workloads/workload.ts";

/** With those that failed once, some ten seconds of an idle machine. */
const SEEDS_PER_WORKLOAD = 5;
const RECORD_COUNT_MIN = 200;

function workloadNamed(name: string): Workload {
  const found = workloads.find((workload) => workload.name === name);
  assert.ok(found !== undefined, `no workload "${name}"`);
  return found;
}

function assertSound(result: RunResult): void {
  const { seed, workload, violation } = result;
  assert.equal(
    violation,
    null,
    `replay: deno task sim --seed ${seed} --workload ${workload} --trace\n${violation}`,
  );
}

Deno.test("the same seed gives the same run, to the last event", async () => {
  for (const workload of workloads) {
    const stories: string[][] = [[], []];
    const hashes: string[] = [];
    for (const story of stories) {
      const onLine = (line: string) => story.push(line);
      const result = await simulate({ seed: "4", workload, onLine, tellsSteps: true });
      hashes.push(result.traceHash);
    }
    assert.deepEqual(stories[0], stories[1], workload.name);
    assert.equal(hashes[0], hashes[1], workload.name);
    const other = await simulate({ seed: "5", workload });
    assert.notEqual(other.traceHash, hashes[0], workload.name);
  }
});

Deno.test("a run is told as a story: its world, what clients did, what went wrong, and not every step", async () => {
  const story: string[] = [];
  const { stepCount } = await simulate({
    seed: "4",
    workload: workloadNamed("produce-consume"),
    onLine: (line) => story.push(line),
  });
  const text = story.join("\n");
  assert.match(
    story[0] ?? "",
    /^ +0\.000000 {2}world +is an? (embedded|remote) store, .*; faults go on for \d+ s/,
  );
  for (
    const part of [
      /broker-1 +serves/,
      /producer-\d-1 +ok send orders\/\d \d+ at \d+/,
      /consumer-\d-\d+ +ok poll orders\/\d \d+-\d+/,
      /world +nemesis: /,
      /dies: /,
      /world +heals/,
      /driver|reader-orders-1 +ok assign/,
    ]
  ) assert.match(text, part);
  for (const noise of [/kv (get|list|commit)/, /bytes arrive/, /timer/, /wakes/]) {
    assert.doesNotMatch(text, noise);
  }
  assert.ok(story.length < stepCount / 3, `${story.length} lines of ${stepCount} steps`);
});

for (const workload of workloads) {
  Deno.test(`${workload.name}: ${SEEDS_PER_WORKLOAD} seeds keep every promise, each among many faults`, async () => {
    for (let seed = 1; seed <= SEEDS_PER_WORKLOAD; seed++) {
      const result = await simulate({ seed: String(seed), workload });
      assertSound(result);
      assert.ok(result.stepCount >= 5_000, `seed ${seed}: ${result.stepCount} steps`);
      assert.ok(result.recordCount >= RECORD_COUNT_MIN, `seed ${seed}: ${result.recordCount} records`);
      assert.ok(result.faults.kinds.length >= 3, `seed ${seed}: ${result.faults.kinds}`);
    }
  });
}

Deno.test("seeds that failed once pass", async () => {
  for (const { seed, workload } of await keptFailures()) {
    assertSound(await simulate({ seed, workload: workloadNamed(workload) }));
  }
});

for (const { name, about, workload, firstSeed, seedCountMax, isSlow } of mutantCases) {
  Deno.test({
    name: `mutant ${name} is found within ${seedCountMax} seeds: ${about}`,
    // The long ones: deno task sim --mutant NAME.
    ignore: isSlow,
    async fn() {
      setMutant(name);
      try {
        for (let seed = firstSeed; seed < firstSeed + seedCountMax; seed++) {
          const result = await simulate({ seed: String(seed), workload: workloadNamed(workload) });
          if (result.violation !== null) return;
        }
      } finally {
        setMutant(null);
      }
      assert.fail(`${name} was not found in ${seedCountMax} seeds`);
    },
  });
}
