/**
 * `deno task test:interop [SUITE …]`: other people's clients and programs against Kavka as a real process.
 *
 * Each suite is a script that prints `ok NAME` or `FAIL NAME: why`; the last line is `N passed, N failed`. Suites of
 * clients get a fresh server on free ports; the others start it themselves. With BOOTSTRAP set, the suites of
 * clients run against that address instead (Apache Kafka as the control) and the others are left out.
 */

import { report, ROOT, type Tally } from "../../tools/run.ts";
import { writeKcatResult } from "./clients/kcat.ts";
import { writeCompatibility } from "./clients/compatibility.ts";
import { endLeftovers } from "./leftovers.ts";
import {
  CACHE,
  DENOKV,
  KCAT_VERSION,
  prepare,
  prepareClients,
  prepareDenoKv,
  type Programs,
} from "./prepare.ts";

interface Suite {
  readonly name: string;
  readonly file: string;
  /** Who starts the server: the runner, or the suite itself. */
  readonly server: "runner" | "suite";
  readonly http?: boolean;
  /** It runs the client programs of clients/registry.ts. */
  readonly clients?: boolean;
  /** It runs denokv. */
  readonly denokv?: boolean;
  /** Whatever the suite sends, the server must log nothing of level ERROR. */
  readonly noErrors?: boolean;
  /** More flags for the runner's server. */
  readonly flags?: readonly string[];
}

/** Readers that are a group of their own would wait for other members, three seconds each. */
const AT_ONCE = ["--override", "group.initial.rebalance.delay.ms=0"];
/**
 * For suites whose records are years old: retention looks all the time, so that a topic that does not say that it keeps
 * them loses them at once, and not only when the suite takes longer than the five minutes between two looks.
 */
const RETAINING = ["--override", "log.retention.check.interval.ms=1000"];

const SUITES: readonly Suite[] = [
  { name: "quickstart", file: "quickstart.sh", server: "suite" },
  { name: "start", file: "start.py", server: "suite" },
  { name: "kafka_python", file: "kafka_python.py", server: "runner", flags: RETAINING },
  { name: "confluent", file: "confluent.py", server: "runner" },
  { name: "groups", file: "groups.py", server: "runner" },
  { name: "group_churn", file: "group_churn.py", server: "suite" },
  { name: "cli_equal", file: "cli_equal.py", server: "runner" },
  { name: "kcat", file: "kcat.sh", server: "runner" },
  { name: "java_tools", file: "java_tools.sh", server: "runner" },
  { name: "kafka_java_tools", file: "kafka_java_tools.sh", server: "runner" },
  { name: "clients", file: "clients.ts", server: "runner", clients: true, flags: [...AT_ONCE, ...RETAINING] },
  {
    name: "mixed_groups",
    file: "mixed_groups.ts",
    server: "runner",
    clients: true,
    flags: [...AT_ONCE, ...RETAINING],
  },
  {
    name: "copy_topic",
    file: "copy_topic.ts",
    server: "runner",
    clients: true,
    flags: [...AT_ONCE, ...RETAINING],
  },
  { name: "fuzz", file: "../fuzz/session.ts", server: "runner", noErrors: true },
  { name: "http_equal", file: "http_equal.py", server: "runner", http: true, flags: RETAINING },
  { name: "durable_streams", file: "durable_streams.py", server: "suite" },
  { name: "openapi", file: "openapi.py", server: "suite" },
  { name: "web_clients", file: "web_clients.py", server: "suite" },
  { name: "webhooks", file: "webhooks.py", server: "suite" },
  { name: "bad_input", file: "bad_input.py", server: "suite" },
  { name: "wire", file: "wire.ts", server: "runner", flags: [...AT_ONCE, ...RETAINING], noErrors: true },
  { name: "transaction_codes", file: "transaction_codes.ts", server: "runner", noErrors: true },
  { name: "kill9", file: "kill9.py", server: "suite" },
  { name: "share", file: "share.py", server: "suite" },
  { name: "share_java", file: "share_java.py", server: "suite" },
  { name: "faults", file: "faults.py", server: "suite" },
  { name: "workloads", file: "workloads.ts", server: "suite" },
  { name: "copy_job", file: "copy_job.py", server: "suite" },
  { name: "denokv", file: "denokv.ts", server: "suite", denokv: true },
];

const SUITE_DEADLINE_MS = (Deno.env.get("KAVKA_INTEROP_LONG") === "1" ? 180 : 12) * 60_000;
const READY_DEADLINE_MS = 30_000;

/** The command line of the task `start`, with this Deno instead of the word `deno`. */
async function serverCommand(): Promise<string[]> {
  const config = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)) as { tasks: Record<string, string> };
  const words = (config.tasks["start"] ?? "").split(" ");
  if (words[0] !== "deno") throw new Error('Cannot start the server: task "start" does not begin with deno');
  return [Deno.execPath(), ...words.slice(1)];
}

/** Calls `each` with every line of the stream. */
async function readLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>, each: (line: string) => void) {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(each);
  }
  if (rest !== "") each(rest);
}

/** A server on free ports with a data directory of its own. */
async function withServer<T>(
  suite: Suite,
  command: readonly string[],
  body: (addresses: { BOOTSTRAP: string; HTTP: string; SERVER_PID: string }) => Promise<T>,
): Promise<T> {
  const data = await Deno.makeTempDir({ prefix: "kavka-interop-" });
  const errors: string[] = [];
  const child = new Deno.Command(command[0] ?? "", {
    args: [
      ...command.slice(1),
      "--kafka",
      "127.0.0.1:0",
      "--http",
      "127.0.0.1:0",
      "--data",
      data,
      ...suite.flags ?? [],
    ],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const ready = Promise.withResolvers<{ BOOTSTRAP: string; HTTP: string }>();
  let kafka: string | undefined;
  let http: string | undefined;
  const output = readLines(child.stdout, (line) => {
    kafka ??= /^kavka: kafka listening on (\S+)$/.exec(line)?.[1];
    http ??= /^kavka: http listening on (\S+)$/.exec(line)?.[1];
    if (kafka !== undefined && http !== undefined) ready.resolve({ BOOTSTRAP: kafka, HTTP: http });
  });
  const log = readLines(child.stderr, (line) => errors.push(line));
  const late = setTimeout(
    () => ready.reject(new Error("Cannot start the server: not ready")),
    READY_DEADLINE_MS,
  );
  child.status.then(({ code }) =>
    ready.reject(new Error(`The server ended with code ${code}: ${errors.at(-1)}`))
  );
  try {
    const result = await body({ ...await ready.promise, SERVER_PID: String(child.pid) });
    const gone = await Promise.race([
      child.status.then(() => true),
      new Promise((done) => setTimeout(done, 0)),
    ]);
    if (gone === true) throw new Error(`The server ended during the suite: ${errors.at(-1)}`);
    const bad = suite.noErrors === true &&
      errors.find((line) => /^ {4}at |"level":"(ERROR|FATAL)"/.test(line));
    if (bad) throw new Error(`The server logged an error: ${bad.slice(0, 400)}`);
    return result;
  } finally {
    clearTimeout(late);
    const force = setTimeout(() => child.kill("SIGKILL"), 10_000);
    try {
      child.kill("SIGTERM");
    } catch {
      // It has ended already, which the caller hears of.
    }
    await Promise.all([child.status, output, log]);
    clearTimeout(force);
    await Deno.writeTextFile(`${CACHE}/${suite.name}.log`, errors.join("\n") + "\n");
    await Deno.remove(data, { recursive: true });
  }
}

/** Passed and failed, and which. */
interface Found extends Tally {
  readonly checks: Map<string, boolean>;
}

async function runSuite(suite: Suite, programs: Programs, env: Record<string, string>): Promise<Found> {
  const tally: Found = { passed: 0, failed: 0, checks: new Map() };
  const file = `${ROOT}tests/interop/${suite.file}`;
  const scratch = await Deno.makeTempDir({ prefix: "kavka-interop-" });
  const [program = "", ...args] = file.endsWith(".py")
    ? [programs.python, file]
    : file.endsWith(".ts")
    ? [Deno.execPath(), "run", "-A", file]
    : ["bash", file];
  const child = new Deno.Command(program, {
    args,
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    env: {
      ...env,
      CACHE,
      LIBS: programs.jars,
      LOGGING: programs.logging,
      TMPDIR: scratch,
      PYTHONDONTWRITEBYTECODE: "1",
    },
  }).spawn();
  const deadline = setTimeout(() => child.kill("SIGKILL"), SUITE_DEADLINE_MS);
  await readLines(child.stdout, (line) => {
    console.log(line);
    if (line.startsWith("ok ")) tally.passed++;
    else if (line.startsWith("FAIL ")) tally.failed++;
    else return;
    tally.checks.set(line.slice(line.indexOf(" ") + 1), line.startsWith("ok "));
  });
  const { code } = await child.status;
  clearTimeout(deadline);
  for (const left of await endLeftovers(scratch)) {
    console.log(`FAIL ${suite.name}: it left a program running: ${left.slice(0, 200)}`);
    tally.failed++;
  }
  await Deno.remove(scratch, { recursive: true });
  if (tally.failed === 0 && (code !== 0 || tally.passed === 0)) {
    console.log(`FAIL ${suite.name}: the suite ended with code ${code} after ${tally.passed} checks`);
    tally.failed++;
  }
  return tally;
}

/** Begins at once and lets others go on meanwhile; who asks for it later waits for its end, or hears its error. */
function begun(work: () => Promise<void>): () => Promise<void> {
  const settled = work().then(() => undefined, (error: unknown) => error);
  return async () => {
    const error = await settled;
    if (error !== undefined) throw error;
  };
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown !== undefined) {
    console.error(`Unknown suite "${unknown}": choose from ${SUITES.map((suite) => suite.name).join(", ")}`);
    return 2;
  }
  const total: Tally = { passed: 0, failed: 0 };
  let programs: Programs;
  try {
    programs = await prepare();
  } catch (error) {
    console.log(`FAIL prepare: ${error instanceof Error ? error.message : error}`);
    return report({ passed: 0, failed: 1 });
  }
  const wanted = SUITES.filter((suite) => names.length === 0 || names.includes(suite.name));
  const clientPrograms = begun(
    wanted.some((suite) => suite.clients === true) ? prepareClients : async () => {},
  );
  const denokv = begun(wanted.some((suite) => suite.denokv === true) ? prepareDenoKv : async () => {});
  const command = await serverCommand();
  const outside = Deno.env.get("BOOTSTRAP");
  const ran: string[] = [];
  for (const suite of wanted) {
    if (outside !== undefined && (suite.server === "suite" || suite.http === true)) continue;
    console.log(`== ${suite.name}`);
    ran.push(suite.name);
    try {
      if (suite.clients === true) await clientPrograms();
      if (suite.denokv === true) await denokv();
      const env = { KAVKA_COMMAND: JSON.stringify(command), DENOKV, KCAT_VERSION };
      const tally = suite.server === "suite" || outside !== undefined
        ? await runSuite(suite, programs, env)
        : await withServer(suite, command, (at) => runSuite(suite, programs, { ...env, ...at }));
      if (suite.name === "kcat") await writeKcatResult(tally.checks);
      total.passed += tally.passed;
      total.failed += tally.failed;
    } catch (error) {
      console.log(`FAIL ${suite.name}: ${error instanceof Error ? error.message : error}`);
      total.failed++;
    }
  }
  if (ran.includes("clients") || ran.includes("kcat")) {
    try {
      await writeCompatibility(Deno.env.get("KAVKA_INTEROP_LONG") === "1" && outside === undefined);
    } catch (error) {
      console.log(`FAIL compatibility: ${error instanceof Error ? error.message : error}`);
      total.failed++;
    }
  }
  return report(total);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
