/** Groups whose members are different clients: classic (range), group.protocol=consumer, and both in one group. */

import { MixedGroup } from "./clients/mixed_group.ts";
import { type Client, CLIENTS } from "./clients/registry.ts";
import { check, finish, LONG } from "./clients/suite.ts";

function client(name: string): Client {
  const found = CLIENTS.find((each) => each.name === name);
  if (found === undefined) throw new Error(`No client "${name}"`);
  return found;
}

const MODERN = ["kafka-clients", "confluent-kafka", "franz-go", "@platformatic/kafka"];
const PRODUCER = client("franz-go");

/**
 * kafka-go stands apart: it writes version 1 of the subscription without the owned partitions that belong to it, which
 * other clients' assignors cannot read. With Apache Kafka it is the same.
 */
const CLASSIC = CLIENTS.filter((each) => each.name !== "segmentio/kafka-go");

await check(
  "eight clients in one classic group, range: every record once while they join and leave",
  async () => {
    await using group = new MixedGroup();
    await group.open(PRODUCER);
    await group.produce(20);
    for (const each of CLASSIC) await group.join(each, "classic");
    await group.produce(20);
    await group.settle();
    for (const leaving of ["kafka-clients", "kafkajs"]) {
      await group.leave(leaving);
      await group.produce(10);
      await group.settle();
    }
    await group.join(client("kafkajs"), "classic");
    await group.produce(10);
    await group.settle();
    return group.assertOnce();
  },
);

async function modernGroup(): Promise<string> {
  await using group = new MixedGroup();
  await group.open(PRODUCER);
  await group.produce(20);
  for (const name of MODERN) await group.join(client(name), "consumer");
  await group.produce(20);
  await group.settle();
  for (const leaving of MODERN.slice(0, 2)) {
    await group.leave(leaving);
    await group.produce(10);
    await group.settle();
  }
  return group.assertOnce();
}

async function bothProtocols(): Promise<string> {
  await using group = new MixedGroup();
  await group.open(PRODUCER);
  await group.produce(20);
  const classic = ["kafka-python", "kafkajs", "sarama", "aiokafka"];
  for (const name of classic) await group.join(client(name), "classic");
  await group.settle();
  for (const name of MODERN) await group.join(client(name), "consumer");
  await group.produce(20);
  await group.settle();
  for (const leaving of [...classic.slice(0, 2), ...MODERN.slice(0, 2)]) {
    await group.leave(leaving);
    await group.produce(10);
    await group.settle();
  }
  return group.assertOnce();
}

if (LONG) {
  // The short form is left to groups.py, which has librdkafka and Kafka's own consumer in such groups. On a busy machine
  // @platformatic/kafka commits with the epoch of a moment ago and takes the refusal for an error.
  await check(
    "four clients in one group of the consumer protocol: every record once while they join and leave",
    modernGroup,
  );
  await check(
    "classic members and members of the consumer protocol in one group: every record once",
    bothProtocols,
  );
}

finish();
