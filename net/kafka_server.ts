/** The Kafka listener: accepts connections up to a bound, closes idle ones, drains at shutdown. */
import type { Broker } from "../actors/broker.ts";
import { limits } from "../core/config/limits.ts";
import type { Cancel, Conn, Listener } from "../lib/env.ts";
import { ByteBudget } from "../actors/runtime/byte_budget.ts";
import { KafkaConnection } from "./kafka_connection.ts";
import { LogLimiter } from "./log_limiter.ts";

export interface KafkaServerOptions {
  readonly broker: Broker;
  readonly listener: Listener;
  readonly frameBytesMax: number;
  readonly connectionIdleMsMax: number;
  /** For whoever judges the broker: each answer with its API. */
  readonly onAnswer?: (apiKey: number, response: unknown) => void;
}

/** Long polls and joins may still be waiting; their clients reconnect. */
const DRAIN_MS = 300;
/** How often idle connections are looked for. */
const SWEEP_MS_MAX = 30_000;

export class KafkaServer {
  readonly #options: KafkaServerOptions;
  readonly #connections = new Set<KafkaConnection>();
  readonly #countByAddress = new Map<string, number>();
  /** Over the quota of their address, to be closed soon. */
  readonly #held = new Set<Conn>();
  readonly #requestBytes = new ByteBudget(limits.inFlightRequestBytesMax);
  readonly #logLimiter = new LogLimiter(limits.badRequestLogLinesPerSecondMax);
  #cancelSweep: Cancel | null = null;
  #accepting: Promise<void> | null = null;

  constructor(options: KafkaServerOptions) {
    this.#options = options;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  start(): void {
    this.#accepting = this.#acceptLoop();
    this.#armSweep();
  }

  /** Stops accepting, answers what was read, closes everything; parked requests are cut off at the deadline. */
  async drain(deadlineMs = DRAIN_MS): Promise<void> {
    this.#options.listener.close();
    this.#cancelSweep?.();
    for (const conn of this.#held) conn.close();
    await Promise.all([...this.#connections].map((connection) => connection.drain(deadlineMs)));
    await this.#accepting;
  }

  async #acceptLoop(): Promise<void> {
    const { listener, broker } = this.#options;
    for (;;) {
      let conn: Conn | null;
      try {
        conn = await listener.accept();
      } catch (error) {
        // For example too many open files: the next accept may work again.
        broker.log.warn("Cannot accept a connection", { error: String(error) });
        await broker.env.sleep(100);
        continue;
      }
      if (conn === null) return;
      this.#serve(conn);
    }
  }

  #serve(conn: Conn): void {
    const { broker, frameBytesMax } = this.#options;
    const address = addressOf(conn);
    const setting = (name: string) => Number(broker.config(name));
    const countMax = Math.min(limits.connectionsMax, setting("max.connections"));
    const isFull = this.#connections.size >= countMax ||
      (this.#countByAddress.get(address) ?? 0) >= setting("max.connections.per.ip");
    if (isFull) {
      broker.log.warn("Connection refused: too many are open", {
        client: conn.remoteAddress,
        open: this.#connections.size,
      });
      conn.close();
      return;
    }
    const throttleMs = broker.quotas.recordConnection(address, broker.env.mono());
    if (throttleMs > 0) {
      this.#hold(conn, throttleMs);
      return;
    }
    const connection = new KafkaConnection({
      broker,
      conn,
      frameBytesMax,
      requestCountMax: limits.inFlightRequestsPerConnectionMax,
      replyBytesMax: limits.queuedReplyBytesPerConnectionMax,
      requestBytes: this.#requestBytes,
      logLimiter: this.#logLimiter,
      onAnswer: this.#options.onAnswer,
    });
    this.#connections.add(connection);
    this.#count(address, 1);
    void connection.serve().finally(() => {
      this.#connections.delete(connection);
      this.#count(address, -1);
    });
  }

  #count(address: string, change: number): void {
    const count = (this.#countByAddress.get(address) ?? 0) + change;
    if (count > 0) this.#countByAddress.set(address, count);
    else this.#countByAddress.delete(address);
  }

  /** As in Kafka, so that a client over its quota of connections does not come again at once. */
  #hold(conn: Conn, throttleMs: number): void {
    if (this.#held.size >= limits.throttledConnectionsMax) return conn.close();
    this.#held.add(conn);
    this.#options.broker.env.timer(Math.min(throttleMs, limits.throttledConnectionMsMax), () => {
      this.#held.delete(conn);
      conn.close();
    });
  }

  #armSweep(): void {
    const { broker, connectionIdleMsMax } = this.#options;
    this.#cancelSweep = broker.env.timer(Math.min(SWEEP_MS_MAX, connectionIdleMsMax), () => {
      const now = broker.env.mono();
      for (const connection of this.#connections) {
        const idleSinceMs = connection.idleSinceMs();
        if (idleSinceMs !== null && now - idleSinceMs >= connectionIdleMsMax) connection.close();
      }
      this.#armSweep();
    });
  }
}

/** Without the port, and without the brackets of IPv6. */
function addressOf({ remoteAddress }: Conn): string {
  return remoteAddress.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}
