/** `kavka backup`, `restore` and `storage check` as somebody runs them: real processes, a real directory. */
import assert from "node:assert/strict";
import { backup, restore } from "../cli/backup.ts";
import { runCommand, type Terminal } from "../cli/command_line.ts";
import { FindingsPrinter, storageCheck } from "../cli/storage_check.ts";
import { Producer } from "../client/mod.ts";
import { realEnv } from "../env/real.ts";
import { silentLogger } from "../lib/log.ts";
import { checkDataDirectory } from "../storage/check_directory.ts";
import { DataDirectoryError } from "../storage/errors.ts";
import { openStore } from "../storage/open_store.ts";
import { PartitionLog } from "../storage/partition_log.ts";
import { appendsAfter, TOPIC_ID } from "../storage/storage_testkit.ts";
import { serveBroker, type ServedBroker } from "./served_broker.ts";

interface Run {
  readonly exitCode: number;
  readonly out: string;
  readonly errors: readonly string[];
  readonly statuses: readonly string[];
}

async function run(
  command: (args: readonly string[], terminal: Terminal) => Promise<number>,
  ...args: string[]
): Promise<Run> {
  let out = "";
  const errors: string[] = [];
  const statuses: string[] = [];
  const terminal: Terminal = {
    env: realEnv(),
    variable: () => undefined,
    writeOut: (bytes) => Promise.resolve(void (out += new TextDecoder().decode(bytes))),
    writeError: (line) => void errors.push(line),
    writeStatus: (line) => void statuses.push(line),
  };
  const exitCode = await runCommand(command, args, terminal);
  return { exitCode, out, errors, statuses };
}

/** The broker's HTTP door on a real port. */
async function withHttp(served: ServedBroker, work: (server: string) => Promise<void>): Promise<void> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname, search } = new URL(request.url);
    return served.http(pathname + search, {
      method: request.method,
      headers: request.headers,
      body: request.body,
    });
  });
  try {
    await work(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
}

Deno.test("kavka backup and restore: a file, a bar, clear refusals; storage check of what came back", async () => {
  const directory = Deno.makeTempDirSync();
  const file = `${directory}/copy`;
  try {
    await using from = await serveBroker({ config: { "auto.create.topics.enable": "true" } });
    {
      await using producer = new Producer(from.env, { bootstrapServers: from.bootstrapServers });
      for (let i = 0; i < 20; i++) await producer.send({ topic: "t", value: "x".repeat(50_000) });
    }
    await withHttp(from, async (server) => {
      const made = await run(backup, file, "--server", server);
      assert.equal(made.exitCode, 0, made.errors.join("\n"));
      assert.match(made.errors.join("\n"), /\[#{30}\] 100 %.*\n1 topics in/);
      assert.ok(made.statuses.some((line) => /\[[#.]{30}\] +\d+ %/.test(line)));
      assert.match((await run(backup, file, "--server", server)).errors.join(), /there already.*--force/);
      assert.equal((await run(backup, file, "--force", "--server", server)).exitCode, 0);
      const refused = await run(restore, file, "--server", server);
      assert.equal(refused.exitCode, 1);
      assert.match(refused.errors.at(-1) ?? "", /there already: t/);
      const unknown = await run(backup, `${directory}/other`, "--topics", "nope", "--server", server);
      assert.equal(unknown.exitCode, 1);
      assert.throws(() => Deno.statSync(`${directory}/other`), Deno.errors.NotFound);
    });
    await using to = await serveBroker();
    await withHttp(to, async (server) => {
      const bytes = Deno.readFileSync(file);
      Deno.writeFileSync(`${directory}/cut`, bytes.subarray(0, bytes.length - 9));
      const cut = await run(restore, `${directory}/cut`, "--server", server);
      assert.match(cut.errors.join(), /Cannot restore ".*cut": It was cut short/);
      assert.equal(to.broker.metadata.topicsByName.size, 0);
      const back = await run(restore, file, "--server", server);
      assert.deepEqual([back.exitCode, back.out], [0, "t\n"], back.errors.join("\n"));
      const checked = await run(storageCheck, "--server", server);
      assert.match(
        checked.out,
        /^t-0: 20 batches, 10\d{5} bytes\n1 partitions, 20 batches, 10\d{5} bytes: 0 faults\n$/,
      );
      assert.equal(checked.exitCode, 0);
    });
    assert.match((await run(restore, `${directory}/nope`)).errors.join(), /Cannot read ".*nope"/);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a stopped server's directory is checked under its lock: sizes, faults, garbage, and nothing is changed", async () => {
  const path = Deno.makeTempDirSync();
  const env = realEnv();
  try {
    const open = () =>
      openStore({
        env,
        log: silentLogger,
        directory: path,
        path: `${path}/kavka.sqlite`,
        brokerId: 1,
        incarnation: env.uuid(),
      });
    const store = await open();
    const log = await PartitionLog.open(store.shards, TOPIC_ID, 0);
    const appends = appendsAfter(
      log.head,
      [40_000, 100, 70_000].map((valueBytes) => ({ timestamps: [1], valueBytes })),
    );
    for (let done = 0; done < appends.length;) done += await log.append(appends.slice(done));
    const check = () => Array.fromAsync(checkDataDirectory({ env, path }));
    await assert.rejects(check(), (error: Error) => {
      assert.ok(error instanceof DataDirectoryError);
      assert.match(error.message, /another Kavka uses it/);
      return true;
    });
    log.close();
    await store.close();
    const [sound, rest] = await check();
    assert.deepEqual([rest?.partition, rest?.faults, rest?.garbage], [null, [], []]);
    assert.ok((rest?.batchCount ?? 0) >= 2, "the store's own values, and the fence");
    assert.deepEqual([sound?.batchCount, sound?.faults], [3, []]);
    assert.deepEqual(sound?.garbage, ["its topic is gone: nothing removes it"]);
    const segments = `${path}/segments/${TOPIC_ID}-0`;
    const [name = ""] = [...Deno.readDirSync(segments)].map((each) => each.name);
    const bytes = Deno.readFileSync(`${segments}/${name}`);
    Deno.writeFileSync(`${segments}/${name}`, bytes.with(50_000, (bytes[50_000] ?? 0) ^ 1));
    Deno.writeTextFileSync(`${segments}/stray.log`, "");
    Deno.mkdirSync(`${path}/segments/${TOPIC_ID}-5`);
    Deno.writeTextFileSync(`${path}/segments/${TOPIC_ID}-5/left.log`, "");
    const [damaged, unknown] = await check();
    assert.deepEqual([unknown?.partition, unknown?.faults], [
      5,
      ["file left.log: the store has no keys of this partition"],
    ]);
    assert.deepEqual(damaged?.faults.length, 1);
    assert.match(damaged?.faults[0] ?? "", /offset 2: its bytes are not those that were written/);
    assert.ok(damaged?.garbage.some((line) => line.includes("stray.log")));
    let printed = "";
    const terminal = {
      writeOut: (piece: Uint8Array) => Promise.resolve(void (printed += new TextDecoder().decode(piece))),
    } as unknown as Terminal;
    const printer = new FindingsPrinter(terminal);
    if (damaged !== undefined) await printer.print(damaged);
    assert.equal(await printer.end(), 1);
    assert.match(
      printed,
      /1 FAULTS\n {2}fault: offset 2.*\n(.*garbage.*\n)+1 partitions, 3 batches, \d+ bytes: 1 faults, 2 pieces/,
    );
    await assert.rejects(
      Array.fromAsync(checkDataDirectory({ env, path: `${path}/nope` })),
      DataDirectoryError,
    );
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});
