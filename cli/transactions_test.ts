/** kafka-transactions.sh: arguments, and the table. */
import assert from "node:assert/strict";
import { parseTransactionsArguments, prettyTable } from "./transactions.ts";

const parse = (line: string) => parseTransactionsArguments(line.split(" ").filter((word) => word !== ""));

Deno.test("kafka-transactions.sh takes Kafka's commands, with the server before or behind", () => {
  assert.equal(parse("--bootstrap-server h:1 list").command, "list");
  assert.equal(parse("--bootstrap-server h:1 list").options.bootstrapServer, "h:1");
  assert.equal(parse("list --bootstrap-server h:1 --duration-filter -1").options.durationFilter, -1);
  assert.equal(parse("describe --transactional-id x").options.transactionalId, "x");
  assert.equal(parse("forceTerminateTransaction --transactionalId x").options.transactionalId, "x");
  assert.equal(parse("describe-producers --topic t --partition 2").options.partition, 2);
  assert.equal(parse("abort --topic t --partition 0 --start-offset 7").options.startOffset, 7);
  assert.equal(
    parse("find-hanging --broker-id 1 --max-transaction-timeout 0").options.maxTransactionTimeout,
    0,
  );
});

Deno.test("kafka-transactions.sh says what is missing in Kafka's words", () => {
  for (
    const [line, message] of [
      ["", /too few arguments/],
      ["--bootstrap-server h:1", /too few arguments/],
      ["forget", /invalid choice: 'forget'/],
      ["describe", /argument --transactional-id is required/],
      ["forceTerminateTransaction", /argument --transactionalId is required/],
      ["abort --topic t", /argument --partition is required/],
      ["abort --topic t --partition 0", /must be identified either with --start-offset/],
      ["abort --topic t --partition 0 --producer-id 1", /Missing required argument --producer-epoch/],
      ["find-hanging", /requires either --topic or --broker-id/],
      ["find-hanging --broker-id 1 --partition 0", /--partition argument requires --topic/],
      ["list --nothing", /nothing is not a recognized option/],
    ] as const
  ) assert.throws(() => parse(line), message, line);
});

Deno.test("columns are as wide as their longest cell, each with a tab behind it", () => {
  assert.equal(prettyTable([["A", "Title"], ["long", "b"]]), "A   \tTitle\t\nlong\tb    \t\n");
});
