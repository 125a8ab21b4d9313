/** The administrative commands against a broker in this process: what they print and their exit codes. */
import assert from "node:assert/strict";
import { topics } from "../cli/topics.ts";
import { type CliTerminal, cliTerminal, run } from "./cli_terminal.ts";
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
