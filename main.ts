/**
 * Wiring only: configuration, then storage, actors, doors, listeners.
 * Exit codes: 0 after a signal, 1 when something outside is in the way (port, data directory), 2 for wrong
 * configuration; each with one line on standard error.
 */
import { LocalBroker } from "./actors/local_broker.ts";
import { advertisedAddress, type Config, resolveConfig } from "./config.ts";
import { DenoServer } from "./env/deno_server.ts";
import { openLog } from "./env/log_output.ts";
import { realEnv, upgradeWebSocket } from "./env/real.ts";
import type { Env, Listener } from "./lib/env.ts";
import { formatHostPort, type HostPort, isLoopbackHost } from "./lib/host_port.ts";
import type { Logger } from "./lib/log.ts";
import { upgradeWith } from "./net/http/web_socket.ts";
import { HttpServer } from "./net/http_server.ts";
import { KafkaServer } from "./net/kafka_server.ts";
import { type HttpApp, httpApp } from "./routes/app.ts";
import { VERSION } from "./version.ts";
import { FenceWatch } from "./storage/fence_watch.ts";
import { type OpenedStore, openStore } from "./storage/open_store.ts";

/** Ends the process with one line and exit code 1. */
class StartError extends Error {
  override readonly name = "StartError";
}

async function main(): Promise<void> {
  const env = realEnv();
  const resolved = await resolveConfig({
    args: Deno.args,
    env: (name) => Deno.env.get(name),
    readText: (path) => env.files.readText(path),
  });
  if (!resolved.ok) {
    if (resolved.exitCode === 0) console.log(resolved.message);
    else console.error(`kavka: ${resolved.message}`);
    Deno.exit(resolved.exitCode);
  }
  const { config } = resolved;
  const log = openLog(config.logLevel);
  for (const warning of config.warnings) log.warn(warning);
  try {
    await serve(config, realEnv({ authorities: config.webhookAuthorities }), log);
  } catch (error) {
    if (!(error instanceof Error) || !expectedAtStart.has(error.name)) throw error;
    console.error(`kavka: ${error.message}`);
    Deno.exit(1);
  }
}

/** Failures that are not bugs and whose message says all there is to say. */
const expectedAtStart: ReadonlySet<string> = new Set([
  "StartError",
  "DataDirectoryError",
  "StorageUnavailableError",
  "CorruptStorageError",
]);

async function serve(config: Config, env: Env, log: Logger): Promise<void> {
  const incarnation = env.uuid();
  const { brokerId, rack, server } = config;
  const store = await openStore({
    env,
    log,
    directory: config.dataDirectory,
    path: config.store.path,
    brokerId,
    incarnation,
  });
  const { shards, clusterId } = store;
  const telemetry = isTelemetryOn() ? await import("./env/telemetry.ts") : null;
  const broker = new LocalBroker({
    env,
    log,
    shards,
    brokerId,
    rack,
    clusterId,
    incarnation,
    config: server,
    tracer: telemetry === null ? null : telemetry.openTracer(VERSION),
  });
  const listener = config.kafka === null ? null : await listen(env, config.kafka);
  const app = httpApp(broker, {
    version: VERSION,
    isLoopback: isLoopbackHost(config.http.host),
    adminKey: config.adminKey,
    upgradeWebSocket: upgradeWith(upgradeWebSocket),
  });
  const http = await serveHttp({ env, log, address: config.http, fetch: (request) => app.fetch(request) });
  await broker.start(advertisedAddress(config, listener?.port ?? 0));
  const kafka = listener === null ? null : new KafkaServer({
    broker,
    listener,
    frameBytesMax: Number(server("socket.request.max.bytes")),
    connectionIdleMsMax: Number(server("connections.max.idle.ms")),
  });
  kafka?.start();
  const fence = new FenceWatch({
    env,
    shards,
    intervalMs: Number(server("broker.heartbeat.interval.ms")),
    onLost: () => {
      // Nothing can be committed any more, and what is in memory may be out of date.
      console.error(
        `kavka: Cannot serve store "${config.store.path}": a newer process of broker ${brokerId} has taken it over`,
      );
      Deno.exit(1);
    },
  });
  fence.start();
  announce(config, http.port, listener, log);
  void app.warmUp();
  onSignal(() => {
    fence.stop();
    return stop({ log, app, http, kafka, broker, store });
  });
  if (telemetry !== null) {
    const { metricFamilies } = await import("./routes/metrics.ts");
    await telemetry.exportMetrics(VERSION, () => metricFamilies(broker, VERSION), (error) => {
      log.warn("Cannot export metrics", { error: String(error) });
    });
  }
}

/** What Deno itself goes by. */
function isTelemetryOn(): boolean {
  return Deno.env.get("OTEL_DENO")?.toLowerCase() === "true";
}

async function listen(env: Env, { host, port }: HostPort): Promise<Listener> {
  try {
    return await env.listen({ hostname: host, port });
  } catch (error) {
    throw cannotListen("Kafka", { host, port }, error);
  }
}

interface HttpDoor {
  readonly port: number;
  shutdown(): Promise<unknown>;
}

interface HttpDoorOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly address: HostPort;
  readonly fetch: (request: Request) => Response | Promise<Response>;
}

/**
 * Our own listener in front of Deno's server. Deno's alone where it must see every request: a platform that hands requests to it and
 * has no sockets, and Deno's tracing.
 */
async function serveHttp({ env, log, address, fetch }: HttpDoorOptions): Promise<HttpDoor> {
  try {
    const isOnDeploy = (Deno.env.get("DENO_DEPLOYMENT_ID") ?? "") !== "";
    if (isOnDeploy || isTelemetryOn()) return denoServer(address, fetch, log);
    const other = innerServer(fetch, log);
    if (other === null) return denoServer(address, fetch, log);
    const listener = await env.listen({ hostname: address.host, port: address.port });
    const server = new HttpServer({ env, log, listener, fetch, otherPort: () => other.port });
    server.start();
    return { port: listener.port, shutdown: () => Promise.all([server.shutdown(), other.shutdown()]) };
  } catch (error) {
    throw cannotListen("HTTP", address, error);
  }
}

/** Null where there is no loopback, or no permission for it. */
function innerServer(fetch: HttpDoorOptions["fetch"], log: Logger): HttpDoor | null {
  try {
    return denoServer({ host: "127.0.0.1", port: 0 }, fetch, log);
  } catch (error) {
    log.warn("Cannot listen on loopback: HTTP is served by Deno alone", { error: String(error) });
    return null;
  }
}

function denoServer({ host, port }: HostPort, fetch: HttpDoorOptions["fetch"], log: Logger): HttpDoor {
  const onEnded = (error: unknown) => {
    log.error("Deno's HTTP server ended by itself: it begins anew", { error: String(error) });
  };
  return new DenoServer({ hostname: host, port, fetch, onEnded });
}

function cannotListen(door: "Kafka" | "HTTP", address: HostPort, error: unknown): StartError {
  const flag = door === "Kafka" ? "--kafka" : "--http";
  const why = error instanceof Deno.errors.AddrInUse
    ? "the address is in use by another program"
    : error instanceof Error
    ? error.message
    : String(error);
  return new StartError(
    `Cannot listen for ${door} on ${formatHostPort(address)}: ${why}; choose another with ${flag} HOST:PORT`,
  );
}

/** The lines that scripts wait for. */
function announce(config: Config, httpPort: number, kafka: Listener | null, log: Logger): void {
  const http = formatHostPort({ ...config.http, port: httpPort });
  console.log(`kavka: http listening on http://${http}`);
  if (config.kafka !== null && kafka !== null) {
    console.log(`kavka: kafka listening on ${formatHostPort({ ...config.kafka, port: kafka.port })}`);
  }
  const needsKeys = config.adminKey !== null || config.server("http.api.keys.required") === "true";
  const open = [needsKeys ? null : config.http, config.kafka].filter((each) =>
    each !== null && !isLoopbackHost(each.host)
  );
  for (const address of open) {
    if (address === null) continue;
    log.warn(
      "Listening beyond loopback without authentication: whoever reaches the port can read and write",
      {
        host: address.host,
      },
    );
  }
}

interface Running {
  readonly log: Logger;
  readonly app: HttpApp;
  readonly http: HttpDoor;
  readonly kafka: KafkaServer | null;
  readonly broker: LocalBroker;
  readonly store: OpenedStore;
}

/** Doors first, then the actors, then the store: within the five seconds that a platform gives. */
async function stop({ log, app, http, kafka, broker, store }: Running): Promise<void> {
  log.info("Stopping");
  const doors = Promise.all([http.shutdown(), app.endStreams(), kafka?.drain()]);
  await Promise.race([doors, broker.env.sleep(DOORS_DRAIN_MS)]);
  await broker.drain();
  // What waited for an actor is answered now, and streams end: that is to reach the clients.
  await Promise.race([doors, broker.env.sleep(LAST_ANSWERS_MS)]);
  await store.close();
  log.info("Stopped");
  Deno.exit(0);
}

/** HTTP's long polls may still be waiting; their clients come again. */
const DOORS_DRAIN_MS = 300;
const LAST_ANSWERS_MS = 500;

function onSignal(stop: () => Promise<void>): void {
  let stopping = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      // A second signal does not wait any longer.
      if (stopping) Deno.exit(130);
      stopping = true;
      void stop();
    });
  }
}

await main();
