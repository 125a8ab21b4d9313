/** kafka-consumer-groups.sh: arguments, and what a broker in this process makes of them. */
import assert from "node:assert/strict";
import { GroupAdmin, realEnv } from "../client/mod.ts";
import type { Terminal } from "./command_line.ts";
import { consumerGroups, parseGroupsArguments } from "./consumer_groups.ts";
import { csvOf, durationMs, parseCsv, timestampOf } from "./consumer_groups_reset.ts";
import { table } from "./table.ts";

const parse = (line: string) => parseGroupsArguments(line.split(" "));

Deno.test("kafka-consumer-groups.sh takes one action, and groups for all but --list", () => {
  assert.equal(parse("--bootstrap-server h:1 --list").action, "list");
  assert.equal(parse("--list --state").options.state, true);
  assert.equal(parse("--list --state stable,empty").options.state, "stable,empty");
  assert.deepEqual(parse("--delete --group a --group b").options.group, ["a", "b"]);
  assert.equal(parse("--reset-offsets --group g --topic t --shift-by -5").options.shiftBy, -5);
  for (
    const [line, message] of [
      ["--list --describe", /exactly one action/],
      ["--describe", /\[all-groups\], \[group\]/],
      ["--describe --group g --all-groups", /"\[group\]" can't be used with option "\[all-groups\]"/],
      ["--describe --group g --members --state", /at most one/],
      ["--delete-offsets --group g", /takes the following options/],
      ["--reset-offsets --group g --dry-run --execute", /only accepts one of/],
      [
        "--reset-offsets --group g --topic t --to-latest --to-earliest",
        /"\[to-earliest\]" can't be used with option "\[to-latest\]"/,
      ],
      ["--list --state frog", /Invalid state list 'frog'\. Valid states are: /],
      [
        "--list --type classic,frog",
        /Invalid types list 'classic,frog'\. Valid types are: Consumer, Classic/,
      ],
    ] as const
  ) assert.throws(() => parse(line), message, line);
});

Deno.test("durations and datetimes are Java's", () => {
  assert.equal(durationMs("P1DT2H3M4.5S"), 93_784_500);
  assert.equal(durationMs("PT0S"), 0);
  for (const text of ["", "P", "PT", "1H", "P1M", "PT1H "]) {
    assert.throws(() => durationMs(text), /cannot be parsed to a Duration/, text);
  }
  assert.equal(timestampOf("2020-01-01T00:00:00.000"), 1_577_836_800_000);
  assert.equal(timestampOf("2020-01-01T00:00:00.000+02:00"), 1_577_829_600_000);
  for (const text of ["2020-01-01", "yesterday", "2020-13-01T00:00:00.000"]) {
    assert.throws(() => timestampOf(text), /java\.text\.ParseException/, text);
  }
});

Deno.test("what is exported can be read again", () => {
  const plan = [{ groupId: "g", topic: "t", partition: 0, offset: 5 }, {
    groupId: "h",
    topic: "u",
    partition: 1,
    offset: 0,
  }];
  assert.equal(csvOf(plan.slice(0, 1), false), "t,0,5\n\n");
  assert.deepEqual(parseCsv(csvOf(plan.slice(0, 1), false), ["g"]).get("g"), plan.slice(0, 1));
  assert.deepEqual(parseCsv(csvOf(plan, true), ["g", "h"]).get("h"), plan.slice(1));
  for (const line of ["t,0", "t,0,5", "g,t,x,5", "g,t,0,-1"]) {
    assert.throws(() => parseCsv(line, ["g", "h"]), /Invalid line/, line);
  }
});

Deno.test("tables are padded as Kafka pads them", () => {
  const columns = [{ title: "A", width: 4 }, { title: "B", width: null }];
  assert.equal(table(columns, [["x", "y"], ["longer", "z"]]), "A    B\nx    y\nlonger z\n");
});

Deno.test("--validate-regex needs no broker", async () => {
  const out: string[] = [];
  const terminal = {
    env: realEnv(),
    variable: () => undefined,
    writeOut: (bytes: Uint8Array) => Promise.resolve(void out.push(new TextDecoder().decode(bytes))),
    writeError: () => {},
  };
  for (const expression of ["fo+", "a(b"]) {
    assert.equal(await consumerGroups(["--validate-regex", expression], terminal), 0);
  }
  assert.deepEqual(out, [
    "The regular expression `fo+` is valid.\n",
    "The regular expression `a(b` is invalid: missing closing ).\n",
  ]);
});

Deno.test("without a broker the command says so, and ends with Kafka's code", async () => {
  const errors: string[] = [];
  const out: string[] = [];
  const terminal: Terminal = {
    env: realEnv(),
    variable: () => undefined,
    writeOut: (bytes) => Promise.resolve(void out.push(new TextDecoder().decode(bytes))),
    writeError: (line) => void errors.push(line),
  };
  using admin = new GroupAdmin(realEnv(), { bootstrapServers: "127.0.0.1:1", callTimeoutMs: 50 });
  await assert.rejects(admin.listGroups());
  const code = await consumerGroups(
    ["--bootstrap-server", "127.0.0.1:1", "--list", "--timeout", "50"],
    terminal,
  );
  assert.equal(code, 0);
  assert.match(out.join(""), /^\nError: Executing consumer group command failed due to /);
});
