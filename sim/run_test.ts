/** The command `deno task sim` as a process: wrong arguments, and a workload that is none. */
import assert from "node:assert/strict";

const ROOT = new URL("..", import.meta.url).pathname;

async function sim(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-read", "--allow-env", `${ROOT}sim/run.ts`, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("deno task sim says in one line what is wrong with its arguments", async () => {
  for (
    const [line, why] of [
      ["--seeds 0", /Cannot use --seeds "0": it is a whole number from 1 on/],
      ["--seeds many", /Cannot use --seeds "many"/],
      ["--jobs 65", /at most 64/],
      ["--trace", /--trace, --steps and --history need --seed S/],
      ["--workload nothing", /No workload "nothing": there are produce-consume, /],
      ["--mutant nothing", /No mutant "nothing": there are no-fence-check, /],
      ["--mutants --seed 1", /leave out --seed/],
      ["--nothing", /nothing/],
    ] as const
  ) {
    const { code, out, err } = await sim(...line.split(" "));
    assert.deepEqual([code, out], [2, ""], line);
    assert.match(err, why);
    assert.match(err, /^sim: [^\n]+\n$/, line);
  }
});

Deno.test("a workload that is none is refused with its file, line and reason before anything runs", async () => {
  const config = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)) as { tasks: Record<string, string> };
  assert.match(config.tasks["sim"] ?? "", /^deno run --check /);
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      file,
      `import type { Workload } from "${new URL("./workloads/workload.ts", import.meta.url)}";\n` +
        'export const broken: Workload = { name: "broken", about: "none", profileFor: () => "idempotent" };\n' +
        'console.log("it ran");\n',
    );
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--check", file],
      env: { NO_COLOR: "1" },
    }).output();
    const err = new TextDecoder().decode(stderr);
    assert.deepEqual([code, stdout.length], [1, 0], err);
    assert.match(err, /missing the following properties from type 'Workload': readsEverything, run/);
    assert.ok(err.includes(`${file}:2:14`), err);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("deno task sim --history writes a history that the checker reads, or says in one line why not", async () => {
  const directory = await Deno.makeTempDir();
  const run = async (...args: string[]) => {
    const options = { args, cwd: ROOT, env: { NO_COLOR: "1" } };
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), options).output();
    return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
  };
  try {
    const one = ["task", "-q", "sim", "--seed", "4", "--workload", "produce-consume", "--history"];
    const written = await run(...one, `${directory}/history.jsonl`);
    assert.equal(written.code, 0, written.err);
    const checked = await run(
      "run",
      "--no-check",
      "--allow-read",
      "sim/check.ts",
      `${directory}/history.jsonl`,
    );
    assert.equal(checked.code, 0, checked.err);
    assert.match(checked.out, /^VALID: \d+ operations/);
    const refused = await run(...one, directory);
    assert.equal(refused.code, 2, refused.err);
    assert.match(refused.err, /^sim: Cannot write history ".*": .*\n$/);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
