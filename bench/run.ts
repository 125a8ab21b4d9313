/**
 * `deno task bench [--vs kafka] [--vs kafka-fsync] [--rounds 3] [--mb 200] [--only REGEXP] [--long] [--json FILE]`: fixed workloads
 * against Kavka, and beside it against Apache Kafka 4.3.1 on the same machine (one KRaft node, 1 GB heap): as it comes, which
 * never syncs, and with `log.flush.interval.messages=1`, which syncs before it answers, as Kavka always does.
 *
 * The clients are librdkafka's (`librdkafka_produce.c`, built with gcc against the library in the confluent-kafka wheel) and Apache
 * Kafka's own ProducerPerformance and ConsumerPerformance, installed as for `deno task test:interop`. Rounds alternate between
 * the systems, after one to warm up; the table shows medians, their spread, and ratios of medians. `--long` adds what
 * takes minutes. The figures are also written as JSON.
 */
import { parseArgs } from "node:util";
import { prepare } from "../tests/interop/prepare.ts";
import { type Server, startServer } from "./servers.ts";
import { lifecycleWorkloads } from "./workloads/lifecycle.ts";
import { rawLimits } from "./workloads/raw.ts";
import { throughputWorkloads } from "./workloads/throughput.ts";
import { run, type Tools, type Workload } from "./workloads/workload.ts";

const SYSTEMS = ["kafka", "kafka-fsync"] as const;

interface Result {
  readonly name: string;
  readonly unit: string;
  /** By system, in the order of measurement. */
  readonly figures: Readonly<Record<string, readonly number[]>>;
}

class UsageError extends Error {
  override readonly name = "UsageError";
}

function parse(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      vs: { type: "string", multiple: true, default: [] },
      rounds: { type: "string", default: "3" },
      mb: { type: "string", default: "200" },
      only: { type: "string", default: "" },
      long: { type: "boolean", default: false },
      json: { type: "string", default: "bench.json" },
    },
  });
  const positive = (name: "rounds" | "mb") => {
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < 1) {
      throw new UsageError(`--${name} must be a whole number above 0`);
    }
    return number;
  };
  const unknown = values.vs.find((name) => !SYSTEMS.some((each) => each === name));
  if (unknown !== undefined) throw new UsageError(`--vs ${unknown}: choose from ${SYSTEMS.join(", ")}`);
  return {
    systems: ["kavka" as const, ...SYSTEMS.filter((each) => values.vs.includes(each))],
    rounds: positive("rounds"),
    megabytes: positive("mb"),
    only: new RegExp(values.only),
    isLong: values.long,
    json: values.json,
  };
}

type Options = ReturnType<typeof parse>;

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? NaN;
}

/** `147 (146..172)`. */
function summary(numbers: readonly number[]): string {
  const show = (number: number) => number.toFixed(number < 10 ? 2 : number < 100 ? 1 : 0);
  if (numbers.length < 2) return show(median(numbers));
  return `${show(median(numbers))} (${show(Math.min(...numbers))}..${show(Math.max(...numbers))})`;
}

function print({ name, unit, figures }: Result): void {
  const cells = Object.entries(figures).map(([system, numbers]) =>
    `${system} ${summary(numbers)}`.padEnd(36)
  );
  const [, ...others] = Object.entries(figures);
  const own = median(figures["kavka"] ?? []);
  const ratios = others.map(([system, numbers]) => `${(own / median(numbers)).toFixed(2)}x ${system}`);
  console.log(`${name.padEnd(58)} ${unit.padEnd(5)} ${cells.join(" ")} ${ratios.join("  ")}`.trimEnd());
}

/** One round to warm up every system, then the order turns with each round. */
async function measure(
  workload: Workload,
  servers: readonly Server[],
  tools: Tools,
  rounds: number,
): Promise<Result> {
  const figures = Object.fromEntries(servers.map(({ name }) => [name, [] as number[]]));
  const first = workload.once === true ? 1 : 0;
  const last = workload.once === true ? 1 : rounds;
  for (let round = first; round <= last; round++) {
    for (let i = 0; i < servers.length; i++) {
      const server = servers[(i + round) % servers.length] as Server;
      const figure = await workload.run(server, tools);
      if (round > 0) figures[server.name]?.push(figure);
    }
  }
  return { name: workload.name, unit: workload.unit, figures };
}

async function buildTools(directory: string, megabytes: number): Promise<Tools> {
  const { python, jars } = await prepare();
  const library = (await run(python, [
    "-c",
    "import confluent_kafka, glob, os; d = os.path.dirname(os.path.dirname(confluent_kafka.__file__));" +
    "print(glob.glob(d + '/confluent_kafka.libs/librdkafka*.so*')[0])",
  ])).trim();
  const librdkafkaProduce = `${directory}/produce`;
  const source = new URL("librdkafka_produce.c", import.meta.url).pathname;
  const rpath = `-Wl,-rpath,${library.slice(0, library.lastIndexOf("/"))}`;
  await run("gcc", ["-O2", "-o", librdkafkaProduce, source, library, rpath]);
  return { libs: jars, librdkafkaProduce, megabytes };
}

async function main(options: Options): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "kavka-bench-" });
  const servers: Server[] = [];
  const results: Result[] = [];
  const note = (result: Result) => {
    results.push(result);
    print(result);
  };
  try {
    const tools = await buildTools(directory, options.megabytes);
    for (const limit of rawLimits.filter(({ name }) => options.only.test(name))) {
      const figures: number[] = [];
      for (let round = 0; round < options.rounds; round++) figures.push(await limit.run());
      note({ name: limit.name, unit: "MB/s", figures: { machine: figures } });
    }
    for (const name of options.systems) {
      servers.push(await startServer(name, { libs: tools.libs, directory: `${directory}/${name}` }));
    }
    for (const workload of [...throughputWorkloads, ...lifecycleWorkloads]) {
      if (!options.only.test(workload.name) || (workload.long === true && !options.isLong)) continue;
      try {
        note(await measure(workload, servers, tools, options.rounds));
      } catch (error) {
        // One that does not work, on any of the systems, must not cost the figures of the others.
        console.error(`${workload.name}: ${error instanceof Error ? error.message : error}`);
      }
    }
    const memory = Deno.systemMemoryInfo().total;
    const machine = { processors: navigator.hardwareConcurrency, memory, deno: Deno.version.deno };
    Deno.writeTextFileSync(
      options.json,
      JSON.stringify({ machine, options: { ...options, only: options.only.source }, results }, null, 2) +
        "\n",
    );
    console.log(`written to ${options.json}`);
  } finally {
    for (const server of servers) await server.kill();
    Deno.removeSync(directory, { recursive: true });
  }
}

try {
  await main(parse(Deno.args));
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof TypeError && "code" in error)) throw error;
  console.error(`bench: ${error.message}`);
  Deno.exit(2);
}
