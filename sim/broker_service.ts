/**
 * Keeps one broker running, as an init system would: starts it, starts it again when it dies, and lets faults stop it
 * and put a second process beside it. What it starts is the real broker: store, actors, Kafka listener.
 */
import { LocalBroker } from "../actors/local_broker.ts";
import { serverConfigReader } from "../core/config/broker_configs.ts";
import type { Env } from "../lib/env.ts";
import type { LogFields, Logger } from "../lib/log.ts";
import { KafkaServer } from "../net/kafka_server.ts";
import { openDataDirectory, openStoreMeta } from "../storage/data_directory.ts";
import { DenoKvStorage } from "../storage/deno_kv.ts";
import { FenceWatch } from "../storage/fence_watch.ts";
import { SegmentStore } from "../storage/segments.ts";
import { ShardStore } from "../storage/shard.ts";
import { checkIdentity, readIdentity, startCountOf, writeIdentity } from "../storage/store_identity.ts";
import type { SimNetwork } from "./network.ts";
import type { SimProcess } from "./process.ts";
import type { ReplyCodes } from "./reply_codes.ts";
import type { Rng } from "./rng.ts";
import type { Scheduler } from "./scheduler.ts";
import { DATA_DIRECTORY } from "./sim_files.ts";
import type { SimStore, StoredRow } from "./sim_kv.ts";
import type { Swarm } from "./swarm.ts";

/** The name under which clients find whichever broker process listens last. */
export const BROKER_ALIAS = "kafka";
export const KAFKA_PORT = 9092;
const BROKER_ID = 1;
/** So that what takes minutes elsewhere happens often enough. */
const BROKER_CONFIG: ReadonlyMap<string, string> = new Map([
  ["group.initial.rebalance.delay.ms", "100"],
  ["log.retention.check.interval.ms", "2000"],
  ["log.cleaner.backoff.ms", "1500"],
]);
/** After a start that failed or a death, until the next start. */
const RESTART_MS_MAX = 4_000;

export interface BrokerServiceOptions {
  readonly scheduler: Scheduler;
  readonly network: SimNetwork;
  readonly rng: Rng;
  readonly swarm: Swarm;
  readonly store: SimStore;
  readonly replyCodes: ReplyCodes;
  readonly openProcess: (name: string, hostname: string) => SimProcess;
}

export class BrokerService {
  readonly #options: BrokerServiceOptions;
  #current: SimProcess | null = null;
  /** Stopped or deposed, and not dead yet. */
  #zombies: SimProcess[] = [];
  #hostSerial = 0;
  #isServing = false;
  #isStopped = false;
  /** Told of each process that serves, with what was stored when it began. */
  onServing: (storedBefore: readonly StoredRow[]) => void = () => {};

  constructor(options: BrokerServiceOptions) {
    this.#options = options;
  }

  /** The process that is to serve; null between two lives. */
  get current(): SimProcess | null {
    return this.#current;
  }

  get hostnames(): string[] {
    return [this.#current, ...this.#zombies].flatMap((process) => process === null ? [] : [process.hostname]);
  }

  start(): void {
    this.#start(this.#hostname());
  }

  /** Processes whose fence was taken and that have not ended yet. */
  get deposedCount(): number {
    return this.#zombies.length;
  }

  /** Starts a second process while the first stands still, which later wakes and must end itself. False when there is no first. */
  replace(stoppedMs: number): boolean {
    const old = this.#current;
    // One that still starts would take the broker fence from its successor when it goes on.
    if (old === null || old.state !== "running" || !this.#isServing) return false;
    const { scheduler } = this.#options;
    old.pause();
    old.onDeath = () => this.#zombies = this.#zombies.filter((each) => each !== old);
    this.#zombies.push(old);
    this.#current = null;
    scheduler.schedule(stoppedMs, null, "the stopped broker goes on", () => old.resume());
    this.#start(this.#hostname());
    return true;
  }

  /** No more faults: one process, and beside it only those that will find out that they are deposed. */
  heal(): void {
    this.#current?.killAtCall(Infinity);
    for (const process of [...this.#zombies, this.#current]) {
      process?.resume();
      // Producers' timestamps lie an hour ahead of a clock that was set back, and would be refused for ever, as Kafka does.
      process?.setWallClock();
    }
  }

  /** For good. */
  stop(): void {
    this.#isStopped = true;
    for (const process of [this.#current, ...this.#zombies]) process?.kill("the run ends");
  }

  #hostname(): string {
    return `node-${++this.#hostSerial}`;
  }

  #start(hostname: string): void {
    if (this.#isStopped) return;
    const { scheduler, rng, openProcess } = this.#options;
    const process = openProcess("broker", hostname);
    this.#current = process;
    this.#isServing = false;
    process.onDeath = () => {
      if (this.#current !== process) return;
      this.#current = null;
      scheduler.schedule(
        rng.logBetween(20, RESTART_MS_MAX),
        null,
        "broker starts",
        () => this.#start(hostname),
      );
    };
    this.#serve(process).catch((error: unknown) => {
      scheduler.tell(process.name, "cannot start:", String(error));
      process.kill("start failed");
    });
  }

  async #serve(process: SimProcess): Promise<void> {
    const { network, swarm, store } = this.#options;
    const { env } = process;
    const storedBefore = [...store.rows()];
    const log = this.#logger(process.name);
    const incarnation = env.uuid();
    const { shards, clusterId } = await openBrokerStore({ env, log, swarm, incarnation });
    const config = serverConfigReader(BROKER_CONFIG);
    const broker = new LocalBroker({
      env,
      log,
      shards,
      brokerId: BROKER_ID,
      rack: null,
      clusterId,
      incarnation,
      config,
    });
    const listener = await env.listen({ hostname: process.hostname, port: KAFKA_PORT });
    await broker.start({ host: process.hostname, port: listener.port });
    const server = new KafkaServer({
      broker,
      listener,
      frameBytesMax: Number(config("socket.request.max.bytes")),
      connectionIdleMsMax: Number(config("connections.max.idle.ms")),
      onAnswer: (apiKey, response) => this.#options.replyCodes.add(apiKey, response),
    });
    server.start();
    new FenceWatch({
      env,
      shards,
      intervalMs: Number(config("broker.heartbeat.interval.ms")),
      onLost: () => process.kill("its fence was taken"),
    }).start();
    if (process.state === "dead") return;
    network.aliases.set(BROKER_ALIAS, process.hostname);
    this.#isServing = true;
    this.onServing(storedBefore);
    this.#options.scheduler.tell(process.name, "serves");
  }

  /** The log goes into the story; a broken invariant ends the run. */
  #logger(name: string): Logger {
    const { scheduler } = this.#options;
    const write = (level: string) => (message: string, fields: LogFields = {}) => {
      if (level === "debug" && !scheduler.trace.isTold) return;
      const text = `${message} ${JSON.stringify(fields)}`;
      if (level !== "debug") scheduler.tell(name, `log ${level}:`, text);
      if (text.includes("InvariantError")) scheduler.fail(new InvariantBrokenError(`${name}: ${text}`));
    };
    return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
  }
}

/** A broker process found a bug in itself. */
export class InvariantBrokenError extends Error {
  override readonly name = "InvariantBrokenError";
}

export interface OpenBrokerStoreOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly swarm: Swarm;
  readonly incarnation: string;
}

/**
 * As `openStore` does for an embedded store, but with the seed's limits; a remote store has no directory to lock and no
 * segment files.
 */
export async function openBrokerStore(
  { env, log, swarm, incarnation }: OpenBrokerStoreOptions,
): Promise<{ readonly shards: ShardStore; readonly clusterId: string }> {
  const { profile, limits, deadlineMs } = swarm;
  const directory = profile === "remote" ? null : await openDataDirectory({ env, path: DATA_DIRECTORY });
  const storage = await DenoKvStorage.open({
    env,
    path: directory?.kvPath ?? "http://store",
    limits,
    deadlineMs,
  });
  const { clusterId, storeId } = await openStoreMeta({ env, storage });
  const options = { storage, env, log, brokerId: BROKER_ID, incarnation, resolveMs: swarm.resolveMs };
  if (directory === null) return { shards: await ShardStore.open(options), clusterId };
  const identity = { clusterId, storeId, brokerId: BROKER_ID };
  const known = await readIdentity(env.files, DATA_DIRECTORY);
  const startCount = await startCountOf(storage, BROKER_ID);
  checkIdentity(DATA_DIRECTORY, known, { ...identity, startCount });
  const segments = new SegmentStore({
    files: env.files,
    log,
    path: directory.segmentsPath,
    ...swarm.segments,
  });
  const shards = await ShardStore.open({ ...options, segments });
  await writeIdentity(env.files, DATA_DIRECTORY, { ...identity, startCount: shards.startCount });
  return { shards, clusterId };
}
