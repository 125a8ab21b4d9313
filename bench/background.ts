/**
 * What work in the background costs those who append, and what it gives back:
 *
 * ```
 * deno run -A bench/background.ts compaction [--records 1000000] [--keys 1000]
 * deno run -A bench/background.ts deletion [--mb 1024] [--samples 3000] [--rounds 20]
 * deno run -A bench/background.ts space [--rounds 8] [--mb 64]
 * ```
 *
 * Each starts a server of its own in a temporary directory. Latencies are of single records of 1 KB, one after the other,
 * acknowledged; "idle" is the same before the work. Of deletion there are as many rounds as it takes to have `--samples` latencies
 * while something is being deleted, and at most `--rounds`; percentiles are of all rounds together.
 */
import { Admin, Consumer, Producer, realEnv } from "../client/mod.ts";
import { type Server, startServer } from "./servers.ts";

const PROBE_PAUSE_MS = 4;
/** While something is deleted, which takes a second, many have to look. */
const DELETION_PROBES = 4;
const DELETION_PROBE_PAUSE_MS = 1;

interface World {
  readonly directory: string;
  readonly server: Server;
  readonly options: { readonly bootstrapServers: string };
  readonly admin: Admin;
  /** Resolves when the server has deleted all of a topic. */
  dataRemoved(): Promise<void>;
}

function flag(name: string, fallback: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(Deno.args[at + 1]);
}

async function withServer(
  overrides: readonly string[],
  work: (world: World) => Promise<void>,
): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "kavka-bench-", ...tempRoot() });
  let removed = () => {};
  const onLine = (line: string) => {
    if (line.includes("Topic data removed")) removed();
  };
  const server = await startServer("kavka", { libs: "", directory: `${directory}/data`, overrides, onLine });
  const dataRemoved = () => new Promise<void>((resolve) => removed = resolve);
  const options = { bootstrapServers: server.address };
  const admin = new Admin(realEnv(), options);
  try {
    await work({ directory, server, options, admin, dataRemoved });
  } finally {
    await admin.close();
    await server.stop();
    Deno.removeSync(directory, { recursive: true });
  }
}

function tempRoot(): { dir?: string } {
  const dir = Deno.env.get("KAVKA_BENCH_DIR");
  return dir === undefined ? {} : { dir };
}

/** Appends one record after the other until told to stop; gives the latencies. */
function probe({ options }: World, topic: string, key: string | null = null, pauseMs = PROBE_PAUSE_MS) {
  const latencies: number[] = [];
  let isStopped = false;
  const done = (async () => {
    await using producer = new Producer(realEnv(), { ...options, lingerMs: 0 });
    const value = new Uint8Array(1_000);
    while (!isStopped) {
      const startedMs = performance.now();
      await producer.send({ topic, key, value });
      latencies.push(performance.now() - startedMs);
      await sleep(pauseMs);
    }
  })();
  return {
    /** Those since the last call. */
    take: () => latencies.splice(0),
    async stop(): Promise<void> {
      isStopped = true;
      await done;
    },
  };
}

function summary(latencies: readonly number[]): string {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(1);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms (${sorted.length})`;
}

function percentile(latencies: readonly number[], share: number): number {
  const sorted = latencies.toSorted((a, b) => a - b);
  return sorted[Math.floor(share * sorted.length)] ?? 0;
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function sizeOf({ admin }: World, topic: string): Promise<number> {
  const byBroker = await admin.describeLogDirs([1]);
  return (byBroker.get(1) ?? []).flatMap(({ replicas }) => replicas).filter((each) => each.topic === topic)
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** Bytes that a directory takes on the disk, by kind of file. */
function onDisk(directory: string): { store: number; segments: number } {
  const sizes = { store: 0, segments: 0 };
  const walk = (path: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(path)) {
      const child = `${path}/${name}`;
      if (isDirectory) walk(child);
      else {
        try {
          const { size } = Deno.statSync(child);
          if (name.endsWith(".log")) sizes.segments += size;
          else if (name.includes(".sqlite")) sizes.store += size;
        } catch {
          // Removed between the two lines.
        }
      }
    }
  };
  walk(directory);
  return sizes;
}

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** `--records` over `--keys`: right, in bounded memory, while appends go on, in the same log and in another. */
async function compaction(): Promise<void> {
  const records = flag("records", 1_000_000);
  const keys = flag("keys", 1_000);
  await withServer(["log.cleaner.backoff.ms=1000"], async (world) => {
    const configs = { "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.99" };
    await world.admin.createTopic({ name: "state", partitionCount: 1, replicationFactor: 1, configs });
    await world.admin.createTopic({ name: "other", partitionCount: 1, replicationFactor: 1 });
    await using producer = new Producer(realEnv(), { ...world.options, batchBytesMax: 16_384 });
    const last = new Map<string, string>();
    const startedMs = performance.now();
    // Held back by min.compaction.lag.ms until everything is there.
    const hold = { type: "topic", name: "state" } as const;
    await world.admin.alterConfigs(hold, [{ name: "min.compaction.lag.ms", value: "3600000" }]);
    for (let i = 0; i < records; i++) {
      const key = `key ${(i * 7_919) % keys}`;
      const value = `${i} ${"v".repeat(60)}`;
      last.set(key, value);
      await producer.ready();
      producer.send({ topic: "state", key, value }).catch((error) => {
        throw error;
      });
    }
    await producer.flush();
    const seconds = (performance.now() - startedMs) / 1_000;
    console.log(
      `${records} records over ${keys} keys in ${seconds.toFixed(1)} s, ${mb(await sizeOf(world, "state"))}`,
    );
    const other = probe(world, "other");
    await sleep(8_000);
    const idle = other.take();
    const rssBefore = world.server.residentMb();
    console.log(`idle: another log ${summary(idle)}; ${rssBefore} MB resident`);
    const own = probe(world, "state", "probe");
    await sleep(1_000);
    other.take();
    own.take();
    await world.admin.alterConfigs(hold, [{ name: "min.compaction.lag.ms", value: "0" }]);
    const beganMs = performance.now();
    const before = await sizeOf(world, "state");
    let rssMax = 0;
    while (await sizeOf(world, "state") > before / 20) {
      rssMax = Math.max(rssMax, world.server.residentMb());
      await sleep(100);
    }
    const tookMs = performance.now() - beganMs;
    const [during, duringOwn] = [other.take(), own.take()];
    await other.stop();
    await own.stop();
    await sleep(3_000);
    console.log(
      `compacted within ${(tookMs / 1_000).toFixed(1)} s, ${mb(await sizeOf(world, "state"))} left`,
    );
    console.log(
      `meanwhile: another log ${summary(during)}; the same log ${summary(duringOwn)}; ${rssMax} MB resident`,
    );
    console.log(
      `p99 of another log: ${(percentile(during, 0.99) / percentile(idle, 0.99)).toFixed(2)} times idle`,
    );
    await verify(world, last);
  });
}

/** Every key's newest value is there; of what was written before the probes nothing else is. */
async function verify({ options }: World, last: ReadonlyMap<string, string>): Promise<void> {
  await using consumer = new Consumer(realEnv(), { ...options, offsetReset: "earliest" });
  consumer.assign([{ topic: "state", partition: 0 }]);
  const decoder = new TextDecoder();
  const found = new Map<string, string>();
  let superseded = 0;
  let count = 0;
  while (true) {
    const page = await consumer.poll({ timeoutMs: 3_000, recordsMax: 5_000 });
    if (page.length === 0) break;
    for (const { key, value } of page) {
      const name = typeof key === "string" ? key : decoder.decode(key ?? undefined);
      if (name === "probe") continue;
      count++;
      if (found.has(name)) superseded++;
      found.set(name, typeof value === "string" ? value : decoder.decode(value ?? undefined));
    }
  }
  let wrong = 0;
  for (const [key, value] of last) if (found.get(key) !== value) wrong++;
  console.log(`read back: ${count} records, ${found.size} keys, ${wrong} wrong, ${superseded} superseded`);
  if (wrong > 0 || superseded > 0 || found.size !== last.size) Deno.exitCode = 1;
}

/** Latency on another log while `--mb` of one topic go, by retention, and by deletion of the topic. */
async function deletion(): Promise<void> {
  const bytes = flag("mb", 1_024) * 1e6;
  const samples = flag("samples", 3_000);
  const rounds = flag("rounds", 20);
  await withServer(["log.retention.check.interval.ms=500"], async (world) => {
    await world.admin.createTopic({ name: "other", partitionCount: 1, replicationFactor: 1 });
    for (const how of ["retention", "topic"] as const) {
      for (const batchBytes of [900_000, 16_000]) {
        const all: Latencies = { idle: [], during: [] };
        for (let round = 0; round < rounds && all.during.length < samples; round++) {
          const name = `bulk-${how}-${batchBytes}-${round}`;
          // Batches of the smaller size lie in the store, where a gigabyte is much.
          const share = batchBytes > 32_768 ? bytes : bytes / 4;
          const { idle, during } = await deleteOnce(world, { how, batchBytes, bytes: share, name });
          all.idle.push(...idle);
          all.during.push(...during);
        }
        console.log(
          `${how}, batches of ${batchBytes}: idle ${summary(all.idle)}; meanwhile ${summary(all.during)}; ` +
            `p99 ${ratioOf(all).toFixed(2)} times idle`,
        );
      }
    }
  });
}

interface Latencies {
  readonly idle: number[];
  readonly during: number[];
}

function ratioOf({ idle, during }: Latencies): number {
  return percentile(during, 0.99) / percentile(idle, 0.99);
}

async function deleteOnce(
  world: World,
  { how, batchBytes, bytes, name }: {
    readonly how: "retention" | "topic";
    readonly batchBytes: number;
    readonly bytes: number;
    readonly name: string;
  },
): Promise<Latencies> {
  await world.admin.createTopic({ name, partitionCount: 1, replicationFactor: 1 });
  {
    await using producer = new Producer(realEnv(), { ...world.options, batchBytesMax: batchBytes });
    const value = crypto.getRandomValues(new Uint8Array(8_000));
    for (let sent = 0; sent < bytes; sent += value.length) {
      await producer.ready();
      void producer.send({ topic: name, value });
    }
    await producer.flush();
  }
  await sleep(3_000);
  const probes = Array.from(
    { length: DELETION_PROBES },
    () => probe(world, "other", null, DELETION_PROBE_PAUSE_MS),
  );
  const take = () => probes.flatMap((each) => each.take());
  await sleep(1_000);
  take();
  await sleep(4_000);
  const before = onDisk(world.directory);
  const idle = take();
  const beganMs = performance.now();
  const removed = world.dataRemoved();
  if (how === "topic") {
    await world.admin.deleteTopic(name);
    await removed;
  } else {
    await world.admin.alterConfigs({ type: "topic", name }, [{ name: "retention.bytes", value: "1" }]);
    while (await sizeOf(world, name) > bytes / 50) await sleep(50);
  }
  const tookMs = performance.now() - beganMs;
  const during = take();
  await Promise.all(probes.map((each) => each.stop()));
  if (how === "retention") {
    await world.admin.deleteTopic(name);
    await removed;
  }
  await sleep(2_000);
  console.log(
    `${name}: ${mb(before.segments + before.store)} on the disk, ${(tookMs / 1_000).toFixed(1)} s; ` +
      `idle ${summary(idle)}; meanwhile ${summary(during)}; ${ratioOf({ idle, during }).toFixed(2)} times`,
  );
  return { idle, during };
}

/** Size of the files over rounds of producing and deleting the same amount. */
async function space(): Promise<void> {
  const bytes = flag("mb", 64) * 1e6;
  const rounds = flag("rounds", 8);
  await withServer(["log.retention.check.interval.ms=500"], async (world) => {
    const configs = { "retention.bytes": String(Math.round(bytes / 4)) };
    await world.admin.createTopic({ name: "churn", partitionCount: 1, replicationFactor: 1, configs });
    for (let round = 1; round <= rounds; round++) {
      await using producer = new Producer(realEnv(), {
        ...world.options,
        batchBytesMax: round % 2 === 0 ? 900_000 : 8_000,
      });
      const value = crypto.getRandomValues(new Uint8Array(4_000));
      for (let sent = 0; sent < bytes; sent += value.length) {
        await producer.ready();
        void producer.send({ topic: "churn", value });
      }
      await producer.flush();
      await sleep(3_000);
      const { store, segments } = onDisk(world.directory);
      console.log(
        `round ${round}: log ${mb(await sizeOf(world, "churn"))}, store ${mb(store)}, segment files ${
          mb(segments)
        }`,
      );
    }
  });
}

const workloads: Readonly<Record<string, () => Promise<void>>> = { compaction, deletion, space };
const workload = workloads[Deno.args[0] ?? ""];
if (workload === undefined) {
  console.error(`Usage: background.ts ${Object.keys(workloads).join("|")} [flags]`);
  Deno.exit(2);
}
await workload();
