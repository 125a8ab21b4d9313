import assert from "node:assert/strict";
import {
  bootstrapServers,
  brokerBesideZookeeper,
  integerOption,
  newCommand,
  parseOptions,
  propertiesOf,
  runCommand,
  type Terminal,
  UsageError,
} from "./command_line.ts";
import { realEnv } from "../env/real.ts";
import { ConnectionError } from "../client/mod.ts";

function terminal(variables: Record<string, string> = {}): Terminal & { errors: string[] } {
  const errors: string[] = [];
  return {
    env: realEnv(),
    variable: (name) => variables[name],
    writeOut: () => Promise.resolve(),
    writeError: (line) => void errors.push(line),
    errors,
  };
}

Deno.test("bootstrapServers() prefers the flag, then the environment", () => {
  const variables = { KAVKA_BOOTSTRAP: "b:2" };
  assert.equal(bootstrapServers({ bootstrapServer: "a:1" }, terminal(variables)), "a:1");
  assert.equal(bootstrapServers({ brokerList: "a:1", zookeeper: "z:2181" }, terminal(variables)), "a:1");
  assert.equal(bootstrapServers({}, terminal(variables)), "b:2");
  assert.throws(() => bootstrapServers({}, terminal()), UsageError);
});

Deno.test("bootstrapServers() says in one line what stands in for --zookeeper", () => {
  const plain = terminal();
  assert.equal(bootstrapServers({ zookeeper: "localhost:2181" }, plain), "localhost:9092");
  assert.equal(plain.errors.length, 1);
  assert.match(plain.errors[0] ?? "", /localhost:9092/);
  assert.equal(bootstrapServers({ zookeeper: "z:2181" }, terminal({ KAVKA_BOOTSTRAP: "b:2" })), "b:2");
});

Deno.test("brokerBesideZookeeper() takes the first host, without port and chroot", () => {
  assert.equal(brokerBesideZookeeper("zk1:2181,zk2:2181/kafka"), "zk1:9092");
  assert.equal(brokerBesideZookeeper("zk1/kafka"), "zk1:9092");
  assert.equal(brokerBesideZookeeper(""), "localhost:9092");
});

Deno.test("parseOptions() names what is wrong in one line", () => {
  const parse = (...args: string[]) =>
    parseOptions(newCommand("x", "y").option("--count <n>", "z", integerOption(1)), args);
  assert.deepEqual(parse("--count", "3"), { count: 3 });
  assert.deepEqual(parse("--count=3"), { count: 3 });
  assert.throws(() => parse("--frob"), { name: "UsageError", message: "frob is not a recognized option" });
  for (const args of [["--count", "a"], ["--count", "0"], ["--count"], ["stray"]]) {
    assert.throws(
      () => parse(...args),
      (error) => error instanceof UsageError && !error.message.includes("\n"),
    );
  }
});

Deno.test("propertiesOf() splits at the first equals sign, a later pair wins", () => {
  assert.deepEqual([...propertiesOf(["a=1", "b=x=y", "a=2"])], [["a", "2"], ["b", "x=y"]]);
  assert.throws(() => propertiesOf(["novalue"]), UsageError);
});

Deno.test("runCommand() turns failures into one line and exit code 1", async () => {
  const out = terminal();
  assert.equal(await runCommand(() => Promise.reject(new UsageError("bad flag")), [], out), 1);
  assert.equal(await runCommand(() => Promise.reject(new ConnectionError("no broker")), [], out), 1);
  assert.equal(await runCommand(() => Promise.resolve(7), [], out), 7);
  assert.deepEqual(out.errors, ["bad flag", "no broker"]);
});
