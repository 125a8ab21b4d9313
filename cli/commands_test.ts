import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import { consumerOptions, parseConsumerArguments, startOf } from "./console_consumer.ts";
import { consoleProducer, parseProducerArguments, producerOptions } from "./console_producer.ts";
import { HelpShown, type Terminal, utf8 } from "./command_line.ts";
import { formatConsumers } from "./consumers.ts";
import { translate } from "./kavka.ts";
import { PropertyReader } from "./properties_file.ts";
import { serverStop } from "./server_stop.ts";
import { topicMatcher } from "./topic_filter.ts";
import { assignmentOf, parseTopicsArguments } from "./topics.ts";
import { formatTopic } from "./topics_describe.ts";
import { zookeeperServerStart } from "./zookeeper_server_start.ts";

function terminal(): Terminal & { out: string[]; errors: string[] } {
  const out: string[] = [];
  const errors: string[] = [];
  const decoder = new TextDecoder();
  return {
    env: realEnv(),
    variable: () => undefined,
    writeOut: (bytes) => {
      out.push(decoder.decode(bytes));
      return Promise.resolve();
    },
    writeError: (line) => void errors.push(line),
    out,
    errors,
  };
}

const none = () => new PropertyReader(new Map());

Deno.test("kafka-topics.sh needs exactly one action, and a topic for some", () => {
  const line = "--create --zookeeper localhost:2181 --replication-factor 1 --partitions 1 --topic test";
  const { action, options } = parseTopicsArguments(line.split(" "));
  assert.equal(action, "create");
  assert.deepEqual(options, {
    create: true,
    zookeeper: "localhost:2181",
    replicationFactor: 1,
    partitions: 1,
    topic: "test",
  });
  assert.throws(() => parseTopicsArguments([]), /exactly one action/);
  assert.throws(() => parseTopicsArguments(["--list", "--describe"]), /exactly one action/);
  assert.throws(() => parseTopicsArguments(["--create"]), /Missing required argument "\[topic\]"/);
  for (
    const [wrong, message] of [
      ["--alter --topic t", /Missing required argument "\[partitions\]"/],
      ["--alter --topic t --partitions 2 --config a=b", /the kafka-configs tool can be used/],
      ["--describe --partitions 2", /"\[partitions\]" can't be used with option "\[describe\]"/],
      [
        "--create --topic t --replica-assignment 1 --partitions 1",
        /can't be used with option "\[partitions\]"/,
      ],
      ["--list --topics-with-overrides", /can't be used with option "\[list\]"/],
      ["--describe --if-exists", /--topic or --topic-id is required/],
    ] as const
  ) assert.throws(() => parseTopicsArguments(wrong.split(" ")), message, wrong);
});

Deno.test("assignmentOf() reads brokers of partitions and refuses what cannot be", () => {
  assert.deepEqual(assignmentOf("1:2,2:1"), [[1, 2], [2, 1]]);
  assert.equal(assignmentOf(undefined), undefined);
  assert.throws(() => assignmentOf("1:1"), /may not contain duplicate entries: 1/);
  assert.throws(() => assignmentOf("1:2,1"), /Partition 1 has different replication factor/);
  assert.throws(() => assignmentOf("1,x"), /For input string: "x"/);
});

Deno.test("formatTopic() prints what Kafka's TopicCommand prints", () => {
  const told = { leaderEpoch: 0, offlineReplicas: [], eligibleLeaderReplicas: [2, 3], lastKnownElr: [] };
  const untold = { eligibleLeaderReplicas: null, lastKnownElr: null };
  const topic = {
    name: "test",
    topicId: "796aaa8d-24dd-4361-a266-3f92491cabca",
    isInternal: false,
    partitions: [
      { ...told, partition: 0, leader: 1, replicas: [1, 2], isr: [1] },
      { ...told, partition: 1, leader: -1, replicas: [2, 1], isr: [], ...untold },
    ],
  };
  const config = { isReadOnly: false, isSensitive: false, source: "UNKNOWN", synonyms: [] } as const;
  const configs = [
    { ...config, name: "cleanup.policy", value: "compact", isDefault: false },
    { ...config, name: "retention.ms", value: "1", isDefault: true },
    { ...config, name: "segment.ms", value: "2", isDefault: false },
  ];
  assert.equal(
    formatTopic(topic, configs),
    "Topic: test\tTopicId: eWqqjSTdQ2GiZj-SSRyryg\tPartitionCount: 2\tReplicationFactor: 2\tConfigs: cleanup.policy=compact,segment.ms=2\n" +
      "\tTopic: test\tPartition: 0\tLeader: 1\tReplicas: 1,2\tIsr: 1\tElr: 2,3\tLastKnownElr: \n" +
      "\tTopic: test\tPartition: 1\tLeader: none\tReplicas: 2,1\tIsr: \tElr: N/A\tLastKnownElr: N/A\n",
  );
});

Deno.test("topicMatcher() matches whole names, commas mean or", () => {
  const matches = (pattern: string, names: string[]) => names.filter(topicMatcher(pattern));
  assert.deepEqual(matches("a,b.*", ["a", "aa", "b", "bc", "c"]), ["a", "b", "bc"]);
  assert.throws(() => topicMatcher("["), /invalid regex/);
});

Deno.test("kafka-console-producer.sh turns flags and properties into options of the client", () => {
  const options = parseProducerArguments([
    "--topic",
    "t",
    "--compression-codec",
    "--request-required-acks",
    "-1",
  ]);
  const result = producerOptions(options, none(), "b:1");
  assert.equal(result.compression, "gzip");
  assert.equal(result.acks, "all");
  const properties = new PropertyReader(new Map([["acks", "1"], ["linger.ms", "7"], ["foo", "bar"]]));
  const second = producerOptions(
    parseProducerArguments(["--topic", "t", "--batch-size", "99"]),
    properties,
    "b:1",
  );
  assert.equal(second.acks, 1);
  assert.equal(second.lingerMs, 7);
  assert.equal(second.batchBytesMax, 99);
  assert.deepEqual(properties.unused(), ["foo"]);
  const wrong = parseProducerArguments(["--topic", "t", "--compression-codec", "zip"]);
  assert.throws(() => producerOptions(wrong, none(), "b:1"), /not one of none, gzip/);
  assert.throws(() => parseProducerArguments([]), /Missing required argument "\[topic\]"/);
});

Deno.test("kafka-console-producer.sh fails with one line when no broker answers, and stops reading", async () => {
  const out = terminal();
  const refused: Terminal = {
    ...out,
    env: { ...out.env, connect: () => Promise.reject(new Error("refused")) },
  };
  let readCount = 0;
  const endless = {
    read: () =>
      new Promise<Uint8Array>((resolve) => setTimeout(() => resolve(utf8(`line ${readCount++}\n`)), 2)),
    prompt: () => Promise.resolve(),
  };
  const args = ["--bootstrap-server", "b:1", "--topic", "t", "--max-block-ms", "30"];
  assert.equal(await consoleProducer(args, refused, endless), 1);
  assert.match(out.errors.join("\n"), /Cannot connect to b:1: refused/);
});

Deno.test("kafka-console-consumer.sh checks combinations in Kafka's words", () => {
  const parse = (line: string) =>
    parseConsumerArguments(["--topic", "t", ...line.split(" ").filter(Boolean)]);
  assert.throws(() => parse("--offset 1"), /The partition is required when offset is specified/);
  assert.throws(() => parse("--partition 0 --offset 1 --from-beginning"), /cannot be specified together/);
  assert.throws(() => parse("--partition 0 --group g"), /cannot be specified together/);
  assert.throws(() => parse("--partition 0 --offset x"), /The provided offset value 'x' is incorrect/);
  assert.throws(() => parseConsumerArguments([]), /Missing required argument/);
  assert.equal(startOf(parse("--partition 0 --offset 12")), 12);
  assert.equal(startOf(parse("--partition 0 --offset Earliest")), "earliest");
  assert.equal(startOf(parse("--from-beginning")), "earliest");
  assert.equal(startOf(parse("")), "latest");
});

Deno.test("kafka-console-consumer.sh takes the group from a flag or a property, and none for one partition", () => {
  const group = () => new PropertyReader(new Map([["group.id", "p"], ["auto.offset.reset", "earliest"]]));
  const options = (line: string) =>
    consumerOptions(
      parseConsumerArguments(["--topic", "t", ...line.split(" ").filter(Boolean)]),
      group(),
      "b:1",
    );
  assert.equal(options("--group g").groupId, "g");
  assert.equal(options("").groupId, "p");
  assert.equal(options("--partition 0").groupId, undefined);
  assert.equal(options("").offsetReset, "earliest");
  assert.throws(() => options("--isolation-level foo"), /not one of/);
});

Deno.test("kavka translates nouns and verbs into Kafka's commands", () => {
  assert.deepEqual(translate(["topic", "create", "t", "--partitions", "2"]), {
    command: "topics",
    args: ["--create", "--topic", "t", "--partitions", "2"],
  });
  assert.deepEqual(translate(["topic", "describe"]), { command: "topics", args: ["--describe"] });
  assert.deepEqual(translate(["consume", "t", "--from-beginning"]), {
    command: "consume",
    args: ["--topic", "t", "--from-beginning"],
  });
  assert.deepEqual(translate([]), { command: "help" });
  for (const wrong of [["frob"], ["topic"], ["topic", "create"], ["produce", "--sync"]]) {
    assert.throws(() => translate(wrong), { name: "UsageError" });
  }
});

Deno.test("kavka consumers prints a line for each member", () => {
  const member = { clientId: "c", host: "/127.0.0.1", lastHeartbeatMs: 1_000 };
  const assignment = [{ topic: "t", partitions: [0, 2] }, { topic: "u", partitions: [1] }];
  assert.equal(
    formatConsumers([
      { ...member, groupId: "g", memberId: "m1", assignment, lag: 12 },
      { ...member, groupId: "g", memberId: "m2", assignment: [], lag: null },
    ], 2_500),
    "GROUP    CONSUMER-ID CLIENT-ID HOST       LAST-HEARTBEAT LAG      PARTITIONS\n" +
      "g        m1          c         /127.0.0.1 1.5 s ago      12       t:0,2;u:1\n" +
      "g        m2          c         /127.0.0.1 1.5 s ago      -        -\n",
  );
});

Deno.test("zookeeper-server-start.sh wants a file that exists", async () => {
  const out = terminal();
  const file = await Deno.makeTempFile();
  assert.equal(await zookeeperServerStart(["-daemon", file], out), 0);
  assert.match(out.out.join(""), /supervisor inside the broker/);
  await assert.rejects(zookeeperServerStart([`${file}.missing`], out), { name: "UsageError" });
  await assert.rejects(zookeeperServerStart([], out), /USAGE/);
  await Deno.remove(file);
});

Deno.test("kafka-server-stop.sh names nobody when the lock is free, whatever the file says", async () => {
  const out = terminal();
  const directory = await Deno.makeTempDir();
  await assert.rejects(serverStop(["--data", directory], out), /No kafka server to stop/);
  await Deno.writeTextFile(`${directory}/kavka.lock`, "1\n");
  await Deno.writeTextFile(`${directory}/server.properties`, `log.dirs=${directory}\n`);
  await assert.rejects(serverStop([`${directory}/server.properties`], out), /No kafka server to stop/);
  assert.deepEqual(out.out, []);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("--help ends without error", () => {
  assert.throws(() => parseTopicsArguments(["--help"]), HelpShown);
});
