/** Random histories of one log against a simple model; `KAVKA_LOG_RUNS=N` runs more of them, `KAVKA_LOG_SEED=S` others. */
import fc from "fast-check";
import { type Crash, LogUnderTest, type Operation, type Step } from "./log_model.ts";

const fraction = fc.double({ min: 0, max: 1, noNaN: true });

const spec = fc.record({
  key: fc.oneof({ weight: 12, arbitrary: fc.integer({ min: 0, max: 5 }) }, {
    weight: 1,
    arbitrary: fc.constant(null),
  }),
  valueBytes: fc.constantFrom(0, 3, 40, 40, 300, 900, 2_500, null),
});

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("append" as const),
      batches: fc.array(fc.array(spec, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 8 }),
      compression: fc.constantFrom("none" as const, "gzip" as const, "lz4" as const),
      producer: fc.constantFrom(0, 0, 0, 1, 2),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("end" as const),
      producer: fc.constantFrom(1, 2),
      committed: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("read" as const),
      at: fraction,
      maxBytes: fc.constantFrom(0, 500, 5_000, 1_000_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("search" as const), at: fraction }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("deleteRecords" as const), at: fraction }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("retention" as const),
      bytes: fc.constantFrom(-1, 0, 3_000, 20_000),
      ms: fc.constantFrom(-1, 0, 40, 1_000),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("compact" as const),
      steps: fc.constantFrom(2, 3, 4, 5, 6, 1_000, 1_001, 1_002),
      reads: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("pass" as const), ms: fc.constantFrom(100, 1_500) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("deleteTopic" as const) }) },
);

const step: fc.Arbitrary<Step> = fc.record({
  operation,
  crash: fc.option(
    fc.record({
      fate: fc.constantFrom<Crash>(
        "crash",
        "crashAfter",
        "throwAfter",
        "throwBefore",
        "refuse",
        "refuseAfter",
        "late",
      ),
      after: fc.integer({ min: 0, max: 6 }),
      losesPower: fc.boolean(),
    }),
    { nil: null, freq: 4 },
  ),
});

const RUNS = Number(runsAsked("KAVKA_LOG_RUNS") ?? 150);
const SEED = runsAsked("KAVKA_LOG_SEED");

function runsAsked(name: string): string | undefined {
  // `deno task test` gives no permission to look.
  return Deno.permissions.querySync({ name: "env", variable: name }).state === "granted"
    ? Deno.env.get(name)
    : undefined;
}

for (const usesDisk of [true, false]) {
  const where = usesDisk ? "with segment files" : "with all bytes in the store";
  Deno.test(`a log ${where} agrees with a model over appends, reads, retention, compaction, deletion and crashes`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 3, maxLength: 14, size: "max" }),
        fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
        async (steps, chances) => {
          await new LogUnderTest(() => chances.next().value ?? 0.5, usesDisk).run(steps);
        },
      ),
      { numRuns: RUNS, ...(SEED !== undefined && { seed: Number(SEED) }) },
    );
  });
}
