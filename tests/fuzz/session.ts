/**
 * The fuzz run: damaged frames against a server process, for a time, from a seed.
 *
 * Judged: the server is the same process at the end and logs no stack trace (the runner looks at both), a client that
 * does nothing wrong is answered within its deadline all along and reads exactly what it wrote, topics that no frame
 * names stay empty, every record lies in the topic that it was sent to, and memory comes back.
 *
 * KAVKA_FUZZ_SECONDS (30), KAVKA_FUZZ_SEED (the day); frame N of a seed is the same in every run. Run by
 * `deno task test:interop fuzz`.
 */

import assert from "node:assert/strict";
import { Admin, Consumer, Producer, realEnv } from "../../client/mod.ts";
import { Rng } from "../../sim/rng.ts";
import { BOOTSTRAP, check, finish } from "../interop/clients/suite.ts";
import { mutate, sized } from "./mutate.ts";
import { produceFrames, recordedFrames } from "./valid_frames.ts";

const SECONDS = Number(Deno.env.get("KAVKA_FUZZ_SECONDS") ?? "30");
const SEED = Deno.env.get("KAVKA_FUZZ_SEED") ?? "2026-11-22";
const PID = Deno.env.get("SERVER_PID");

const CONNECTIONS = 8;
/** A parked request (a join, a long poll) is left after this time. */
const ANSWER_MS_MAX = 100;
/** How long the client that does nothing wrong may wait for an answer. */
const DISTURBED_MS_MAX = 5_000;
const RESIDENT_MB_MAX = 900;
/** Between the second and the last quarter of the run. */
const GROWTH_MB_MAX = 150;
const PARTITIONS = 2;
/** A topic of more goes again: a damaged frame may ask for thousands, and memory that it asked for is no growth. */
const TOPIC_PARTITIONS_MAX = 100;
const TIDY_EVERY_MS = 5_000;

// Names that no damage turns into one another.
const TARGETS = ["aaaaaaaaaaaaaaaa", "zzzzzzzzzzzzzzzz"];
const WITNESS = "witness-of-the-client-that-does-nothing-wrong";
const UNTOUCHED = "untouched-by-any-frame";

const [hostname = "127.0.0.1", port = "9092"] = BOOTSTRAP.split(":");
const env = realEnv();
const client = {
  bootstrapServers: BOOTSTRAP,
  callTimeoutMs: DISTURBED_MS_MAX,
  requestTimeoutMs: DISTURBED_MS_MAX,
};

const frames = [...recordedFrames(), ...TARGETS.flatMap((topic) => produceFrames(topic, PARTITIONS))];
// Half of the frames should be ones that can write.
const writing = TARGETS.flatMap((topic) => produceFrames(topic, PARTITIONS));

interface Counts {
  sent: number;
  answered: number;
  closed: number;
  silent: number;
}

/** Whether bytes came, the peer closed, or nothing happened in time. */
async function answer(conn: Deno.Conn, buffer: Uint8Array): Promise<"answered" | "closed" | "silent"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<"silent">((resolve) =>
    timer = setTimeout(() => resolve("silent"), ANSWER_MS_MAX)
  );
  const read = conn.read(buffer).then(
    (count) => count === null ? "closed" as const : "answered" as const,
    () => "closed" as const,
  );
  const outcome = await Promise.race([read, silence]);
  clearTimeout(timer);
  return outcome;
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<boolean> {
  try {
    for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
    return true;
  } catch {
    // The server closed the connection at what came before.
    return false;
  }
}

/** Sends frames on connections of its own until the time is over; a connection lives for one to some frames. */
async function sendFrames(next: () => number, until: number, counts: Counts): Promise<void> {
  const buffer = new Uint8Array(65_536);
  while (performance.now() < until) {
    const conn = await Deno.connect({ hostname, port: Number(port) });
    try {
      for (let open = true; open && performance.now() < until;) {
        const rng = new Rng(`${SEED}/${next()}`);
        const frame = mutate(rng, rng.pick(rng.chance(0.3) ? writing : frames));
        counts.sent++;
        const outcome = (await writeAll(conn, sized(rng, frame))) ? await answer(conn, buffer) : "closed";
        counts[outcome]++;
        open = outcome === "answered" && rng.chance(0.9);
      }
    } finally {
      conn.close();
    }
  }
}

/** Writes to its topic and reads metadata in turn; the longest answer in milliseconds is what it returns. */
async function undisturbed(until: number, wrote: string[]): Promise<number> {
  await using producer = new Producer(env, { ...client, lingerMs: 0, deliveryTimeoutMs: DISTURBED_MS_MAX });
  const admin = new Admin(env, client);
  let longest = 0;
  try {
    while (performance.now() < until) {
      const begin = performance.now();
      const value = `record ${wrote.length}`;
      await producer.send({ topic: WITNESS, partition: 0, value });
      wrote.push(value);
      assert.ok((await admin.listTopics()).includes(WITNESS), "the witness is not listed");
      longest = Math.max(longest, performance.now() - begin);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    admin.close();
  }
  return longest;
}

/** Deletes topics that are much too wide. */
async function tidied(until: number): Promise<void> {
  const admin = new Admin(env, client);
  try {
    while (performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(TIDY_EVERY_MS, until - performance.now())));
      for (const { name, partitions } of await admin.describeTopics(null)) {
        if (partitions.length > TOPIC_PARTITIONS_MAX) await admin.deleteTopics([name]);
      }
    }
  } finally {
    admin.close();
  }
}

async function readAll(topic: string): Promise<string[]> {
  await using consumer = new Consumer(env, { ...client, offsetReset: "earliest" });
  await consumer.assignTopic(topic);
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }));
  const ends = await consumer.offsets(partitions, "latest");
  let left = ends.reduce((sum, each) => sum + each.offset, 0);
  const values: string[] = [];
  const decoder = new TextDecoder();
  while (left > 0) {
    const records = await consumer.poll({ timeoutMs: DISTURBED_MS_MAX });
    assert.ok(records.length > 0, `${topic}: ${left} records do not come`);
    for (const record of records) values.push(decoder.decode(record.value ?? new Uint8Array()));
    left -= records.length;
  }
  return values;
}

/** Resident memory of the server in MB; NaN where it cannot be seen. */
function residentMb(): number {
  if (PID === undefined) return NaN;
  const status = Deno.readTextFileSync(`/proc/${PID}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** Lowest resident memory of the seconds from `from` to `to` (shares of the run). */
function lowestMb(samples: readonly number[], from: number, to: number): number {
  return Math.min(
    ...samples.slice(Math.floor(samples.length * from), Math.max(1, Math.ceil(samples.length * to))),
  );
}

async function createTopics(): Promise<void> {
  const admin = new Admin(env, client);
  for (const name of [...TARGETS, WITNESS, UNTOUCHED]) {
    // The frames' records are old: retention would take them in a long run.
    const configs = { "retention.ms": "-1" };
    await admin.createTopic({ name, partitionCount: PARTITIONS, replicationFactor: 1, configs });
  }
  admin.close();
}

async function main(): Promise<void> {
  await createTopics();
  const counts: Counts = { sent: 0, answered: 0, closed: 0, silent: 0 };
  const wrote: string[] = [];
  const samples: number[] = [];
  let number = 0;
  const until = performance.now() + SECONDS * 1_000;
  const sampler = setInterval(() => samples.push(residentMb()), 1_000);

  await check(`seed ${SEED}, ${SECONDS} s: a client that does nothing wrong is not disturbed`, async () => {
    const senders = Array.from({ length: CONNECTIONS }, () => sendFrames(() => number++, until, counts));
    const [longest] = await Promise.all([undisturbed(until, wrote), tidied(until), ...senders]);
    return `${wrote.length} records, the longest answer ${longest.toFixed(0)} ms`;
  });
  clearInterval(sampler);

  await check("frames were answered, and refused", () => {
    assert.ok(counts.answered > counts.sent / 20, `${counts.answered} of ${counts.sent} answered`);
    assert.ok(counts.closed > counts.sent / 20, `${counts.closed} of ${counts.sent} closed`);
    return Promise.resolve(JSON.stringify(counts));
  });

  await check("what that client wrote is what it reads", async () => {
    assert.deepEqual(await readAll(WITNESS), wrote);
  });

  for (const topic of TARGETS) {
    await check(`${topic}: every record was sent to it`, async () => {
      const values = await readAll(topic);
      assert.deepEqual(values.filter((each) => each !== topic), []);
      assert.ok(values.length > 0, "no damaged frame was written");
      return `${values.length} records`;
    });
  }

  await check("a topic that no frame names is empty", async () => {
    assert.deepEqual(await readAll(UNTOUCHED), []);
  });

  await check("memory is bounded and does not grow", () => {
    const [early, late] = [lowestMb(samples, 0.25, 0.5), lowestMb(samples, 0.75, 1)];
    const highest = Math.max(...samples);
    const detail = `${early.toFixed(0)} MB, later ${late.toFixed(0)} MB, at most ${highest.toFixed(0)} MB`;
    assert.ok(highest < RESIDENT_MB_MAX, detail);
    assert.ok(late < early + GROWTH_MB_MAX, detail);
    return Promise.resolve(PID === undefined ? "not seen: no process id" : detail);
  });
}

await main();
finish();
