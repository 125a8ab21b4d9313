/**
 * A client process of a workload in the real world: in this very process, with the real clock and real sockets, but it can be
 * killed. From then on nothing of it runs any more: its connections break, and what it waits for never comes, as with kill -9.
 */
import { realEnv } from "../../../env/real.ts";
import type { Conn, Env } from "../../../lib/env.ts";
import type { ClientProcess } from "../../../sim/workloads/workload.ts";

export class MortalProcess implements ClientProcess {
  readonly name: string;
  readonly env: Env;
  readonly died: Promise<void>;
  readonly mayDie: boolean;
  readonly #conns = new Set<Conn>();
  readonly #tellDeath: () => void;
  #isAlive = true;

  constructor(name: string, mayDie: boolean) {
    this.name = name;
    this.mayDie = mayDie;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.died = promise;
    this.#tellDeath = resolve;
    const real = realEnv();
    this.env = {
      ...real,
      sleep: (ms, signal) => this.#whileAlive(real.sleep(ms, signal)),
      timer: (ms, callback) =>
        real.timer(ms, () => {
          if (this.#isAlive) callback();
        }),
      connect: (options) => this.#whileAlive(real.connect(options).then((conn) => this.#adopt(conn))),
    };
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    for (const conn of this.#conns) conn.close();
    this.#tellDeath();
  }

  #adopt(conn: Conn): Conn {
    if (!this.#isAlive) conn.close();
    this.#conns.add(conn);
    return {
      remoteAddress: conn.remoteAddress,
      read: (buffer) => this.#whileAlive(conn.read(buffer)),
      write: (bytes) => this.#whileAlive(conn.write(bytes)),
      close: () => {
        this.#conns.delete(conn);
        conn.close();
      },
    };
  }

  /** The promise's outcome, or nothing for ever when the process is dead by then. */
  #whileAlive<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => {
          if (this.#isAlive) resolve(value);
        },
        (error: unknown) => {
          if (this.#isAlive) reject(error);
        },
      );
    });
  }
}
