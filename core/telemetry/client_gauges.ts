/**
 * The newest numbers that clients told of themselves (KIP-714), bounded by clients and by numbers: the boundary between what
 * strangers push and what whoever watches the broker reads.
 */
import type { MetricPoint } from "../../protocol/telemetry/otlp_metrics.ts";

/** Who pushed. */
export interface TelemetryClient {
  /** UUID, given by a broker. */
  readonly clientInstanceId: string;
  readonly clientId: string;
  readonly softwareName: string;
  readonly softwareVersion: string;
  /** Without the port. */
  readonly sourceAddress: string;
  readonly sourcePort: number;
}

export interface ClientGauge {
  readonly name: string;
  readonly attributes: MetricPoint["attributes"];
  readonly value: number;
}

export interface ClientGaugesSnapshot {
  readonly clients: readonly { readonly client: TelemetryClient; readonly gauges: readonly ClientGauge[] }[];
  /** Numbers that were not kept since the start, because there were too many. */
  readonly droppedCount: number;
}

export interface ClientGaugesOptions {
  readonly clientsMax: number;
  readonly gaugesPerClientMax: number;
  readonly gaugesMax: number;
}

interface Entry {
  client: TelemetryClient;
  readonly gauges: Map<string, ClientGauge>;
  expiresMonoMs: number;
}

export class ClientGauges {
  readonly #options: ClientGaugesOptions;
  /** Least recently pushed first. */
  readonly #entries = new Map<string, Entry>();
  #gaugeCount = 0;
  #droppedCount = 0;

  constructor(options: ClientGaugesOptions) {
    this.#options = options;
  }

  /** Takes a client's numbers; they are forgotten at `expiresMonoMs` unless it pushes again. */
  record(client: TelemetryClient, points: readonly MetricPoint[], expiresMonoMs: number): void {
    const { clientInstanceId } = client;
    const known = this.#entries.get(clientInstanceId);
    const entry = known ?? { client, gauges: new Map<string, ClientGauge>(), expiresMonoMs };
    entry.client = client;
    entry.expiresMonoMs = expiresMonoMs;
    this.#entries.delete(clientInstanceId);
    this.#entries.set(clientInstanceId, entry);
    for (const point of points) this.#put(entry, point);
    if (this.#entries.size <= this.#options.clientsMax) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.forget(oldest);
  }

  forget(clientInstanceId: string): void {
    const entry = this.#entries.get(clientInstanceId);
    if (entry === undefined) return;
    this.#gaugeCount -= entry.gauges.size;
    this.#entries.delete(clientInstanceId);
  }

  snapshot(nowMonoMs: number): ClientGaugesSnapshot {
    for (const [clientInstanceId, entry] of this.#entries) {
      if (entry.expiresMonoMs <= nowMonoMs) this.forget(clientInstanceId);
    }
    const clients = Array.from(
      this.#entries.values(),
      ({ client, gauges }) => ({ client, gauges: [...gauges.values()] }),
    );
    return { clients, droppedCount: this.#droppedCount };
  }

  #put({ gauges }: Entry, { name, attributes, value, isDelta }: MetricPoint): void {
    const key = JSON.stringify([name, attributes]);
    const before = gauges.get(key);
    const { gaugesPerClientMax, gaugesMax } = this.#options;
    if (before === undefined) {
      if (gauges.size >= gaugesPerClientMax || this.#gaugeCount >= gaugesMax) {
        this.#droppedCount += 1;
        return;
      }
      this.#gaugeCount += 1;
    }
    gauges.set(key, { name, attributes, value: isDelta ? (before?.value ?? 0) + value : value });
  }
}
