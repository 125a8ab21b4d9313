/** What every client must be able to do: the checks of programs/CONTRACT.md, the same for all of them. */

import assert from "node:assert/strict";
import { ClientError, type ClientRecord, type Program, type Taken } from "./program.ts";

export interface Check {
  readonly name: string;
  run(program: Program, around: Surroundings): Promise<void>;
}

/** Names of topics and groups that nobody else uses, and what the client has nothing for. */
export interface Surroundings {
  readonly prefix: string;
  readonly lacks: readonly string[];
  /** A topic of three partitions that the check may write to; the first call creates it. */
  shared(): Promise<string>;
}

const PARTITIONS = 3;
const BASE_MS = 1_700_000_000_000;
const MESSAGE_TOO_LARGE = 10;
/** UNKNOWN_TOPIC_OR_PARTITION and LEADER_NOT_AVAILABLE: of a topic that was created a moment ago. */
const NOT_YET = [3, 5];

const base64 = (bytes: Uint8Array) => bytes.toBase64();
const text = (value: string) => base64(new TextEncoder().encode(value));

/** Bytes that no codec makes smaller, the same for the same seed. */
export function noise(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = seed * 2_654_435_761 + 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Records of every kind: no key, no value, empty ones, bytes that are no text, headers, odd timestamps. */
export function assortment(count: number, partitionCount: number): ClientRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    p: i % partitionCount,
    k: i % 5 === 0 ? null : base64(Uint8Array.of(i & 0xff, 0, 0xff, 0xc3)),
    v: i % 7 === 3 && i % 5 !== 0 ? null : base64(noise(i % 300, i)),
    h: i % 4 === 0 ? [["trace", text(`id ${i}`)], ["größe", base64(Uint8Array.of(0, i & 0xff))]] : [],
    t: BASE_MS + i * 7,
  }));
}

const withoutOffset = ({ p, k, v, h, t }: ClientRecord) => ({ p, k, v, h, t });

/** Fails unless what was read of each partition is what was sent to it, in that order, at rising offsets. */
export async function assertReadsBack(
  program: Program,
  topic: string,
  sent: readonly ClientRecord[],
  from: ReadonlyMap<number, number> = new Map(),
): Promise<void> {
  for (const partition of new Set(sent.map((each) => each.p))) {
    const expected = sent.filter((each) => each.p === partition);
    const start = from.get(partition) ?? 0;
    const got = await program.ask<ClientRecord[]>("read", {
      topic,
      partition,
      from: start,
      count: expected.length,
    });
    assert.deepEqual(got.map(withoutOffset), expected.map(withoutOffset), `partition ${partition}`);
    assert.deepEqual(got.map((each) => each.o), expected.map((_, i) => start + i), `offsets of ${partition}`);
  }
}

async function endOffsets(program: Program, topic: string): Promise<Map<number, number>> {
  const ends = new Map<number, number>();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const [end] = await program.ask<number[]>("offsets", { topic, partition, times: [-1] });
    ends.set(partition, end ?? -1);
  }
  return ends;
}

async function errorCode(action: Promise<unknown>): Promise<number | null> {
  try {
    await action;
  } catch (error) {
    if (error instanceof ClientError) return error.code;
    throw error;
  }
  return 0;
}

async function until(holds: () => Promise<boolean>, what: () => string): Promise<void> {
  const deadline = performance.now() + 40_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it did not come about: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

interface Metadata {
  readonly brokers: readonly number[];
  readonly partitions: readonly { readonly id: number; readonly leader: number }[];
}

/**
 * Creates a topic and waits until the client sees a leader of each partition, which takes a moment with Apache Kafka. It
 * keeps its records whatever their age: with the default of seven days the server may delete ours, of 2023, at any time.
 */
export async function createTopic(program: Program, topic: string, partitions: number): Promise<void> {
  await program.ask("createTopic", { topic, partitions, configs: { "retention.ms": "-1" } });
  await until(async () => {
    try {
      const found = await program.ask<Metadata>("metadata", { topic });
      return found.partitions.length === partitions && found.partitions.every(({ leader }) => leader >= 0);
    } catch (error) {
      if (error instanceof ClientError && NOT_YET.includes(error.code ?? 0)) return false;
      throw error;
    }
  }, () => `${topic} has ${partitions} partitions with leaders`);
}

async function checkMetadata(program: Program, around: Surroundings): Promise<void> {
  const topic = await around.shared();
  const found = await program.ask<Metadata>("metadata", { topic });
  assert.ok(found.brokers.length > 0, "no brokers");
  assert.deepEqual(found.partitions.map((each) => each.id).sort(), [0, 1, 2]);
  for (const each of found.partitions) {
    assert.ok(found.brokers.includes(each.leader), `leader ${each.leader}`);
  }
}

async function checkAdmin(program: Program, around: Surroundings): Promise<void> {
  const topic = `${around.prefix}-admin`;
  const key = "retention.ms";
  await program.ask("createTopic", { topic, partitions: 2, configs: { [key]: "3600000" } });
  // What was just changed may take a moment to be seen, with Apache Kafka too.
  const listed = async () => (await program.ask<string[]>("listTopics")).includes(topic);
  await until(listed, () => `${topic} is listed`);
  assert.equal(await program.ask<string>("describeConfig", { topic, key }), "3600000");
  await program.ask("alterConfig", { topic, key, value: "7200000" });
  const changed = async () => await program.ask<string>("describeConfig", { topic, key }) === "7200000";
  await until(changed, () => `${key} of ${topic} is changed`);
  await program.ask("createPartitions", { topic, count: 4 });
  await until(async () => {
    const { partitions } = await program.ask<{ partitions: unknown[] }>("metadata", { topic });
    return partitions.length === 4;
  }, () => `${topic} has four partitions`);
  await program.ask("deleteTopic", { topic });
  await until(async () => !(await listed()), () => `${topic} is gone`);
}

async function checkErrors(program: Program, around: Surroundings): Promise<void> {
  const topic = await around.shared();
  const create = (name: string, configs = {}) =>
    errorCode(program.ask("createTopic", { topic: name, partitions: 1, configs }));
  const large: ClientRecord = { p: 0, k: null, v: base64(noise(1_200_000, 1)), h: [], t: BASE_MS };
  assert.deepEqual({
    exists: await create(topic),
    name: await create("no/slash"),
    setting: await create(`${around.prefix}-setting`, { "retention.ms": "soon" }),
    unknown: await errorCode(program.ask("deleteTopic", { topic: `${around.prefix}-nowhere` })),
    large: await errorCode(program.ask("produce", { topic, codec: "none", records: [large] })),
  }, { exists: 36, name: 17, setting: 40, unknown: 3, large: MESSAGE_TOO_LARGE });
}

async function checkRecords(program: Program, around: Surroundings): Promise<void> {
  const topic = `${around.prefix}-records`;
  await createTopic(program, topic, PARTITIONS);
  const records = assortment(120, PARTITIONS).map((each) =>
    each.v === "" && around.lacks.includes("empty value") ? { ...each, v: null } : each
  );
  await program.ask("produce", { topic, codec: "none", records });
  await assertReadsBack(program, topic, records);
}

async function checkCodec(codec: string, program: Program, around: Surroundings): Promise<void> {
  const topic = await around.shared();
  const records = Array.from({ length: 500 }, (_, i): ClientRecord => {
    return {
      p: i % PARTITIONS,
      k: text(`key ${i % 20}`),
      v: text(`${codec} ${i} `.repeat(40)),
      h: [],
      t: BASE_MS + i,
    };
  });
  const from = await endOffsets(program, topic);
  await program.ask("produce", { topic, codec, records });
  await assertReadsBack(program, topic, records, from);
}

async function checkLargeRecord(program: Program, around: Surroundings): Promise<void> {
  const topic = await around.shared();
  const from = await endOffsets(program, topic);
  const record: ClientRecord = { p: 1, k: text("large"), v: base64(noise(1_000_000, 7)), h: [], t: BASE_MS };
  await program.ask("produce", { topic, codec: "none", records: [record] });
  await assertReadsBack(program, topic, [record], from);
}

/** A topic whose first partition has 50 records, 1,000 ms apart. */
async function fifty(program: Program, topic: string): Promise<ClientRecord[]> {
  await createTopic(program, topic, 1);
  const records = Array.from({ length: 50 }, (_, i): ClientRecord => {
    return { p: 0, k: null, v: text(`record ${i}`), h: [], t: BASE_MS + 1_000 * i };
  });
  await program.ask("produce", { topic, codec: "none", records });
  return records;
}

async function checkSeek(program: Program, around: Surroundings): Promise<void> {
  const topic = `${around.prefix}-seek`;
  const records = await fifty(program, topic);
  const offsets = [25, 0, 49, 10];
  const got = await program.ask<ClientRecord[]>("seek", { topic, partition: 0, offsets });
  assert.deepEqual(got, offsets.map((offset) => ({ o: offset, ...records[offset] })));
}

async function checkTimes(program: Program, around: Surroundings): Promise<void> {
  const topic = `${around.prefix}-times`;
  await fifty(program, topic);
  const times = [-2, -1, BASE_MS, BASE_MS + 20_001, BASE_MS + 49_000, BASE_MS + 60_000];
  const got = await program.ask<number[]>("offsets", { topic, partition: 0, times });
  assert.deepEqual(got.slice(0, -1), [0, 50, 0, 21, 49]);
  // Nothing is so late: Kafka says -1, which some clients turn into the end.
  assert.ok([-1, 50].includes(got.at(-1) ?? 0), `after the last record: ${got.at(-1)}`);
}

/** A member takes everything and leaves; the next one of its group gets what came later and nothing else. */
async function checkGroup(protocol: string, program: Program, around: Surroundings): Promise<void> {
  const topic = `${around.prefix}-group-${protocol}`;
  const group = `${around.prefix}-${protocol}`;
  await createTopic(program, topic, PARTITIONS);
  let next = 0;
  for (const count of [90, 60]) {
    const records = Array.from({ length: count }, (_, i): ClientRecord => {
      return { p: i % PARTITIONS, k: null, v: text(`${i}`), h: [], t: BASE_MS };
    });
    await program.ask("produce", { topic, codec: "none", records });
    await program.ask("join", { topic, group, protocol });
    const taken: (readonly [number, number])[] = [];
    await until(async () => {
      taken.push(...(await program.ask<Taken>("take")).records);
      return taken.length >= count;
    }, () => `${count} records, got ${taken.length}`);
    taken.push(...(await program.ask<Taken>("leave")).records);
    const expected = records.map(({ p }, i) => [p, next + Math.floor(i / PARTITIONS)]);
    const order = (a: readonly number[], b: readonly number[]) => a[0]! - b[0]! || a[1]! - b[1]!;
    assert.deepEqual(taken.sort(order), expected.sort(order));
    next += count / PARTITIONS;
  }
}

const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];

export const CHECKS: readonly Check[] = [
  { name: "metadata", run: checkMetadata },
  { name: "admin", run: checkAdmin },
  { name: "errors", run: checkErrors },
  { name: "records", run: checkRecords },
  ...CODECS.map((codec) => ({
    name: `codec ${codec}`,
    run: (program: Program, around: Surroundings) => checkCodec(codec, program, around),
  })),
  { name: "1 MB record", run: checkLargeRecord },
  { name: "seek", run: checkSeek },
  { name: "offsets by timestamp", run: checkTimes },
  { name: "group classic", run: (program, around) => checkGroup("classic", program, around) },
  { name: "group consumer", run: (program, around) => checkGroup("consumer", program, around) },
];
