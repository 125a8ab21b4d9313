/** Does to the world what the seed's swarm says, each kind at its own random times, until told to stop. */
import type { BrokerService } from "./broker_service.ts";
import type { Damage } from "./damage.ts";
import type { FaultLog } from "./fault_log.ts";
import type { SimNetwork } from "./network.ts";
import type { SimProcess } from "./process.ts";
import type { Rng } from "./rng.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimDisk } from "./sim_files.ts";
import type { SimStore } from "./sim_kv.ts";
import type { StoreExchange } from "./store_exchange.ts";
import type { NemesisKind, Swarm } from "./swarm.ts";

export interface NemesisOptions {
  readonly scheduler: Scheduler;
  readonly network: SimNetwork;
  readonly rng: Rng;
  readonly swarm: Swarm;
  readonly faultLog: FaultLog;
  readonly brokers: BrokerService;
  readonly store: SimStore;
  readonly damage: Damage;
  readonly exchange: StoreExchange;
  readonly disk: SimDisk;
  /** Client processes that may be killed now. */
  readonly mortals: () => readonly SimProcess[];
  readonly clientHostnames: () => readonly string[];
}

/** A crash in the middle of a step comes within so many calls. */
const CALLS_UNTIL_CRASH_MAX = 80;
const CLOCK_JUMP_MS_MAX = 3_600_000;

export class NemesisAtWork {
  readonly #options: NemesisOptions;
  readonly #deeds: Readonly<Record<NemesisKind, () => void>>;
  #isOver = false;

  constructor(options: NemesisOptions) {
    this.#options = options;
    const { rng, brokers, faultLog } = options;
    const withBroker = (deed: (broker: SimProcess) => void) => () => {
      const broker = brokers.current;
      if (broker?.state === "running") deed(broker);
    };
    this.#deeds = {
      crash: withBroker((broker) => {
        faultLog.count("crash");
        broker.kill("killed");
      }),
      crashAtCall: withBroker((broker) => broker.killAtCall(rng.int(CALLS_UNTIL_CRASH_MAX))),
      replaced: withBroker(() => {
        if (brokers.replace(rng.logBetween(100, 20_000))) {
          faultLog.count("replaced");
        }
      }),
      paused: withBroker((broker) => {
        faultLog.count("paused");
        broker.pause();
        options.scheduler.schedule(rng.logBetween(50, 30_000), null, "SIGCONT", () => broker.resume());
      }),
      clientCrash: () => {
        const mortals = options.mortals();
        if (mortals.length === 0) return;
        faultLog.count("clientCrash");
        rng.pick(mortals).kill("killed");
      },
      clientPaused: () => {
        const mortals = options.mortals().filter((process) => process.state === "running");
        if (mortals.length === 0) return;
        faultLog.count("clientPaused");
        const client = rng.pick(mortals);
        client.pause();
        options.scheduler.schedule(rng.logBetween(100, 60_000), null, "SIGCONT", () => client.resume());
      },
      clockJump: withBroker((broker) => {
        faultLog.count("clockJump");
        broker.jumpWallClock(rng.between(-CLOCK_JUMP_MS_MAX, CLOCK_JUMP_MS_MAX));
      }),
      partition: () => this.#partition(true),
      oneWayPartition: () => this.#partition(false),
      cut: () => {
        if (options.network.cutSome()) faultLog.count("cut");
      },
      kvOutage: () => {
        faultLog.count("kvOutage");
        options.store.awayUntilMs = options.scheduler.nowMs + rng.logBetween(50, 20_000);
      },
      diskFull: () => {
        faultLog.count("diskFull");
        const untilMs = options.scheduler.nowMs + rng.logBetween(50, 20_000);
        options.disk.fullUntilMs = untilMs;
        options.store.fullUntilMs = untilMs;
      },
      bitFlip: () => options.damage.flip(),
      storeExchanged: () => options.exchange.begin(),
      powerLoss: () => {
        faultLog.count("powerLoss");
        brokers.current?.kill("power failure");
        if (options.disk.model.losePower(() => rng.next())) faultLog.count("powerLossTorn");
      },
    };
  }

  start(): void {
    for (const [kind, meanMs] of Object.entries(this.#options.swarm.nemesis)) {
      this.#arm(kind as NemesisKind, meanMs, true);
    }
  }

  stop(): void {
    this.#isOver = true;
  }

  #arm(kind: NemesisKind, meanMs: number, isFirst: boolean): void {
    const { scheduler, rng, swarm } = this.#options;
    const waitMs = isFirst
      ? rng.between(0, Math.min(meanMs, swarm.faultMs * 0.6))
      : -meanMs * Math.log(1 - rng.next());
    scheduler.schedule(waitMs, null, `nemesis: ${kind}`, () => {
      if (this.#isOver) return;
      this.#deeds[kind]();
      this.#arm(kind, meanMs, false);
    });
  }

  /** Between a broker and one client or all of them. */
  #partition(bothWays: boolean): void {
    const { network, rng, scheduler, faultLog, brokers, clientHostnames } = this.#options;
    const clients = clientHostnames();
    const hostnames = brokers.hostnames;
    if (clients.length === 0 || hostnames.length === 0) return;
    faultLog.count(bothWays ? "partition" : "oneWayPartition");
    const broker = rng.pick(hostnames);
    const chosen = rng.chance(0.4) ? clients : [rng.pick(clients)];
    const toBroker = rng.chance(0.5);
    for (const client of chosen) {
      if (bothWays || toBroker) network.block(client, broker);
      if (bothWays || !toBroker) network.block(broker, client);
    }
    scheduler.schedule(rng.logBetween(50, 30_000), null, "partition ends", () => {
      for (const client of chosen) {
        network.unblock(client, broker);
        network.unblock(broker, client);
      }
    });
  }
}
