/**
 * One run: a seed makes a world, a workload lives in it, first among faults, then in peace, and everything that must
 * hold is judged. The same seed and workload give the same run, to the last event.
 */
import type { Env } from "../lib/env.ts";
import { silentLogger } from "../lib/log.ts";
import { FAMILY } from "../storage/keys/keyspace.ts";
import { partitionOfKey } from "../storage/keys/partition.ts";
import { PartitionLog } from "../storage/partition_log.ts";
import { BROKER_ALIAS, BrokerService, KAFKA_PORT, openBrokerStore } from "./broker_service.ts";
import { check } from "./checker/check.ts";
import { HistoryBuilder } from "./checker/history.ts";
import { HEADER, type Header, type HistoryLine } from "./checker/history_format.ts";
import { type Profile, profiles } from "./checker/profile.ts";
import { renderReport } from "./checker/render_report.ts";
import { Damage, type DamagedBatch, falseDamage } from "./damage.ts";
import { FaultLog } from "./fault_log.ts";
import { generationViolations } from "./generation_check.ts";
import { HistoryRecorder } from "./history_recorder.ts";
import { NemesisAtWork } from "./nemesis.ts";
import { SimNetwork } from "./network.ts";
import { SimProcess } from "./process.ts";
import { ReplyCodes } from "./reply_codes.ts";
import { Rng } from "./rng.ts";
import { Scheduler } from "./scheduler.ts";
import { SimDisk } from "./sim_files.ts";
import { SimStore } from "./sim_kv.ts";
import { StoreExchange } from "./store_exchange.ts";
import { checkRestingStore, StoreInvariants, unfinishedDeletions } from "./store_invariants.ts";
import {
  calmNet,
  describeSwarm,
  drawSwarm,
  noDiskFaults,
  noKvFaults,
  noProcessFaults,
  type Swarm,
} from "./swarm.ts";
import { Trace } from "./trace.ts";
import type { ClientProcess, Workload, WorkloadContext, WorkloadProfile } from "./workloads/workload.ts";

/** A seed that does less than this has not been hard; it goes on until it has. */
const STEP_COUNT_MIN = 5_000;
const FAULT_KIND_COUNT_MIN = 3;
/** Virtual time and steps after which a world that does not come to rest is called stuck. */
const FAULT_MS_MAX = 600_000;
const CONVERGE_MS_MAX = 900_000;
const STEP_COUNT_MAX = 1_500_000;
/** A broker process whose fence was taken has ended by then, once nothing disturbs it any more. */
const DEPOSED_MS_MAX = 15_000;
/** Removals of files are over by then. */
const REMOVALS_MS = 1_000;
/** Commits of dead processes may come so late. */
const LATE_COMMITS_MS = 100_000;

export interface SimulateOptions {
  readonly seed: string;
  readonly workload: Workload;
  /** Gets the story, line by line. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** With every step of it. */
  readonly tellsSteps?: boolean | undefined;
}

export interface RunResult {
  readonly seed: string;
  readonly workload: string;
  readonly swarm: Swarm;
  readonly stepCount: number;
  readonly virtualMs: number;
  readonly traceHash: string;
  readonly recordCount: number;
  readonly faults: FaultLog;
  /** What was broken, for people; null when nothing was. */
  readonly violation: string | null;
  readonly history: { readonly header: Header; readonly lines: readonly HistoryLine[] };
  /** The last events before the end, oldest first. */
  readonly tail: (count: number) => readonly string[];
}

/** Runs a seed to its end. Never rejects because of what it finds: that is in the result. */
export async function simulate(options: SimulateOptions): Promise<RunResult> {
  const world = new World(options);
  const violation = await world.run();
  return world.result(violation);
}

class World {
  readonly #options: SimulateOptions;
  readonly #rng: Rng;
  readonly #swarm: Swarm;
  readonly #scheduler: Scheduler;
  readonly #faultLog = new FaultLog();
  readonly #network: SimNetwork;
  readonly #store: SimStore;
  readonly #disk = new SimDisk();
  readonly #replyCodes = new ReplyCodes();
  readonly #damage: Damage;
  readonly #exchange: StoreExchange;
  readonly #brokers: BrokerService;
  readonly #nemesis: NemesisAtWork;
  readonly #history: HistoryRecorder;
  readonly #clients: { readonly process: SimProcess; readonly mayDie: boolean }[] = [];
  readonly #processCounts = new Map<string, number>();
  readonly #profile: WorkloadProfile;
  readonly #header: Header;
  #isHealed = false;
  #lines: readonly HistoryLine[] = [];
  /** What could not be read when the workload ended. */
  #damaged: readonly DamagedBatch[] = [];

  constructor(options: SimulateOptions) {
    const { seed, workload } = options;
    this.#options = options;
    this.#rng = new Rng(`${workload.name}/${seed}`);
    const split = (purpose: string) => this.#rng.split(purpose);
    this.#swarm = drawSwarm(split("swarm"));
    this.#profile = workload.profileFor(split("profile"));
    const { onLine, tellsSteps } = options;
    this.#scheduler = new Scheduler(split("scheduler"), new Trace({ onLine, tellsSteps }));
    this.#scheduler.trace.note(0, "world", `is ${describeSwarm(this.#swarm)}`);
    this.#store = new SimStore(this.#swarm.profile, split("store"));
    const invariants = new StoreInvariants(this.#store, this.#disk);
    this.#disk.onRemove = (path) => invariants.checkRemoval(path);
    this.#store.onApplied = (writer, changes) => {
      try {
        invariants.check(writer, changes);
      } catch (error) {
        this.#scheduler.fail(error as Error);
      }
    };
    this.#network = new SimNetwork({
      scheduler: this.#scheduler,
      rng: split("network"),
      faultLog: this.#faultLog,
      faults: () => this.#isHealed ? calmNet(this.#swarm.net) : this.#swarm.net,
    });
    this.#brokers = new BrokerService({
      scheduler: this.#scheduler,
      network: this.#network,
      rng: split("brokers"),
      store: this.#store,
      replyCodes: this.#replyCodes,
      swarm: this.#swarm,
      openProcess: (name, hostname) => this.#openProcess(name, hostname),
    });
    this.#damage = new Damage({
      scheduler: this.#scheduler,
      rng: split("damage"),
      faultLog: this.#faultLog,
      store: this.#store,
      disk: this.#disk,
      keepsBatches: workload.readsAroundDamage === true,
    });
    this.#exchange = new StoreExchange({
      scheduler: this.#scheduler,
      rng: split("exchange"),
      faultLog: this.#faultLog,
      store: this.#store,
      brokers: this.#brokers,
    });
    this.#nemesis = new NemesisAtWork({
      scheduler: this.#scheduler,
      network: this.#network,
      rng: split("nemesis"),
      swarm: this.#swarm,
      faultLog: this.#faultLog,
      brokers: this.#brokers,
      store: this.#store,
      damage: this.#damage,
      exchange: this.#exchange,
      disk: this.#disk,
      mortals: () =>
        this.#clients.filter((each) => each.mayDie && each.process.state !== "dead").map((c) => c.process),
      clientHostnames: () =>
        this.#clients.filter((c) => c.process.state !== "dead").map((c) => c.process.hostname),
    });
    this.#history = new HistoryRecorder(
      () => this.#scheduler.nowMs,
      (process, what) => this.#scheduler.tell(process, what),
    );
    this.#header = {
      ...HEADER,
      profile: this.#profile,
      finalReads: true,
      about: `${workload.name}, seed ${seed}`,
    };
  }

  async run(): Promise<string | null> {
    const unhandled = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      this.#scheduler.fail(new Error(`unhandled rejection: ${String(event.reason?.stack ?? event.reason)}`));
    };
    globalThis.addEventListener("unhandledrejection", unhandled);
    try {
      return await this.#live() ?? this.#judge();
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    } finally {
      globalThis.removeEventListener("unhandledrejection", unhandled);
      this.#brokers.stop();
      for (const { process } of this.#clients) process.kill("the run ends");
    }
  }

  result(violation: string | null): RunResult {
    const { seed, workload } = this.#options;
    return {
      seed,
      workload: workload.name,
      swarm: this.#swarm,
      stepCount: this.#scheduler.stepCount,
      virtualMs: this.#scheduler.nowMs,
      traceHash: this.#scheduler.trace.hash,
      recordCount: countSends(this.#lines),
      faults: this.#faultLog,
      violation,
      history: { header: this.#header, lines: this.#lines },
      tail: (count) => this.#scheduler.trace.tail(count),
    };
  }

  /** Both phases; a text when the world got stuck. */
  async #live(): Promise<string | null> {
    const healed = Promise.withResolvers<void>();
    let isDone = false;
    this.#brokers.start();
    this.#nemesis.start();
    this.#options.workload.run(this.#context(healed.promise), this.#profile).then(
      () => isDone = true,
      (error) => this.#scheduler.fail(error instanceof Error ? error : new Error(String(error))),
    );
    const { faultMs } = this.#swarm;
    await this.#step(
      FAULT_MS_MAX,
      () =>
        this.#scheduler.nowMs >= faultMs && this.#scheduler.stepCount >= STEP_COUNT_MIN &&
        this.#faultLog.kinds.length >= FAULT_KIND_COUNT_MIN,
    );
    this.#heal();
    healed.resolve();
    const end = await this.#step(CONVERGE_MS_MAX, () => isDone);
    this.#lines = [...this.#history.lines(), this.#replies()];
    this.#damaged = this.#damage.batches();
    if (end !== "done") return `Liveness: after healing the clients did not finish (${end})`;
    if (await this.#step(DEPOSED_MS_MAX, () => this.#brokers.deposedCount === 0) !== "done") {
      return "Liveness: a broker process whose fence was taken goes on serving";
    }
    const deletions = await this.#step(CONVERGE_MS_MAX, () => unfinishedDeletions(this.#store).length === 0);
    if (deletions !== "done") {
      return `Liveness: deletions did not end (${deletions}): ${unfinishedDeletions(this.#store).join(", ")}`;
    }
    this.#damage.repairAll();
    await this.#reopenEverything();
    return null;
  }

  /** A line of its own for what was answered, whoever asked. */
  #replies(): HistoryLine {
    const { nowMs } = this.#scheduler;
    const replies = this.#replyCodes.pairs;
    return { type: "ok", process: "brokers", invokeMs: nowMs, completeMs: nowMs, micro: [], replies };
  }

  #step(patienceMs: number, until: () => boolean) {
    const { nowMs } = this.#scheduler;
    return this.#scheduler.run({ until, deadlineMs: nowMs + patienceMs, stepCountMax: STEP_COUNT_MAX });
  }

  #heal(): void {
    this.#scheduler.tell("world", "heals");
    this.#isHealed = true;
    this.#nemesis.stop();
    this.#store.awayUntilMs = 0;
    this.#store.fullUntilMs = 0;
    this.#disk.fullUntilMs = 0;
    this.#exchange.end();
    this.#damage.heal();
    this.#network.unblockAll();
    this.#brokers.heal();
  }

  /** As a fresh process would after a crash of everything: opens all logs and reads them to their ends. */
  async #reopenEverything(): Promise<void> {
    this.#brokers.stop();
    await this.#step(LATE_COMMITS_MS, () => false);
    const process = this.#openProcess("inspector", "inspector");
    let isDone = false;
    this.#readAllLogs(process.env).then(
      () => isDone = true,
      (error) => this.#scheduler.fail(error instanceof Error ? error : new Error(String(error))),
    );
    await this.#step(CONVERGE_MS_MAX, () => isDone);
    process.kill("the run ends");
  }

  async #readAllLogs(env: Env): Promise<void> {
    const { shards } = await openBrokerStore({
      env,
      log: silentLogger,
      swarm: this.#swarm,
      incarnation: env.uuid(),
    });
    const heads = this.#store.rows().filter(({ key }) => key[0] === FAMILY.partition && key[3] === "h");
    for (const { topicId, partition } of heads.map(({ key }) => partitionOfKey(key))) {
      const log = await PartitionLog.open(shards, topicId, partition);
      const { logStartOffset, logEndOffset } = log.head;
      await log.read(logStartOffset, { maxBytes: Infinity, minOneBatch: true, upTo: logEndOffset });
    }
    // Files that nothing names any more are removed behind the openings' backs.
    await env.sleep(REMOVALS_MS);
  }

  #judge(): string | null {
    checkRestingStore(this.#store, this.#disk);
    const builder = new HistoryBuilder(this.#header);
    for (const line of this.#lines) builder.add(line);
    const report = check(builder.build(), this.#promised());
    if (!report.valid) return renderReport(report);
    const refused = falseDamage(this.#lines, this.#damaged);
    if (refused !== null) return refused;
    const [generation] = generationViolations(this.#lines);
    return generation ?? null;
  }

  /** The profile to judge by, less what this world does not promise. */
  #promised(): Profile {
    const profile: Profile = profiles[this.#profile];
    const { readsEverything } = this.#options.workload;
    return {
      ...profile,
      // A broker that another has deposed may answer ListOffsets from memory: no strong read in this shape.
      strongListOffsets: this.#swarm.nemesis.replaced === undefined,
      overrides: readsEverything ? profile.overrides : { ...profile.overrides, unseen: "off" },
    };
  }

  #context(healed: Promise<void>): WorkloadContext {
    const driver = this.#openProcess("driver", "driver");
    return {
      bootstrapServers: `${BROKER_ALIAS}:${KAFKA_PORT}`,
      env: driver.env,
      rng: this.#rng.split("workload"),
      history: this.#history,
      openProcess: (name, { mayDie }) => this.#openClient(name, mayDie),
      faultsGoOn: () => !this.#isHealed,
      healed,
    };
  }

  #openClient(name: string, mayDie: boolean): ClientProcess {
    const process = this.#openProcess(name, `host-${name}`);
    const died = Promise.withResolvers<void>();
    process.onDeath = () => died.resolve();
    this.#clients.push({ process, mayDie });
    return {
      name: process.name,
      env: process.env,
      died: died.promise,
      get isAlive() {
        return process.state !== "dead";
      },
    };
  }

  #openProcess(name: string, hostname: string): SimProcess {
    const serial = (this.#processCounts.get(name) ?? 0) + 1;
    this.#processCounts.set(name, serial);
    const unique = `${name}-${serial}`;
    const isWorld = name === "driver" || name === "inspector";
    return new SimProcess({
      name: unique,
      hostname,
      scheduler: this.#scheduler,
      network: this.#network,
      rng: this.#rng.split(`process ${unique}`),
      faultLog: this.#faultLog,
      disk: this.#disk,
      storeAt: () => this.#store,
      kvFaults: () => this.#isHealed ? noKvFaults : this.#swarm.kv,
      diskFaults: () => this.#isHealed || isWorld ? noDiskFaults : this.#swarm.disk,
      processFaults: () => this.#isHealed || isWorld ? noProcessFaults : this.#swarm.process,
    });
  }
}

function countSends(lines: readonly HistoryLine[]): number {
  let count = 0;
  for (const line of lines) {
    if (line.kind !== undefined && line.kind !== "op") continue;
    for (const micro of line.micro) if (micro[0] === "send") count++;
  }
  return count;
}
