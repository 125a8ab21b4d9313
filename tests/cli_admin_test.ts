/** The administrative commands against a broker in this process: what they print and their exit codes. */
import assert from "node:assert/strict";
import { configs } from "../cli/configs.ts";
import { consumerPerfTest } from "../cli/consumer_perf.ts";
import { deleteRecords, recordsToDelete } from "../cli/delete_records.ts";
import { getOffsets, parseGetOffsetsArguments } from "../cli/get_offsets.ts";
import { logDirs } from "../cli/log_dirs.ts";
import { producerPerfTest } from "../cli/producer_perf.ts";
import { topics } from "../cli/topics.ts";
import { type CliTerminal, cliTerminal, run } from "./cli_terminal.ts";
import { Admin, Producer, realEnv } from "../client/mod.ts";
import { serveBroker } from "./served_broker.ts";

Deno.test("kafka-topics.sh adds partitions, and says why it cannot", async () => {
  await using served = await serveBroker();
  const terminal: CliTerminal = cliTerminal(served.bootstrapServers);
  const kafkaTopics = (line: string) => run(topics, line, terminal);
  assert.deepEqual(
    await kafkaTopics("--create --topic a --replica-assignment 1,1,1 --config retention.ms=5"),
    {
      code: 0,
      out: "Created topic a.\n",
    },
  );
  await kafkaTopics("--create --topic b");
  assert.deepEqual(await kafkaTopics("--alter --topic a --partitions 5"), { code: 0, out: "" });
  assert.deepEqual(await kafkaTopics("--alter --topic a --partitions 2"), {
    code: 1,
    out: "Error while executing topic command : " +
      "The topic a currently has 5 partition(s); 2 would not be an increase.\n",
  });
  assert.deepEqual(await kafkaTopics("--alter --topic nope --partitions 2"), {
    code: 1,
    out: "Error while executing topic command : Topic 'nope' does not exist as expected\n",
  });
  assert.deepEqual(await kafkaTopics("--alter --topic nope --partitions 2 --if-exists"), {
    code: 0,
    out: "",
  });
  const described = await kafkaTopics("--describe --topics-with-overrides");
  assert.match(
    described.out,
    /^Topic: a\tTopicId: \S+\tPartitionCount: 5\tReplicationFactor: 1\tConfigs: retention.ms=5\n$/,
  );
  assert.deepEqual(await kafkaTopics("--describe --under-replicated-partitions"), { code: 0, out: "" });
  const atMinimum = await kafkaTopics("--describe --at-min-isr-partitions");
  assert.equal(atMinimum.out.split("\n").length, 7);
  const id = /TopicId: (\S+)/.exec(described.out)?.[1] ?? "";
  assert.match((await kafkaTopics(`--describe --topic-id ${id}`)).out, /^Topic: a\t/);
});

Deno.test("kafka-get-offsets.sh chooses partitions and places as Kafka's does", async () => {
  await using served = await serveBroker();
  const terminal = cliTerminal(served.bootstrapServers);
  const offsets = (line: string) => run(getOffsets, line, terminal);
  await withRecords(served.bootstrapServers);
  assert.deepEqual(await offsets("--topic a"), {
    code: 0,
    out: "a:0:3\na:1:0\na:10:0\na:11:0\na:2:0\na:3:0\na:4:0\na:5:0\na:6:0\na:7:0\na:8:0\na:9:0\n",
  });
  assert.deepEqual(await offsets("--topic-partitions a:0,b"), { code: 0, out: "a:0:3\nb:0:0\n" });
  assert.deepEqual(await offsets("--topic-partitions a:-1 --time earliest"), { code: 0, out: "a:0:0\n" });
  assert.deepEqual(await offsets("--topic a --time -3"), { code: 0, out: "a:0:2\n" });
  assert.deepEqual(await offsets("--topic a --time 150"), { code: 0, out: "a:0:1\n" });
  assert.deepEqual(await offsets("--topic a --partitions 99"), {
    code: 1,
    out: "",
    error: "Error occurred: Could not match any topic-partitions with the specified filters",
  });
  const chosen = (line: string) => {
    const { isWanted } = parseGetOffsetsArguments(line.split(" "));
    return [0, 1, 2, 3].filter((partition) => isWanted({ topic: "a", partition }));
  };
  assert.deepEqual(chosen("--topic-partitions a:1-3"), [1, 2]);
  assert.deepEqual(chosen("--topic-partitions :2-"), [2, 3]);
  assert.deepEqual(chosen("--topic-partitions b"), []);
  assert.deepEqual(chosen("--partitions 0,3"), [0, 3]);
  for (
    const wrong of [
      "--topic-partitions a:x",
      "--time soon",
      "--partitions 1,x",
      "--topic-partitions a --topic a",
    ]
  ) {
    assert.throws(() => parseGetOffsetsArguments(wrong.split(" ")), { name: "UsageError" }, wrong);
  }
});

Deno.test("kafka-delete-records.sh deletes what the file says and names what it could not", async () => {
  await using served = await serveBroker();
  const terminal = cliTerminal(served.bootstrapServers);
  await withRecords(served.bootstrapServers);
  const file = await Deno.makeTempFile();
  const entry = (partition: number, offset: number) => ({ topic: "a", partition, offset });
  await Deno.writeTextFile(file, JSON.stringify({ partitions: [entry(0, 2), entry(1, 9)], version: 1 }));
  const deleted = await run(deleteRecords, `--offset-json-file ${file}`, terminal);
  assert.equal(deleted.code, 0);
  assert.match(
    deleted.out,
    /^Executing records delete operation\nRecords delete operation completed:\npartition: a-0\tlow_watermark: 2\npartition: a-1\terror: org.apache.kafka.common.errors.OffsetOutOfRangeException: .+\n$/,
  );
  assert.equal((await run(getOffsets, "--topic-partitions a:0 --time -2", terminal)).out, "a:0:2\n");
  await Deno.remove(file);
  const missing = await run(deleteRecords, "--offset-json-file /nowhere.json", terminal);
  assert.deepEqual(missing, { code: 1, out: "", error: "Unable to read file /nowhere.json" });
  for (
    const [text, message] of [
      ["frob", /not a valid JSON/],
      ['{"version":2}', /Not supported version field value 2/],
      ['{"version":1}', /Missing partitions field/],
      ['{"partitions":[{"topic":"a","partition":0}]}', /No such field exists: `offset`/],
      ['{"partitions":[{"topic":"a","partition":0,"offset":"x"}]}', /Wrong value of the field `offset`/],
      [`{"partitions":[${JSON.stringify(entry(0, 1))},${JSON.stringify(entry(0, 2))}]}`, /duplicate .*: a-0/],
    ] as const
  ) assert.throws(() => recordsToDelete(text), message, text);
});

Deno.test("kafka-log-dirs.sh prints Kafka's JSON", async () => {
  await using served = await serveBroker();
  const terminal = cliTerminal(served.bootstrapServers);
  await withRecords(served.bootstrapServers);
  const { code, out } = await run(logDirs, "--describe --topic-list b", terminal);
  assert.equal(code, 0);
  const [first, second, json = ""] = out.split("\n");
  assert.equal(first, "Querying brokers for log directories information");
  assert.equal(second, "Received log directory information from brokers 1");
  assert.match(
    json,
    /^\{"brokers":\[\{"broker":1,"logDirs":\[\{"partitions":\[\{"partition":"b-0","size":0,"offsetLag":0,"isFuture":false\}\],"error":null,"logDir":"[^"]*"\}\]\}\],"version":1\}$/,
  );
  assert.deepEqual(await run(logDirs, "--describe --broker-list 1,5", terminal), {
    code: 1,
    out: "",
    error: "ERROR: The given brokers do not exist from --broker-list: 5. Current existent brokers: 1",
  });
});

Deno.test("kafka-configs.sh shows what was set for a topic, and changes it", async () => {
  await using served = await serveBroker();
  const terminal = cliTerminal(served.bootstrapServers);
  const kafkaConfigs = (line: string) => run(configs, line, terminal);
  await run(topics, "--create --topic a", terminal);
  const done = { code: 0, out: "Completed updating config for topic a.\n" };
  assert.deepEqual(
    await kafkaConfigs("--alter --topic a --add-config retention.ms=5,cleanup.policy=[compact,delete]"),
    done,
  );
  assert.deepEqual(await kafkaConfigs("--describe --topic a"), {
    code: 0,
    out: "Dynamic configs for topic a are:\n" +
      "  cleanup.policy=compact,delete sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, DEFAULT_CONFIG:log.cleanup.policy=delete}\n" +
      "  retention.ms=5 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=5, DEFAULT_CONFIG:log.retention.hours=168}\n",
  });
  assert.deepEqual(await kafkaConfigs("--alter --topic a --delete-config retention.ms,cleanup.policy"), done);
  assert.deepEqual(await kafkaConfigs("--describe --entity-type topics"), {
    code: 0,
    out: "Dynamic configs for topic a are:\n",
  });
  const byController = `--describe --topic a --bootstrap-controller ${served.bootstrapServers}`;
  assert.deepEqual(await run(configs, byController, cliTerminal("127.0.0.1:1")), {
    code: 0,
    out: "Dynamic configs for topic a are:\n",
  });
  assert.deepEqual(await kafkaConfigs("--describe --topic nope"), {
    code: 0,
    out: "The topic 'nope' doesn't exist and doesn't have dynamic config.\n",
  });
  const refused = await kafkaConfigs("--alter --topic a --add-config retention.ms=soon");
  assert.equal(refused.code, 1);
  assert.match(
    refused.error ?? "",
    /^Error while executing config command with args '--alter --topic a --add-config retention.ms=soon'\n/,
  );
  const all = await kafkaConfigs("--describe --broker 1 --all");
  assert.match(all.out, /^All configs for broker 1 are:\n {2}\S+=/);
  assert.match(
    all.out,
    /\n {2}num.partitions=1 sensitive=false synonyms=\{DEFAULT_CONFIG:num.partitions=1\}\n/,
  );
});

Deno.test("the performance tools count what they send and read", async () => {
  await using served = await serveBroker();
  const terminal = cliTerminal(served.bootstrapServers);
  await run(topics, "--create --topic p --partitions 2", terminal);
  const server = `--bootstrap-server ${served.bootstrapServers} --topic p`;
  const sent = await run(
    producerPerfTest,
    `${server} --num-records 500 --record-size 10 --throughput -1 --warmup-records 100 --print-metrics`,
    terminal,
  );
  assert.equal(sent.code, 0, sent.error);
  assert.match(
    sent.out,
    /\n500 records sent, \S+ records\/sec .* 99.9th\.\n400 steady state records sent, .* 99.9th\.\n\nMetric Name/,
  );
  const figure = (out: string, name: string) =>
    new RegExp(`\n${name}:\\{client-id=perf-\\S+\\} +: (\\S+)\n`).exec(out)?.[1];
  assert.equal(figure(sent.out, "producer-metrics:record-send-total"), "500.000");
  assert.equal(figure(sent.out, "producer-metrics:record-error-total"), "0.000");
  assert.ok(Number(figure(sent.out, "producer-metrics:batch-size-avg")) > 61, sent.out);
  const read = await run(
    consumerPerfTest,
    `${server} --num-records 500 --hide-header --print-metrics`,
    terminal,
  );
  assert.equal(read.code, 0, read.error);
  assert.match(read.out, /^\S+ \S+, \S+ \S+, 0.0048, [\d.]+, 500, [\d., ]+\n\nMetric Name/);
  assert.equal(figure(read.out, "consumer-fetch-manager-metrics:records-consumed-total"), "500.000");
  const [average = 0, count = 0, largest = 0] = ["fetch-size-avg", "fetch-total", "fetch-size-max"].map((
    name,
  ) => Number(figure(read.out, `consumer-fetch-manager-metrics:${name}`)));
  // In one fetch or in several.
  assert.ok(average * count > 5_000 && largest >= average, read.out);
  const refused = await run(
    producerPerfTest,
    `${server} --num-records 2 --record-size 2000000 --throughput -1`,
    terminal,
  );
  assert.equal(refused.code, 1);
  assert.match(refused.error ?? "", /2 of 2 records were not acknowledged/);
});

/** Topic `a` with 12 partitions and three records in the first, of 100, 200 and 300 ms; `b` with nothing in it. */
async function withRecords(bootstrapServers: string): Promise<void> {
  using admin = new Admin(realEnv(), { bootstrapServers });
  await admin.createTopics([
    { name: "a", partitionCount: 12, configs: { "message.timestamp.before.max.ms": String(2 ** 53) } },
    { name: "b" },
  ]);
  await using producer = new Producer(realEnv(), { bootstrapServers });
  for (const timestamp of [100, 200, 300]) {
    await producer.send({ topic: "a", partition: 0, value: "v", timestamp });
  }
}
