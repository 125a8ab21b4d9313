/**
 * Deno's own HTTP server, begun anew when it ends by itself: one connection that cannot be accepted, as with too many open files, is the
 * end of its accepting, and the end of the process where nobody hears of it. Connections that it has go on.
 */
import { timer } from "./real.ts";

export interface DenoServerOptions {
  readonly hostname: string;
  /** 0 for one that is free, then another each time. */
  readonly port: number;
  readonly fetch: (request: Request) => Response | Promise<Response>;
  /** Told each time that it ended by itself. */
  readonly onEnded: (error: unknown) => void;
  /** For tests. */
  readonly serve?: (
    options: Deno.ServeTcpOptions,
    handler: (request: Request) => Response | Promise<Response>,
  ) => Pick<Deno.HttpServer<Deno.NetAddr>, "addr" | "finished" | "shutdown">;
}

type Server = ReturnType<NonNullable<DenoServerOptions["serve"]>>;

const PAUSE_MS = 200;

export class DenoServer {
  readonly #options: DenoServerOptions;
  /** Older ones have their connections still. */
  readonly #servers: Server[] = [];
  #port = 0;
  #stopping = false;

  /** Throws when the address cannot be had. */
  constructor(options: DenoServerOptions) {
    this.#options = options;
    this.#open();
  }

  /** 0 while there is none. */
  get port(): number {
    return this.#port;
  }

  /** Resolves when the last answer is out. */
  async shutdown(): Promise<void> {
    this.#stopping = true;
    await Promise.allSettled(this.#servers.map((server) => server.shutdown()));
  }

  #open(): void {
    const { hostname, port, fetch, serve = Deno.serve } = this.#options;
    const server = serve({ hostname, port, onListen: () => {} }, (request) => fetch(request));
    this.#servers.push(server);
    this.#port = server.addr.port;
    server.finished.catch((error) => {
      if (this.#stopping) return;
      this.#port = 0;
      this.#options.onEnded(error);
      this.#openAgain();
    });
  }

  #openAgain(): void {
    if (this.#stopping) return;
    try {
      this.#open();
    } catch {
      // Told already why; it goes on as soon as it can.
      timer(PAUSE_MS, () => this.#openAgain());
    }
  }
}
