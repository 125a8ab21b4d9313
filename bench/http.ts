/**
 * HTTP against the wire protocol, in alternating rounds on one server: batches of 100 records of 1 KB, single records on keep-alive
 * connections, and the memory of idle readers of a live tail.
 *
 *     deno run -A bench/http.ts [--seconds 5] [--rounds 3] [--readers 5000]
 *
 * The processor time of the server is printed too, since on a machine that does other things it says more than the rate.
 */
import { encodeRequestFrame } from "../protocol/header.ts";
import { produce } from "../protocol/messages/00_produce.ts";
import { buildBatch } from "../protocol/records/record_batch.ts";
import { concat } from "../lib/bytes.ts";
import { frameLength, httpLength, httpPost, isHttpOk, type Load, load, type Measured } from "./http_load.ts";

const RECORDS = 100;
const RECORD_BYTES = 1_024;
const TICKS_PER_SECOND = 100;
const encoder = new TextEncoder();

function option(name: string, fallback: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  return at === -1 ? fallback : Number(Deno.args[at + 1]);
}

interface Server {
  readonly pid: number;
  readonly http: number;
  readonly kafka: number;
  stop(): Promise<void>;
}

async function startServer(): Promise<Server> {
  const data = await Deno.makeTempDir({ prefix: "kavka-bench-" });
  const main = new URL("../main.ts", import.meta.url).pathname;
  const flags = ["--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--data", data, "--log", "warn"];
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "-A",
      ...Deno.args.filter((arg) => arg.startsWith("--cpu-prof")),
      main,
      ...flags,
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  while (!/kafka listening on \S+:(\d+)\n/.test(text)) text += (await reader.read()).value ?? "";
  reader.releaseLock();
  return {
    pid: child.pid,
    http: Number(/http listening on \S+:(\d+)/.exec(text)?.[1]),
    kafka: Number(/kafka listening on \S+:(\d+)/.exec(text)?.[1]),
    async stop() {
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(data, { recursive: true });
    },
  };
}

/** User and system time of the process so far. */
function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]) / 1_024;
}

interface Round extends Measured {
  readonly cpuMsPerRequest: number;
}

async function measured(server: Server, options: Load): Promise<Round> {
  const before = cpuSeconds(server.pid);
  const result = await load(options);
  const cpuMsPerRequest = (cpuSeconds(server.pid) - before) / result.requests * 1_000;
  return { ...result, cpuMsPerRequest };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function show(name: string, rounds: readonly Round[], records: number): void {
  const rate = median(rounds.map(({ perSecond }) => perSecond));
  console.log(
    `${name.padEnd(34)} ${(rate * records).toFixed(0).padStart(8)} records/s ` +
      `${(rate * records * RECORD_BYTES / 1e6).toFixed(1).padStart(7)} MB/s ` +
      `p50 ${median(rounds.map(({ p50Ms }) => p50Ms)).toFixed(1)} ms ` +
      `p99 ${median(rounds.map(({ p99Ms }) => p99Ms)).toFixed(1)} ms ` +
      `server ${
        (median(rounds.map(({ cpuMsPerRequest }) => cpuMsPerRequest)) * 1_000 / records).toFixed(1)
      } us/record`,
  );
}

async function batches(server: Server, seconds: number, roundCount: number): Promise<void> {
  const value = "x".repeat(RECORD_BYTES);
  const records = Array.from({ length: RECORDS }, () => ({ value }));
  const body = encoder.encode(JSON.stringify({ records }));
  const stored = encoder.encode(value);
  const batch = buildBatch({
    records: records.map(() => ({ key: null, value: stored, headers: [], timestamp: 1_700_000_000_000 })),
  });
  const frame = concat(encodeRequestFrame(produce, 9, 1, "bench", {
    transactionalId: null,
    acks: -1,
    timeoutMs: 30_000,
    topicData: [{ name: "wire", partitionData: [{ index: 0, records: batch }] }],
  }));
  const common = { connections: 8, seconds };
  const http = {
    ...common,
    port: server.http,
    request: httpPost("/v1/topics/http/records?", "application/json", body),
    answerLength: httpLength,
    check: isHttpOk,
  };
  const wire = {
    ...common,
    port: server.kafka,
    request: frame,
    answerLength: frameLength,
    check: (answer: Uint8Array) => answer.length > 20,
  };
  const rounds: { http: Round[]; wire: Round[] } = { http: [], wire: [] };
  for (let round = 0; round < roundCount; round++) {
    rounds.http.push(await measured(server, http));
    rounds.wire.push(await measured(server, wire));
  }
  show("HTTP, 100 x 1 KB, 8 connections", rounds.http, RECORDS);
  show("wire, 100 x 1 KB, 8 connections", rounds.wire, RECORDS);
  const ratio = median(rounds.http.map((each, n) => each.perSecond / (rounds.wire[n]?.perSecond ?? NaN)));
  console.log(`HTTP / wire: ${(ratio * 100).toFixed(0)} %`);
}

async function singles(server: Server, seconds: number, roundCount: number): Promise<void> {
  const contents: [name: string, type: string, body: Uint8Array][] = [
    [
      "HTTP, single JSON record",
      "application/json",
      encoder.encode(JSON.stringify({ key: "k", value: "hello" })),
    ],
    ["HTTP, single raw record", "application/octet-stream", encoder.encode("hello")],
  ];
  for (const [name, type, body] of contents) {
    const rounds: Round[] = [];
    for (let round = 0; round < roundCount; round++) {
      rounds.push(
        await measured(server, {
          connections: 64,
          seconds,
          port: server.http,
          request: httpPost("/v1/topics/single/records", type, body),
          answerLength: httpLength,
          check: isHttpOk,
        }),
      );
    }
    show(`${name}, 64 connections`, rounds, 1);
  }
}

async function readers(server: Server, count: number): Promise<void> {
  const before = residentMb(server.pid);
  const conns: Deno.TcpConn[] = [];
  const request = encoder.encode("GET /v1/topics/single/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  const buffer = new Uint8Array(4_096);
  for (let n = 0; n < count; n++) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.http });
    await conn.write(request);
    await conn.read(buffer);
    conns.push(conn);
  }
  const cpuBefore = cpuSeconds(server.pid);
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const cpu = (cpuSeconds(server.pid) - cpuBefore) / 5 * 100;
  const after = residentMb(server.pid);
  console.log(
    `${count} idle readers of a live tail: ${after.toFixed(0)} MB resident (${before.toFixed(0)} before), ` +
      `${cpu.toFixed(1)} % of a processor`,
  );
  for (const conn of conns) conn.close();
}

const seconds = option("seconds", 5);
const rounds = option("rounds", 3);
const server = await startServer();
try {
  for (const name of ["http", "wire", "single"]) {
    await fetch(`http://127.0.0.1:${server.http}/v1/topics`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name }),
    }).then((response) => response.text());
  }
  // Of a fresh process: what producing left in memory is not the readers'.
  await readers(server, option("readers", 5_000));
  await batches(server, seconds, rounds);
  await singles(server, seconds, rounds);
} finally {
  await server.stop();
}
