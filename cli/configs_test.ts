/** kafka-configs.sh: which arguments mean which entities and settings. */
import assert from "node:assert/strict";
import { realEnv } from "../env/real.ts";
import { configChanges, parseAddConfig, parseConfigsArguments } from "./configs_arguments.ts";
import { javaDouble } from "./configs_quotas.ts";

const parse = (line: string) => parseConfigsArguments(line.split(" "));

Deno.test("kafka-configs.sh names entities in both spellings", () => {
  const entities = (line: string) => parse(line).entities;
  assert.deepEqual(entities("--describe --topic t"), [{ type: "topics", name: "t" }]);
  assert.deepEqual(entities("--describe --entity-type topics --entity-name t"), [{
    type: "topics",
    name: "t",
  }]);
  assert.deepEqual(entities("--describe --entity-type topics"), [{ type: "topics", name: undefined }]);
  assert.deepEqual(entities("--describe --broker-defaults"), [{ type: "brokers", name: "" }]);
  assert.deepEqual(entities("--describe --user u --client c"), [
    { type: "clients", name: "c" },
    { type: "users", name: "u" },
  ]);
  assert.deepEqual(
    entities("--describe --entity-type users --entity-default --entity-type clients --entity-name c"),
    [{ type: "users", name: "" }, { type: "clients", name: "c" }],
  );
});

Deno.test("kafka-configs.sh refuses what cannot be meant, in Kafka's words", () => {
  for (
    const [line, message] of [
      ["--topic t", /exactly one action/],
      [
        "--describe --topic t --bootstrap-server h:1 --bootstrap-controller h:2",
        /Only one of --bootstrap-server/,
      ],
      ["--describe --alter --topic t", /exactly one action/],
      ["--describe", /At least one entity type/],
      ["--describe --entity-type frogs", /Invalid entity type frogs/],
      ["--describe --topic t --broker 1", /Only 'users' and 'clients'/],
      ["--describe --topic t --entity-type topics", /Duplicate entity type/],
      ["--describe --topic t --entity-type users", /Only 'users'/],
      ["--describe --user u --entity-type clients", /not be used in conjunction/],
      ["--describe --topic t --add-config a=b", /"\[describe\]" can't be used with option "\[add-config\]"/],
      ["--describe --broker x", /must be a valid integer broker id, but it is: x/],
      ["--describe --entity-type topics --entity-default", /must not be specified with --describe of topics/],
      ["--describe --entity-type broker-loggers", /An entity name must be specified/],
      [
        "--alter --entity-type topics --add-config a=b",
        /An entity name must be specified with --alter of topics/,
      ],
      ["--alter --entity-type brokers --add-config a=b", /entity-name or default entity must be specified/],
      ["--alter --topic t", /At least one of --add-config/],
      ["--alter --topic t --add-config a=b --add-config-file f", /Only one of --add-config/],
    ] as const
  ) assert.throws(() => parse(line), message, line);
});

Deno.test("settings keep the commas within brackets, and a file's are overruled", async () => {
  assert.deepEqual(parseAddConfig("a=1,b=[x,y=z],c="), [["a", "1"], ["b", "x,y=z"], ["c", ""]]);
  assert.throws(() => parseAddConfig("a"), /requirement failed/);
  assert.throws(() => parseAddConfig("a=1=2"), /requirement failed/);
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "# comment\nretention.ms = 5\ncleanup.policy=compact\n");
  const { options } = parse(
    `--alter --topic t --add-config-file ${file} --delete-config cleanup.policy,segment.ms`,
  );
  assert.deepEqual([...await configChanges(options, { env: realEnv() })], [
    ["retention.ms", "5"],
    ["cleanup.policy", null],
    ["segment.ms", null],
  ]);
  await Deno.remove(file);
});

Deno.test("quotas are printed as Java prints doubles", () => {
  const texts = [0, 10, 12.5, 123456789, 1e7, 0.0005, 9999999].map(javaDouble);
  assert.deepEqual(texts, ["0.0", "10.0", "12.5", "1.23456789E8", "1.0E7", "5.0E-4", "9999999.0"]);
});
