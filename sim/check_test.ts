/** The command `sim/check.ts` as a process: exit codes, both forms of output, bad input. */

import assert from "node:assert/strict";

const HEADER = '{"kavka":"history","version":1}';
const SEND = '{"type":"ok","process":1,"invokeMs":0,"completeMs":1,"micro":[["send","a/0",7,0]]}';
const POLL = '{"type":"ok","process":2,"invokeMs":2,"completeMs":3,"micro":[["poll",{"a/0":[[0,7]]}]]}';
const BAD_POLL = POLL.replace("[0,7]", "[0,8]");

async function run(input: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", new URL("./check.ts", import.meta.url).pathname, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const writer = child.stdin.getWriter();
  // The child may refuse before it has read everything.
  await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => undefined);
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("sim/check.ts exits 0 on a valid history, 1 on a fatal finding, and prints the report", async () => {
  const [valid, invalid] = await Promise.all([
    run(`${HEADER}\n${SEND}\n${POLL}`, "-"),
    run(`${HEADER}\n${SEND}\n${BAD_POLL}\n`, "--json", "-"),
  ]);
  assert.equal(valid.code, 0, valid.err);
  assert.match(valid.out, /^VALID: 2 operations/);
  assert.equal(invalid.code, 1, invalid.err);
  const report = JSON.parse(invalid.out);
  assert.equal(report.valid, false);
  assert.deepEqual(report.rules.map(({ rule }: { rule: string }) => rule), [
    "lost-write",
    "inconsistent-offsets",
    "unwritten-read",
  ]);
});

Deno.test("sim/check.ts exits 2 with one clear line on bad input", async () => {
  const [cut, empty, option, absent, none, directory] = await Promise.all([
    run(`${HEADER}\n${SEND.slice(0, 30)}`, "-"),
    run("", "-"),
    run("", "--strict", "-"),
    run("", "/nowhere/history.jsonl"),
    run("", "--profile", "none", "-"),
    run("", new URL(".", import.meta.url).pathname),
  ]);
  for (const { code, out } of [cut, empty, option, absent, none, directory]) {
    assert.equal(code, 2);
    assert.equal(out, "");
  }
  assert.match(cut.err, /^sim\/check: Cannot read history line 2: not JSON \(a line cut short\?\).*\n$/);
  assert.match(empty.err, /line 1: the history is empty/);
  assert.match(option.err, /unknown option --strict\nusage:/);
  assert.match(absent.err, /nowhere/);
  assert.match(none.err, /no profile "none"/);
  assert.match(directory.err, /^sim\/check: Cannot read history ".*": Is a directory.*\n$/);
});
