/**
 * `deno run -A bench/transactions.ts [SYSTEM …]`: what idempotence and transactions cost, as ratios within one run against one
 * server (`kavka`, the default; `kafka` and `kafka-fsync` need LIBS, the folder of Kafka's jars).
 *
 * Throughput: 128 KB batches with five requests in flight, with sequences and without, in alternating rounds. Latency: 100 records
 * over three partitions in one request, plainly with acks=all, and as a transaction of its own, to the answer of its EndTxn; one
 * after the other, alternating. Settings: ROUNDS=7 BATCHES=300 SAMPLES=1500.
 */
import { Connection } from "../client/connection.ts";
import { Admin, realEnv } from "../client/mod.ts";
import { produce } from "../protocol/messages/00_produce.ts";
import { initProducerId } from "../protocol/messages/22_init_producer_id.ts";
import { endTxn } from "../protocol/messages/26_end_txn.ts";
import { buildBatch } from "../protocol/records/record_batch.ts";
import { type Server, startServer } from "./servers.ts";

const ROUNDS = Number(Deno.env.get("ROUNDS") ?? 7);
const BATCHES = Number(Deno.env.get("BATCHES") ?? 300);
const SAMPLES = Number(Deno.env.get("SAMPLES") ?? 1_500);
const IN_FLIGHT = 5;
const RECORD_BYTES = 1_000;
const RECORDS_PER_BATCH = 128;
const PRODUCE_VERSION = 12;

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

const env = realEnv();
const value = crypto.getRandomValues(new Uint8Array(RECORD_BYTES));

function batch(count: number, identity: Identity | null, baseSequence: number, isTransactional = false) {
  const timestamp = Date.now();
  const records = Array.from({ length: count }, () => ({ key: null, value, headers: [], timestamp }));
  return buildBatch({
    records,
    ...(identity === null ? {} : { ...identity, baseSequence, isTransactional }),
  });
}

async function connect(port: number): Promise<Connection> {
  return await Connection.open(env, {
    hostname: "127.0.0.1",
    port,
    clientId: "bench",
    connectTimeoutMs: 10_000,
    requestTimeoutMs: 60_000,
    frameBytesMax: 1 << 24,
  });
}

async function initialize(connection: Connection, transactionalId: string | null): Promise<Identity> {
  for (;;) {
    const answer = await connection.request(initProducerId, {
      transactionalId,
      transactionTimeoutMs: 60_000,
      producerId: -1,
      producerEpoch: -1,
    });
    if (answer.errorCode === 0) return answer;
    // The coordinator may still be loading.
    await env.sleep(100);
  }
}

async function send(
  connection: Connection,
  topic: string,
  batches: readonly Uint8Array[],
  transactionalId: string | null = null,
): Promise<void> {
  for (;;) {
    const { responses } = await connection.request(produce, {
      transactionalId,
      acks: -1,
      timeoutMs: 30_000,
      topicData: [{
        name: topic,
        partitionData: batches.map((records, index) => ({ index, records: records.slice() })),
      }],
    }, { versionMax: PRODUCE_VERSION });
    const codes = responses[0]?.partitionResponses.map(({ errorCode }) => errorCode) ?? [-1];
    const code = codes.find((each) => each !== 0);
    if (code === undefined) return;
    // CONCURRENT_TRANSACTIONS: the transaction before is still being completed.
    if (code !== 51) throw new Error(`Produce was answered with ${code}`);
    await env.sleep(1);
  }
}

/** MB/s of one round. */
async function throughput(port: number, topic: string, isIdempotent: boolean): Promise<number> {
  const connection = await connect(port);
  const identity = isIdempotent ? await initialize(connection, null) : null;
  const batches = Array.from(
    { length: BATCHES },
    (_, i) => batch(RECORDS_PER_BATCH, identity, i * RECORDS_PER_BATCH),
  );
  const bytes = batches.reduce((sum, each) => sum + each.length, 0);
  const begin = performance.now();
  const inFlight: Promise<void>[] = [];
  for (const each of batches) {
    if (inFlight.length >= IN_FLIGHT) await inFlight.shift();
    inFlight.push(send(connection, topic, [each]));
  }
  await Promise.all(inFlight);
  const seconds = (performance.now() - begin) / 1_000;
  connection.close();
  return bytes / seconds / 1e6;
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? NaN;
}

function percentile(figures: readonly number[], share: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

async function measureThroughput(server: Server): Promise<void> {
  const figures: Record<"plain" | "idempotent", number[]> = { plain: [], idempotent: [] };
  for (let round = -1; round < ROUNDS; round++) {
    for (const kind of ["plain", "idempotent"] as const) {
      const figure = await throughput(server.port, "bench-1", kind === "idempotent");
      // The first round warms up.
      if (round >= 0) figures[kind].push(figure);
    }
  }
  const [plain, idempotent] = [median(figures.plain), median(figures.idempotent)];
  const ratio = median(figures.plain.map((figure, i) => (figures.idempotent[i] ?? NaN) / figure));
  console.log(
    `${server.name}: produce, MB/s, median of ${ROUNDS}: plain ${plain.toFixed(1)}, idempotent ${
      idempotent.toFixed(1)
    }; ` +
      `ratio of medians ${(idempotent / plain).toFixed(3)}, median of the rounds' ratios ${ratio.toFixed(3)}`,
  );
}

async function measureLatency(server: Server): Promise<void> {
  const transactionalId = "bench-transactions";
  const connection = await connect(server.port);
  let identity = await initialize(connection, transactionalId);
  const plain: number[] = [];
  const transactions: number[] = [];
  const counts = [34, 33, 33];
  for (let i = -100; i < SAMPLES; i++) {
    const unnumbered = counts.map((count) => batch(count, null, 0));
    let begin = performance.now();
    await send(connection, "bench-3", unnumbered);
    if (i >= 0) plain.push(performance.now() - begin);

    const owned = counts.map((count) => batch(count, identity, 0, true));
    begin = performance.now();
    await send(connection, "bench-3", owned, transactionalId);
    const ended = await connection.request(endTxn, { transactionalId, ...identity, committed: true });
    if (i >= 0) transactions.push(performance.now() - begin);
    if (ended.errorCode !== 0) throw new Error(`EndTxn was answered with ${ended.errorCode}`);
    identity = ended;
    // So that neither waits for what the one before left behind: markers, the last record of the coordinator.
    await env.sleep(5);
  }
  connection.close();
  const line = (name: string, figures: readonly number[]) =>
    `${name} p50 ${percentile(figures, 0.5).toFixed(2)} p99 ${percentile(figures, 0.99).toFixed(2)}`;
  const ratio = (share: number) => (percentile(transactions, share) / percentile(plain, share)).toFixed(2);
  console.log(
    `${server.name}: 100 records over 3 partitions, ms, ${SAMPLES} samples: ${line("plain", plain)}; ` +
      `${line("transaction", transactions)}; ratios p50 ${ratio(0.5)}, p99 ${ratio(0.99)}`,
  );
}

async function main(names: readonly string[]): Promise<void> {
  for (const name of names.length > 0 ? names : ["kavka"]) {
    const directory = await Deno.makeTempDir({ prefix: "kavka-bench-" });
    const server = await startServer(name as Server["name"], { libs: Deno.env.get("LIBS") ?? "", directory });
    try {
      await using admin = new Admin(env, { bootstrapServers: server.address });
      await admin.createTopic({ name: "bench-1", partitionCount: 1 });
      await admin.createTopic({ name: "bench-3", partitionCount: 3 });
      await measureThroughput(server);
      await measureLatency(server);
    } finally {
      await server.stop();
      await Deno.remove(directory, { recursive: true });
    }
  }
}

if (import.meta.main) await main(Deno.args);
