/**
 * Byte streams between simulated processes, with what TCP does to them: delay, pieces of any size, short writes, back-
 * pressure, resets at any byte, peers that never learn of one, links that carry nothing in one direction. Bytes that
 * arrive do so in order and undamaged; TCP and the batch CRC see to that in the real world.
 */
import type { Conn, Listener } from "../lib/env.ts";
import type { FaultLog } from "./fault_log.ts";
import type { Rng } from "./rng.ts";
import type { EventOwner, Scheduler } from "./scheduler.ts";
import type { NetFaults } from "./swarm.ts";

/** Bytes between writer and reader before a write waits. */
const WINDOW_BYTES = 64 * 1024;
/** An attempt to connect through a dead link ends after this. */
const CONNECT_GIVEN_UP_MS = 20_000;
const PIECES_MAX = 4;
const EPHEMERAL_PORT_FIRST = 40_000;

export interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly rng: Rng;
  readonly faultLog: FaultLog;
  readonly faults: () => NetFaults;
}

/** Where a process stands in the network. */
export interface NetworkHost {
  readonly owner: EventOwner;
  readonly hostname: string;
  /** A call that the process makes; false when it is dead, or dies by it. */
  readonly enter: () => boolean;
}

export class SimNetwork {
  readonly options: NetworkOptions;
  readonly #listeners = new Map<string, SimListener>();
  readonly #conns = new Set<SimConn>();
  /** `from>to` of links that carry nothing. */
  readonly #blocked = new Set<string>();
  /** Names that stand for a host, as a name server would have them. */
  readonly aliases = new Map<string, string>();
  #nextPort = EPHEMERAL_PORT_FIRST;

  constructor(options: NetworkOptions) {
    this.options = options;
  }

  get openConnCount(): number {
    return this.#conns.size;
  }

  isBlocked(from: string, to: string): boolean {
    return this.#blocked.has(`${from}>${to}`);
  }

  /** Nothing passes from one host to the other until `unblock`; TCP keeps it and sends it then. */
  block(from: string, to: string): void {
    this.#blocked.add(`${from}>${to}`);
  }

  unblock(from: string, to: string): void {
    this.#blocked.delete(`${from}>${to}`);
    for (const conn of this.#conns) conn.flush();
  }

  unblockAll(): void {
    this.#blocked.clear();
    for (const conn of this.#conns) conn.flush();
  }

  /** Breaks one connection somewhere in the middle of what is on its way. False when there is none. */
  cutSome(): boolean {
    const clients = [...this.#conns].filter((conn) => conn.isClient && conn.peer !== null);
    if (clients.length === 0) return false;
    const conn = this.options.rng.pick(clients);
    // One side may never be told.
    const told = this.options.rng.int(3);
    if (told !== 1) conn.cut();
    else conn.lose();
    if (told !== 2) conn.peer?.cut();
    else conn.peer?.lose();
    return true;
  }

  listen(host: NetworkHost, { port }: { port: number }): Promise<Listener> {
    if (!host.enter()) return never();
    const bound = port === 0 ? this.#nextPort++ : port;
    const key = `${host.hostname}:${bound}`;
    if (this.#listeners.has(key)) return Promise.reject(new Error("address in use"));
    const listener = new SimListener(host, bound, () => this.#listeners.delete(key));
    this.#listeners.set(key, listener);
    return Promise.resolve(listener);
  }

  connect(
    host: NetworkHost,
    options: { hostname: string; port: number; signal?: AbortSignal },
  ): Promise<Conn> {
    if (!host.enter()) return never();
    const { scheduler, rng, faults, faultLog } = this.options;
    const { port, signal } = options;
    const hostname = this.aliases.get(options.hostname) ?? options.hostname;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      const startedMs = scheduler.nowMs;
      const attempt = () => {
        if (signal?.aborted) return;
        if (this.isBlocked(host.hostname, hostname) || this.isBlocked(hostname, host.hostname)) {
          if (scheduler.nowMs - startedMs > CONNECT_GIVEN_UP_MS) {
            return reject(new Error("connection timed out"));
          }
          scheduler.schedule(1_000, host.owner, "SYN again", attempt);
          return;
        }
        const listener = this.#listeners.get(`${hostname}:${port}`);
        if (listener === undefined || rng.chance(faults().refuse)) {
          faultLog.count("refused");
          scheduler.tellStep(host.owner.name, "connection refused", `${hostname}:${port}`);
          return reject(new Error("connection refused"));
        }
        resolve(this.#join(host, listener));
      };
      scheduler.schedule(2 * this.latencyMs(), host.owner, "connects", attempt);
    });
  }

  latencyMs(): number {
    const [from, to] = this.options.faults().latencyMs;
    return this.options.rng.logBetween(from, to);
  }

  /** A process is gone: its listeners vanish, its peers read to the end of what it had written. */
  hostDied(owner: EventOwner): void {
    for (const listener of this.#listeners.values()) if (listener.host.owner === owner) listener.close();
    for (const conn of this.#conns) if (conn.host.owner === owner) conn.close();
  }

  forget(conn: SimConn): void {
    this.#conns.delete(conn);
  }

  #join(host: NetworkHost, listener: SimListener): SimConn {
    const client = new SimConn(this, host, `${listener.host.hostname}:${listener.port}`, true);
    const server = new SimConn(this, listener.host, `${host.hostname}:${this.#nextPort++}`, false);
    client.peer = server;
    server.peer = client;
    this.#conns.add(client);
    this.#conns.add(server);
    listener.offer(server);
    return client;
  }
}

class SimListener implements Listener {
  readonly port: number;
  readonly hostname: string;
  readonly host: NetworkHost;
  readonly #onClose: () => void;
  readonly #backlog: SimConn[] = [];
  #accepting: ((conn: Conn | null) => void) | null = null;
  #isClosed = false;

  constructor(host: NetworkHost, port: number, onClose: () => void) {
    this.host = host;
    this.hostname = host.hostname;
    this.port = port;
    this.#onClose = onClose;
  }

  /** The kernel accepts even while the process stands still. */
  offer(conn: SimConn): void {
    this.#backlog.push(conn);
    conn.schedule(0, "accepts", () => this.#hand());
  }

  accept(): Promise<Conn | null> {
    if (this.#isClosed) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#accepting = resolve;
      this.#hand();
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
    for (const conn of this.#backlog.splice(0)) conn.close();
    this.#accepting?.(null);
  }

  #hand(): void {
    const accepting = this.#accepting;
    if (accepting === null) return;
    const conn = this.#backlog.shift();
    if (conn === undefined) return;
    this.#accepting = null;
    accepting(conn);
  }
}

/** On its way to a reader: bytes, or the end of the stream, or its break. */
interface Travelling {
  readonly atMs: number;
  readonly bytes: Uint8Array | "end" | "reset";
}

/** One end of a connection; holds what travels towards it. */
class SimConn implements Conn {
  readonly remoteAddress: string;
  readonly host: NetworkHost;
  readonly isClient: boolean;
  peer: SimConn | null = null;
  readonly #network: SimNetwork;
  #travelling: Travelling[] = [];
  #lastArrivalMs = 0;
  readonly #received: Uint8Array[] = [];
  /** Travelling and received. */
  #waitingBytes = 0;
  #end: "end" | "reset" | null = null;
  #isClosed = false;
  /** The other side will never hear of this one again. */
  #isLost = false;
  #read:
    | { buffer: Uint8Array; resolve: (count: number | null) => void; reject: (error: Error) => void }
    | null = null;
  #isReadScheduled = false;
  #onRoom: (() => void) | null = null;

  constructor(network: SimNetwork, host: NetworkHost, remoteAddress: string, isClient: boolean) {
    this.#network = network;
    this.host = host;
    this.remoteAddress = remoteAddress;
    this.isClient = isClient;
  }

  schedule(delayMs: number, what: string, action: () => void): void {
    this.#network.options.scheduler.schedule(delayMs, this.host.owner, what, action);
  }

  read(buffer: Uint8Array): Promise<number | null> {
    if (this.#isClosed) return Promise.resolve(null);
    if (!this.host.enter()) return never();
    return new Promise((resolve, reject) => {
      this.#read = { buffer, resolve, reject };
      this.#readSoon();
    });
  }

  write(bytes: Uint8Array): Promise<number> {
    if (!this.host.enter()) return never();
    return new Promise((resolve, reject) => this.#write(bytes, resolve, reject));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#read?.resolve(null);
    this.#read = null;
    this.#onRoom?.();
    if (!this.#isLost) this.peer?.travel("end");
    this.#network.forget(this);
  }

  /** The stream towards this end breaks: some of what travels still arrives, then a reset. */
  cut(): void {
    const { rng } = this.#network.options;
    this.#travelling.length = rng.int(this.#travelling.length + 1);
    const last = this.#travelling.at(-1);
    if (last?.bytes instanceof Uint8Array && rng.chance(0.5)) {
      const kept = last.bytes.subarray(0, rng.int(last.bytes.length + 1));
      this.#travelling[this.#travelling.length - 1] = { ...last, bytes: kept };
    }
    this.travel("reset");
    this.#isLost = true;
  }

  /** Nothing travels towards this end any more, and it is not told. */
  lose(): void {
    this.#travelling = [];
    this.#isLost = true;
  }

  /** Towards this end. */
  travel(bytes: Travelling["bytes"]): void {
    if (this.#isClosed || this.#isLost) return;
    const { scheduler } = this.#network.options;
    const atMs = Math.max(this.#lastArrivalMs, scheduler.nowMs + this.#network.latencyMs());
    this.#lastArrivalMs = atMs;
    this.#travelling.push({ atMs, bytes });
    scheduler.schedule(atMs - scheduler.nowMs, null, "bytes arrive", () => this.flush());
  }

  /** Takes in what has arrived, unless the link is dead. */
  flush(): void {
    const from = this.peer?.host.hostname ?? "";
    if (this.#isClosed || this.#network.isBlocked(from, this.host.hostname)) return;
    const nowMs = this.#network.options.scheduler.nowMs;
    for (
      let next = this.#travelling[0];
      next !== undefined && next.atMs <= nowMs + 0.001;
      next = this.#travelling[0]
    ) {
      this.#travelling.shift();
      if (next.bytes instanceof Uint8Array) {
        if (next.bytes.length > 0) this.#received.push(next.bytes);
      } else this.#end ??= next.bytes;
    }
    this.#readSoon();
  }

  get #room(): number {
    return WINDOW_BYTES - this.#waitingBytes;
  }

  #readSoon(): void {
    if (this.#read === null || this.#isReadScheduled) return;
    if (this.#received.length === 0 && this.#end === null) return;
    this.#isReadScheduled = true;
    this.schedule(this.#network.options.rng.between(0, 0.05), "reads", () => {
      this.#isReadScheduled = false;
      this.#complete();
    });
  }

  #complete(): void {
    const read = this.#read;
    if (read === null) return;
    this.#read = null;
    const first = this.#received[0];
    if (first === undefined) {
      if (this.#end === "end") read.resolve(null);
      else read.reject(new Error("Connection reset by peer"));
      return;
    }
    const part = first.subarray(0, read.buffer.length);
    read.buffer.set(part);
    if (part.length === first.length) this.#received.shift();
    else this.#received[0] = first.subarray(part.length);
    this.#waitingBytes -= part.length;
    this.#onRoom?.();
    read.resolve(part.length);
  }

  #write(bytes: Uint8Array, resolve: (count: number) => void, reject: (error: Error) => void): void {
    const { rng, faults, faultLog } = this.#network.options;
    const peer = this.peer;
    if (this.#isClosed) return reject(new Error("Broken pipe"));
    if (peer === null || this.#end === "reset") return reject(new Error("Connection reset by peer"));
    if (peer.#isClosed) {
      // The peer's kernel answers with a reset.
      if (!peer.#isLost) this.travel("reset");
      this.schedule(rng.between(0, 0.1), "writes into the void", () => resolve(bytes.length));
      return;
    }
    if (peer.#room <= 0) {
      peer.#onRoom = () => {
        peer.#onRoom = null;
        this.#write(bytes, resolve, reject);
      };
      return;
    }
    let count = Math.min(bytes.length, peer.#room);
    if (count > 1 && rng.chance(faults().shortWrite)) {
      faultLog.count("shortWrite");
      count = 1 + rng.int(count - 1);
    }
    if (!peer.#isLost) {
      peer.#waitingBytes += count;
      for (let at = 0, pieces = 1; at < count; pieces++) {
        const isWhole = pieces >= PIECES_MAX || !rng.chance(faults().chunk);
        const end = isWhole ? count : at + 1 + rng.int(count - at);
        peer.travel(bytes.slice(at, end));
        at = end;
      }
    }
    this.schedule(rng.between(0, 0.1), "wrote", () => resolve(count));
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => {});
}
