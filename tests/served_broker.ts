/** A whole broker in the test's own process: real sockets on loopback, a store in memory or in a file. */
import { LocalBroker } from "../actors/local_broker.ts";
import { serverConfigReader } from "../core/config/broker_configs.ts";
import { realEnv } from "../env/real.ts";
import type { Env } from "../lib/env.ts";
import { type Logger, silentLogger } from "../lib/log.ts";
import { KafkaServer } from "../net/kafka_server.ts";
import { httpApp } from "../routes/app.ts";
import { DenoKvStorage } from "../storage/deno_kv.ts";
import { ShardStore } from "../storage/shard.ts";
import { plainForm } from "./plain_form.ts";

export interface ServedBroker extends AsyncDisposable {
  readonly env: Env;
  readonly broker: LocalBroker;
  readonly port: number;
  readonly bootstrapServers: string;
  readonly connectionCount: number;
  /** Asks the HTTP door without a socket. */
  http(path: string, init?: RequestInit): Promise<Response>;
}

export interface ServeOptions {
  /** A file, or `:memory:`. */
  readonly path?: string;
  readonly config?: Readonly<Record<string, string>>;
  readonly log?: Logger;
  /** Default the real one. */
  readonly env?: Env;
}

export async function serveBroker(options: ServeOptions = {}): Promise<ServedBroker> {
  const { path = ":memory:", log = silentLogger, env = realEnv() } = options;
  const incarnation = env.uuid();
  const settings = { "group.initial.rebalance.delay.ms": "0", ...options.config };
  const config = serverConfigReader(new Map(Object.entries(settings)));
  const storage = await DenoKvStorage.open({ env, path });
  const shards = await ShardStore.open({ storage, env, log, brokerId: 1, incarnation });
  const broker = new LocalBroker({
    env,
    log,
    shards,
    brokerId: 1,
    rack: null,
    clusterId: "kavka-test-cluster-001",
    incarnation,
    config,
  });
  const listener = await env.listen({ hostname: "127.0.0.1", port: 0 });
  const server = new KafkaServer({
    broker,
    listener,
    frameBytesMax: Number(config("socket.request.max.bytes")),
    connectionIdleMsMax: Number(config("connections.max.idle.ms")),
  });
  await broker.start({ host: "127.0.0.1", port: listener.port });
  server.start();
  const app = httpApp(broker, { version: "test" });
  return {
    env,
    broker,
    port: listener.port,
    bootstrapServers: `127.0.0.1:${listener.port}`,
    get connectionCount() {
      return server.connectionCount;
    },
    http: async (path, init) => await app.fetch(await plainForm(`http://127.0.0.1${path}`, init)),
    async [Symbol.asyncDispose]() {
      await server.drain();
      await broker.drain();
      await storage.close();
    },
  };
}
