import assert from "node:assert/strict";
import { advertisedAddress, type Config, resolveConfig } from "./config.ts";
import { topicConfig } from "./core/config/topic_configs.ts";

interface Given {
  args?: string[];
  env?: Record<string, string>;
  files?: Record<string, string>;
}

function resolve({ args = [], env = {}, files = {} }: Given) {
  return resolveConfig({
    args,
    env: (name) => env[name],
    readText: (path) => {
      const text = files[path];
      return text === undefined ? Promise.reject(new Error("No such file")) : Promise.resolve(text);
    },
  });
}

async function configOf(given: Given): Promise<Config> {
  const result = await resolve(given);
  assert.ok(result.ok, JSON.stringify(result));
  return result.config;
}

Deno.test("resolveConfig() has the documented defaults", async () => {
  const { server, ...config } = await configOf({});
  assert.deepEqual(config, {
    mode: "single",
    http: { host: "127.0.0.1", port: 8080 },
    kafka: { host: "127.0.0.1", port: 9092 },
    advertise: null,
    dataDirectory: "./data",
    store: { name: "local", path: "./data/kavka.sqlite" },
    brokerId: 1,
    rack: null,
    logLevel: "info",
    insecure: false,
    adminKey: null,
    webhookAuthorities: [],
    warnings: [],
  });
  assert.equal(server("num.partitions"), "1");
  assert.equal(server("log.dirs"), "./data");
  assert.equal(server("listeners"), "PLAINTEXT://127.0.0.1:9092");
});

Deno.test("flags win over the environment, that over the file, that over the defaults", async () => {
  const files = { f: "node.id=3\nlisteners=PLAINTEXT://localhost:9093\nlog.dirs=/d\nnum.partitions=4\n" };
  const env = { KAVKA_BROKER_ID: "5", KAVKA_CONFIG: "f", KAVKA_KAFKA: "" };
  const file = await configOf({ env: { KAVKA_CONFIG: "f" }, files });
  assert.equal(file.brokerId, 3);
  assert.equal(file.dataDirectory, "/d");
  assert.equal(file.store.path, "/d/kavka.sqlite");
  assert.deepEqual(file.kafka, { host: "localhost", port: 9093 });
  assert.equal((await configOf({ env, files })).brokerId, 5);
  const override = await configOf({
    args: ["--override", "node.id=6", "--override=num.partitions=7"],
    env,
    files,
  });
  assert.equal(override.brokerId, 6);
  assert.equal(override.server("num.partitions"), "7");
  assert.equal(
    (await configOf({ args: ["f", "--broker-id=8", "--override", "node.id=6"], files })).brokerId,
    8,
  );
});

Deno.test("resolveConfig() takes every flag, in both spellings", async () => {
  const config = await configOf({
    args: [
      ...["--http", "[::1]:0", "--kafka=off", "--advertise", "kafka.example:19092", "--data", "/x/"],
      ...[
        "--store",
        "main=/y/k.sqlite",
        "--broker-id",
        "0",
        "--mode",
        "single",
        "--log",
        "debug",
        "--insecure",
      ],
    ],
  });
  assert.deepEqual(config.http, { host: "::1", port: 0 });
  assert.equal(config.kafka, null);
  assert.deepEqual(config.advertise, { host: "kafka.example", port: 19092 });
  assert.deepEqual(config.store, { name: "main", path: "/y/k.sqlite" });
  assert.equal(config.logLevel, "debug");
  assert.equal(config.insecure, true);
});

Deno.test("the server.properties files that people have are read", async () => {
  const kraft = `process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
log.dirs=/tmp/kraft-combined-logs
num.recovery.threads.per.data.dir=2
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=24
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
`;
  const config = await configOf({ args: ["--config", "k"], files: { k: kraft } });
  assert.deepEqual(config.kafka, { host: "0.0.0.0", port: 9092 });
  assert.deepEqual(config.advertise, { host: "localhost", port: 9092 });
  assert.equal(topicConfig({}, config.server, "retention.ms"), "86400000");
  assert.deepEqual(config.warnings, [
    "The Kafka listener 0.0.0.0:9092 is open to other machines without authentication",
  ]);
  const old = await configOf({
    args: ["o"],
    files: {
      o: "broker.id=0\nlog.dirs=/tmp/kafka-logs\nzookeeper.connect=localhost:2181\nfoo.bar=1\nx.y=2\n",
    },
  });
  assert.equal(old.brokerId, 0);
  assert.deepEqual(old.warnings, [
    "Unknown settings are ignored: foo.bar, x.y",
    "zookeeper.connect is ignored: the supervisor inside the broker plays ZooKeeper's role",
  ]);
});

Deno.test("advertisedAddress() never tells a wildcard", async () => {
  const open = await configOf({ args: ["--kafka", "0.0.0.0:0"] });
  assert.deepEqual(advertisedAddress(open, 4711), { host: "127.0.0.1", port: 4711 });
  assert.equal(open.warnings.length, 2);
  const told = await configOf({ args: ["--advertise", "h:1"] });
  assert.deepEqual(advertisedAddress(told, 4711), { host: "h", port: 1 });
});

const faults: readonly (readonly [string, Given, RegExp])[] = [
  ["unknown flag", { args: ["--htttp", "x"] }, /^Unknown flag --htttp: see --help$/],
  ["single dash", { args: ["-x"] }, /Unknown flag -x/],
  ["no value", { args: ["--http"] }, /--http needs a value/],
  ["next flag as value", { args: ["--http", "--kafka", "off"] }, /--http needs a value/],
  ["twice", { args: ["--log", "info", "--log", "info"] }, /twice/],
  ["two files", { args: ["a", "b"] }, /one configuration file/],
  ["file twice", { args: ["a", "--config", "b"] }, /one configuration file/],
  ["missing file", { args: ["nope"] }, /Cannot read the configuration file "nope": No such file/],
  [
    "port range",
    { args: ["--http", "127.0.0.1:65536"] },
    /Invalid value "127.0.0.1:65536" for --http: expected HOST:PORT/,
  ],
  ["no port", { args: ["--http", "localhost"] }, /for --http/],
  ["no host", { args: ["--http", ":80"] }, /for --http/],
  ["bare IPv6", { args: ["--http", "::1:80"] }, /for --http/],
  ["bad IPv6", { args: ["--http", "[::x]:80"] }, /for --http/],
  ["bad IPv4", { args: ["--kafka", "999.0.0.1:80"] }, /for --kafka/],
  ["a URL", { args: ["--http", "http://localhost:80"] }, /for --http/],
  ["environment", { env: { KAVKA_KAFKA: "x" } }, /for KAVKA_KAFKA/],
  [
    "insecure in the environment",
    { env: { KAVKA_INSECURE: "maybe" } },
    /KAVKA_INSECURE: expected true or false/,
  ],
  ["advertise 0", { args: ["--advertise", "h:0"] }, /for --advertise/],
  ["advertise wildcard", { args: ["--advertise", "0.0.0.0:1"] }, /clients can connect/],
  ["broker id", { args: ["--broker-id", "-1"] }, /expected a whole number/],
  ["broker id too large", { args: ["--broker-id", "2147483648"] }, /at most/],
  ["mode", { args: ["--mode", "edge"] }, /^Mode edge is not supported yet: use --mode single$/],
  ["mode on Deploy", { env: { DENO_DEPLOYMENT_ID: "x" } }, /Mode edge is not supported yet/],
  ["unknown mode", { args: ["--mode", "x"] }, /expected single, edge or cluster/],
  ["log", { args: ["--log", "loud"] }, /expected debug, info, warn or error/],
  [
    "remote store",
    { args: ["--store", "a=https://kv.example/"] },
    /stores on other machines are not supported yet/,
  ],
  ["several stores", { env: { KAVKA_STORES: "a=/x,b=/y" } }, /several stores are not supported yet/],
  ["store without name", { args: ["--store", "/x"] }, /NAME=PATH/],
  ["override", { args: ["--override", "x"] }, /KEY=VALUE/],
  [
    "value in a file",
    { args: ["f"], files: { f: "num.partitions=zero" } },
    /num.partitions: expected a whole number \(in f\)/,
  ],
  ["value in an override", { args: ["--override", "num.partitions=0"] }, /at least 1/],
  ["SSL", { args: ["--override", "listeners=SSL://:9093"] }, /only PLAINTEXT/],
  ["mapped SASL", {
    args: ["--override", "listeners=X://:1", "--override", "listener.security.protocol.map=X:SASL_SSL"],
  }, /SASL_SSL/],
  ["two listeners", { args: ["--override", "listeners=PLAINTEXT://:1,PLAINTEXT://:2"] }, /one listener/],
  ["authorizer", { args: ["--override", "authorizer.class.name=x.Y"] }, /not supported/],
  ["several log.dirs", { args: ["--override", "log.dirs=/a,/b"] }, /one directory/],
  ["session timeouts", { args: ["--override", "group.min.session.timeout.ms=9999999"] }, /larger than/],
  ["retention 0", { args: ["--override", "log.retention.hours=0"] }, /no bound/],
];

for (const [name, given, expected] of faults) {
  Deno.test(`resolveConfig() answers one clear line: ${name}`, async () => {
    const result = await resolve(given);
    assert.ok(!result.ok);
    assert.equal(result.exitCode, 2);
    assert.match(result.message, expected);
    assert.ok(!result.message.includes("\n"));
  });
}

Deno.test("--help wins and is no error", async () => {
  const result = await resolve({ args: ["--help"] });
  assert.ok(!result.ok && result.exitCode === 0 && result.message.startsWith("Usage"));
});

Deno.test("resolveConfig() takes the admin's key from the environment alone, and never shows it", async () => {
  const key = "0123456789abcdef-secret";
  const result = await resolve({
    args: ["--http", "0.0.0.0:0", "--kafka", "off"],
    env: { KAVKA_ADMIN_KEY: key },
  });
  assert.ok(result.ok);
  assert.equal(result.config.adminKey, key);
  assert.deepEqual(result.config.warnings, []);
  const open = await resolve({ args: ["--http", "0.0.0.0:0", "--kafka", "off"] });
  assert.ok(open.ok);
  assert.match(open.config.warnings.join(), /HTTP listener 0.0.0.0:0 is open/);
  for (const wrong of ["short", "with space in it 123", "x".repeat(201)]) {
    const refused = await resolve({ env: { KAVKA_ADMIN_KEY: wrong } });
    assert.ok(!refused.ok);
    assert.ok(!refused.message.includes(wrong), refused.message);
  }
});
