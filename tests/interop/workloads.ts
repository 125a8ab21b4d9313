/**
 * The simulator's workloads against a real server process, which is killed and stopped meanwhile, and so are clients; the same
 * checker judges what they noted. With WORKLOADS_CONTROL=1 Apache Kafka is the server, which must pass as well; left out there
 * are the workloads that need a log to lose records within seconds, since Kafka keeps a segment of at least 1 MB.
 *
 * WORKLOADS_SEED repeats what is drawn: plans, kinds of fault and the times between them; what falls together does not repeat.
 * WORKLOADS=name,name chooses. Faults go on for 12 s, for two minutes with KAVKA_INTEROP_LONG=1.
 */
import { Cluster } from "../../client/cluster.ts";
import { realEnv } from "../../env/real.ts";
import { findCoordinator } from "../../protocol/messages/10_find_coordinator.ts";
import { check } from "../../sim/checker/check.ts";
import { HistoryBuilder, writeHistory } from "../../sim/checker/history.ts";
import { HEADER, type Header, type HistoryLine } from "../../sim/checker/history_format.ts";
import { profiles } from "../../sim/checker/profile.ts";
import { renderReport } from "../../sim/checker/render_report.ts";
import { generationViolations } from "../../sim/generation_check.ts";
import { HistoryRecorder } from "../../sim/history_recorder.ts";
import { Rng } from "../../sim/rng.ts";
import { workloads as allWorkloads } from "../../sim/workloads/all.ts";
import type { Workload, WorkloadProfile } from "../../sim/workloads/workload.ts";
import { check as checked, finish, LONG } from "./clients/suite.ts";
import { MortalProcess } from "./workloads/mortal_process.ts";
import { ServerProcess } from "./workloads/server_process.ts";

const FAULT_MS = LONG ? 120_000 : 12_000;
/** After the last fault everybody must finish; the session of a dead member of the consumer protocol alone takes 45 s. */
const CONVERGE_MS_MAX = 240_000;
/** Between two faults. */
const PAUSE_MS = [500, 4_000] as const;
/** So many worlds at once, each with a server of its own. */
const WORLDS_AT_ONCE = 3;
const SENDS_MIN = 200;
const COORDINATOR_ATTEMPTS_MAX = 300;

const isControl = Deno.env.get("WORKLOADS_CONTROL") === "1";
const NOT_FOR_CONTROL: ReadonlySet<string> = new Set(["retention", "compaction"]);
const seed = Deno.env.get("WORKLOADS_SEED") ?? String(Math.floor(Math.random() * 1_000_000));

type Fault = "kill" | "stop" | "clientKill";

class World {
  readonly #workload: Workload;
  readonly #rng: Rng;
  readonly #server: ServerProcess;
  readonly #clients: MortalProcess[] = [];
  readonly #counts: Record<Fault, number> = { kill: 0, stop: 0, clientKill: 0 };
  readonly #history = new HistoryRecorder(() => performance.now());
  readonly #profile: WorkloadProfile;
  #isHealed = false;

  constructor(workload: Workload, server: ServerProcess) {
    this.#workload = workload;
    this.#server = server;
    this.#rng = new Rng(`${workload.name}/${seed}`);
    this.#profile = workload.profileFor(this.#rng.split("profile"));
  }

  /** Says what was done; throws what was broken. */
  async run(): Promise<string> {
    await this.#server.begin();
    await findCoordinators(this.#server.port);
    const healed = Promise.withResolvers<void>();
    let isDone = false;
    const driver = new MortalProcess("driver", false);
    const working = this.#workload.run({
      bootstrapServers: `127.0.0.1:${this.#server.port}`,
      env: driver.env,
      rng: this.#rng.split("workload"),
      history: this.#history,
      openProcess: (name, { mayDie }) => this.#open(name, mayDie),
      faultsGoOn: () => !this.#isHealed,
      healed: healed.promise,
    }, this.#profile).finally(() => isDone = true);
    // It may fail while nobody waits for it yet: whoever waits hears of it.
    working.catch(() => "told below");
    await this.#suffer(() => isDone);
    this.#isHealed = true;
    healed.resolve();
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error("After the last fault the clients did not finish")),
      CONVERGE_MS_MAX,
    );
    try {
      await Promise.race([working, late.promise]);
    } finally {
      clearTimeout(timer);
      for (const client of this.#clients) client.kill();
    }
    if (this.#server.fault !== null) throw new Error(this.#server.fault);
    return await this.#judge();
  }

  #open(name: string, mayDie: boolean): MortalProcess {
    const process = new MortalProcess(`${name}-${this.#clients.length}`, mayDie);
    this.#clients.push(process);
    return process;
  }

  /** One fault after the other, at least one of each kind. */
  async #suffer(isDone: () => boolean): Promise<void> {
    const rng = this.#rng.split("faults");
    const endMs = performance.now() + FAULT_MS;
    const due: Fault[] = ["kill", "stop", "clientKill"];
    while (performance.now() < endMs || due.length > 0) {
      await sleep(rng.between(...PAUSE_MS));
      if (isDone()) throw new Error("The workload ended although faults go on");
      await this.#do(due.pop() ?? rng.pick(["kill", "kill", "stop", "clientKill"] as const), rng);
    }
  }

  async #do(fault: Fault, rng: Rng): Promise<void> {
    switch (fault) {
      case "kill":
        await this.#server.kill();
        await sleep(rng.logBetween(10, 1_500));
        this.#server.start();
        break;
      case "stop":
        this.#server.pause();
        await sleep(rng.logBetween(50, 3_000));
        this.#server.resume();
        break;
      case "clientKill": {
        const mortals = this.#clients.filter((client) => client.mayDie && client.isAlive);
        if (mortals.length === 0) return;
        rng.pick(mortals).kill();
      }
    }
    this.#counts[fault]++;
  }

  async #judge(): Promise<string> {
    const lines = this.#history.lines();
    const header: Header = {
      ...HEADER,
      profile: this.#profile,
      finalReads: true,
      about: `${this.#workload.name} on ${isControl ? "Apache Kafka" : "Kavka"}, seed ${seed}`,
    };
    const builder = new HistoryBuilder(header);
    for (const line of lines) builder.add(line);
    const profile = profiles[this.#profile];
    const overrides = this.#workload.readsEverything
      ? profile.overrides
      : { ...profile.overrides, unseen: "off" as const };
    const report = check(builder.build(), { ...profile, overrides });
    const text = renderReport(report);
    console.log(text.trimEnd().split("\n").map((line) => `  ${line}`).join("\n"));
    const broken = report.valid ? generationViolations(lines)[0] : text;
    if (broken !== undefined) {
      const path = `${Deno.env.get("CACHE") ?? "."}/workload-${this.#workload.name}.jsonl`;
      await Deno.writeTextFile(path, writeHistory(header, lines));
      throw new Error(`The history is ${path}; ${broken}`);
    }
    const sendCount = countSends(lines);
    if (sendCount < SENDS_MIN) throw new Error(`Too easy: ${sendCount} records`);
    const { kill, stop, clientKill } = this.#counts;
    return `${sendCount} records, ${kill} x kill -9, ${stop} x SIGSTOP, ${clientKill} clients killed`;
  }
}

/** Kafka makes the topics of its coordinators when somebody asks for one; workloads that talk to the one broker there is do not. */
async function findCoordinators(port: number): Promise<void> {
  const cluster = new Cluster(realEnv(), { bootstrapServers: `127.0.0.1:${port}` });
  for (const keyType of [0, 1]) {
    for (let attempt = 0; attempt < COORDINATOR_ATTEMPTS_MAX; attempt++) {
      const request = { keyType, key: "", coordinatorKeys: ["any"] };
      const { coordinators } = await cluster.call(findCoordinator, request);
      if (coordinators[0]?.errorCode === 0) break;
      await sleep(100);
    }
  }
  cluster.close();
}

function countSends(lines: readonly HistoryLine[]): number {
  let count = 0;
  for (const line of lines) {
    if (line.kind !== undefined && line.kind !== "op") continue;
    count += line.micro.filter(([kind]) => kind === "send").length;
  }
  return count;
}

function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

async function live(workload: Workload): Promise<string> {
  const server = isControl
    ? await ServerProcess.apacheKafka(Deno.env.get("LIBS") ?? "")
    : await ServerProcess.kavka(JSON.parse(Deno.env.get("KAVKA_COMMAND") ?? "[]"));
  try {
    return await new World(workload, server).run();
  } finally {
    await server.remove();
  }
}

const wanted = Deno.env.get("WORKLOADS")?.split(",");
const left = allWorkloads.filter(({ name }) =>
  (wanted === undefined || wanted.includes(name)) && !(isControl && NOT_FOR_CONTROL.has(name))
);

async function runNext(): Promise<void> {
  for (let next = left.shift(); next !== undefined; next = left.shift()) {
    const workload = next;
    await checked(`workload ${workload.name}, seed ${seed}`, () => live(workload));
  }
}

await Promise.all(Array.from({ length: WORLDS_AT_ONCE }, runNext));
finish();
