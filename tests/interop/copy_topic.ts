/**
 * A topic copied from Kavka to Apache Kafka 4.3.1 and back by consumers and producers of different clients: offsets
 * aside, the same keys, values, headers and timestamps in the same order of each partition.
 */

import assert from "node:assert/strict";
import { ApacheKafka } from "./clients/apache_kafka.ts";
import { assortment, createTopic } from "./clients/contract.ts";
import { type ClientRecord, Program } from "./clients/program.ts";
import { CLIENTS } from "./clients/registry.ts";
import { BOOTSTRAP, check, finish, LONG, unique } from "./clients/suite.ts";

const PARTITIONS = 3;
const PAGE = LONG ? 5_000 : 250;
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];
const RECORDS = LONG ? 30_000 : 1_500;
/** As the runner's server has it: its first look would come after 30 s, in the middle of the long form on a slow machine. */
const RETAINING = { "log.retention.check.interval.ms": "1000", "log.initial.task.delay.ms": "0" };
const PAIRS = [["kafka-clients", "confluent-kafka"], ["franz-go", "aiokafka"]] as const;

function start(name: string, bootstrap: string): Program {
  const client = CLIENTS.find((each) => each.name === name);
  if (client === undefined) throw new Error(`No client "${name}"`);
  return new Program(name, client.command, bootstrap);
}

const withoutOffset = ({ p, k, v, h, t }: ClientRecord): ClientRecord => ({ p, k, v, h, t });

/** The records of each partition in pages, with the codecs in turn. */
async function write(program: Program, topic: string, records: readonly ClientRecord[]): Promise<void> {
  for (let at = 0; at < records.length; at += PAGE) {
    const codec = CODECS[(at / PAGE) % CODECS.length];
    await program.ask("produce", { topic, codec, records: records.slice(at, at + PAGE) });
  }
}

/** All records of `partition` in pages, as a consumer reads them. */
async function* pages(program: Program, topic: string, partition: number): AsyncGenerator<ClientRecord[]> {
  const [end = 0] = await program.ask<number[]>("offsets", { topic, partition, times: [-1] });
  for (let from = 0; from < end;) {
    const count = Math.min(PAGE, end - from);
    const page = await program.ask<ClientRecord[]>("read", { topic, partition, from, count });
    from = (page.at(-1)?.o ?? from) + 1;
    yield page.map(withoutOffset);
  }
}

async function copy(source: Program, from: string, target: Program, to: string): Promise<void> {
  await createTopic(target, to, PARTITIONS);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    let page = 0;
    for await (const records of pages(source, from, partition)) {
      await target.ask("produce", { topic: to, codec: CODECS[page++ % CODECS.length], records });
    }
  }
}

async function assertEqual(program: Program, topic: string, records: readonly ClientRecord[]): Promise<void> {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const expected = records.filter((each) => each.p === partition);
    let at = 0;
    for await (const page of pages(program, topic, partition)) {
      assert.deepEqual(page, expected.slice(at, at + page.length), `partition ${partition} at ${at}`);
      at += page.length;
    }
    assert.equal(at, expected.length, `records of partition ${partition}`);
  }
}

async function copyBothWays(kafka: ApacheKafka, reader: string, writer: string): Promise<void> {
  const topic = `copy-${unique()}`;
  const records = assortment(RECORDS, PARTITIONS);
  await using here = start(reader, BOOTSTRAP);
  await using hereWriter = start(writer, BOOTSTRAP);
  await using there = start(reader, kafka.bootstrap);
  await using thereWriter = start(writer, kafka.bootstrap);
  await createTopic(here, topic, PARTITIONS);
  await write(hereWriter, topic, records);
  await copy(here, topic, thereWriter, topic);
  await assertEqual(there, topic, records);
  await copy(there, topic, hereWriter, `${topic}-back`);
  await assertEqual(here, `${topic}-back`, records);
}

async function main(): Promise<void> {
  await using kafka = await ApacheKafka.start(Deno.env.get("LIBS") ?? "", RETAINING);
  for (const [reader, writer] of PAIRS.slice(0, LONG ? PAIRS.length : 1)) {
    const name = `${RECORDS} records from Kavka to Apache Kafka and back: ${reader} reads, ${writer} writes`;
    await check(name, () => copyBothWays(kafka, reader, writer));
  }
}

await main();
finish();
