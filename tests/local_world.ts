/** A whole broker on a memory store under virtual time, without sockets: needs no permission. */
import { LocalBroker } from "../actors/local_broker.ts";
import { TestEnv, type TestEnvOptions, TestLogger } from "../actors/runtime/testkit.ts";
import { serverConfigReader } from "../core/config/broker_configs.ts";
import { MemoryStorage } from "../storage/memory.ts";
import { ShardStore } from "../storage/shard.ts";

export interface World {
  readonly env: TestEnv;
  readonly log: TestLogger;
  readonly storage: MemoryStorage;
  readonly broker: LocalBroker;
}

let incarnations = 0;

/** A process on `storage`, as after a start. */
export async function start(
  storage = new MemoryStorage(),
  config: Record<string, string> = {},
  options: TestEnvOptions = {},
): Promise<World> {
  const env = new TestEnv(options);
  const log = new TestLogger();
  const incarnation = `00000000-0000-4000-8000-${String(++incarnations).padStart(12, "0")}`;
  const opening = ShardStore.open({ storage, env, log, brokerId: 1, incarnation });
  await env.runUntilIdle();
  const broker = new LocalBroker({
    env,
    log,
    shards: await opening,
    brokerId: 1,
    rack: null,
    clusterId: "test-cluster",
    incarnation,
    config: serverConfigReader(new Map(Object.entries(config))),
  });
  await settled(env, broker.start({ host: "127.0.0.1", port: 9092 }));
  return { env, log, storage, broker };
}

/** Lets everything settle and returns what the promise came to. */
export async function settled<T>(env: TestEnv, promise: Promise<T>): Promise<T> {
  await env.runUntilIdle();
  return await promise;
}
