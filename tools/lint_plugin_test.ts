/**
 * Tests of the lint plugin: every rule fires on what it forbids, stays quiet on what is allowed, and a
 * violation makes `deno lint` itself fail.
 */

import assert from "node:assert/strict";
import plugin from "./lint_plugin.ts";

/** The rules that fire on `source` when it stands at `path`. */
function rulesFor(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, path, source).map((found) => found.id.replace("kavka/", ""));
}

function test(name: string, path: string, source: string, expected: string[]): void {
  Deno.test(`lint ${name}: ${path}: ${source}`, () => {
    assert.deepEqual(rulesFor(path, source), expected);
  });
}

const forbiddenImports: [string, string][] = [
  ["lib/x.ts", "../protocol/y.ts"],
  ["protocol/schema/x.ts", "../../core/y.ts"],
  ["core/group/classic/x.ts", "../../../storage/y.ts"],
  ["storage/x.ts", "../actors/y.ts"],
  ["storage/x.ts", "../env/real.ts"],
  ["actors/x.ts", "../handlers/y.ts"],
  ["handlers/x.ts", "../routes/y.ts"],
  ["routes/x.ts", "../handlers/y.ts"],
  ["routes/x.ts", "../net/y.ts"],
  ["net/x.ts", "../main.ts"],
  ["net/x.ts", "../env/real.ts"],
  ["env/real.ts", "../core/y.ts"],
  ["client/x.ts", "../core/y.ts"],
  ["client/connection.ts", "../env/real.ts"],
  ["cli/x.ts", "../storage/y.ts"],
  ["core/x_test.ts", "../actors/y.ts"],
  ["main.ts", "./tests/y.ts"],
  ["actors/x.ts", "../tests/y.ts"],
];
for (const [path, specifier] of forbiddenImports) {
  test("reports", path, `import { y } from "${specifier}";`, ["import-directions"]);
}
test("reports", "lib/x.ts", `export * from "../core/y.ts";`, ["import-directions"]);
test("reports", "lib/x.ts", `export { y } from "../core/y.ts";`, ["import-directions"]);
test("reports", "lib/x.ts", `import type { y } from "../core/y.ts";`, ["import-directions"]);
test("reports", "storage/x.ts", `const y = import("../actors/y.ts");`, ["import-directions"]);

const allowedImports: [string, string][] = [
  ["main.ts", "./env/real.ts"],
  ["main.ts", "./net/y.ts"],
  ["net/x.ts", "../handlers/y.ts"],
  ["handlers/x.ts", "../actors/messages/y.ts"],
  ["actors/runtime/x.ts", "../../lib/env.ts"],
  ["core/x_test.ts", "../tests/fixtures/y.ts"],
  ["client/mod.ts", "../env/real.ts"],
  ["cli/x.ts", "../client/mod.ts"],
  ["tests/x.ts", "../net/y.ts"],
  ["bench/x.ts", "../net/y.ts"],
  ["core/x.ts", "zod"],
];
for (const [path, specifier] of allowedImports) {
  test("allows", path, `import { y } from "${specifier}";`, []);
}

const impure: [string, string, string[]][] = [
  ["core/x.ts", "async function f() { await g(); }", ["purity", "purity"]],
  ["core/x.ts", "const y = await g();", ["purity"]],
  ["protocol/x.ts", "const f = async () => {};", ["purity"]],
  ["protocol/x.ts", "class A { async f() {} }", ["purity"]],
  ["lib/x.ts", "console.log(1);", ["purity"]],
  ["lib/x.ts", "fetch(url);", ["purity"]],
  ["core/x.ts", `import { gzipSync } from "node:zlib";`, ["purity"]],
  ["lib/x.ts", "throw new Deno.errors.NotFound();", ["purity"]],
];
for (const [path, source, expected] of impure) test("reports", path, source, expected);
test("allows", "lib/x.ts", "const hasher = await createCRC32C();", []);
test("allows", "protocol/x.ts", `import { gzipSync } from "node:zlib";`, []);
test("allows", "core/x.ts", "const x = { console: 1, performance: 2 }; x.performance;", []);
test("allows", "protocol/messages/01_fetch.ts", "export const fetch = api({});", []);
test("allows", "core/x_test.ts", `Deno.test("x", async () => { await g(); });`, []);

const outsideEnv = [
  "Date.now();",
  `Date["now"]();`,
  "const clock = Date.now;",
  "const { now } = Date;",
  "new Date();",
  "Date();",
  "performance.now();",
  "setTimeout(f, 1);",
  "globalThis.setTimeout(f, 1);",
  "setInterval(f, 1);",
  "queueMicrotask(f);",
  "const timers = { setTimeout };",
  "AbortSignal.timeout(1);",
  "Math.random();",
  "crypto.randomUUID();",
  "globalThis.crypto.getRandomValues(b);",
  "await Deno.openKv();",
  "await Deno.open(p);",
  "Deno.openSync(p);",
  "Deno.listen({ port: 0 });",
  "await Deno.connect({ port: 1 });",
  "await Deno.readTextFile(p);",
  "const { openKv } = Deno;",
  `const f = Deno[name];`,
  `import fs from "node:fs";`,
  `import { readFile } from "node:fs/promises";`,
  `import { setTimeout as s } from "node:timers/promises";`,
  `import { randomBytes } from "node:crypto";`,
  `const net = await import("node:net");`,
];
for (const source of outsideEnv) {
  Deno.test(`lint reports: actors/x.ts: ${source}`, () => {
    const found = new Set(rulesFor("actors/x.ts", source));
    assert.deepEqual([...found], ["env-only"]);
  });
}
test("reports", "client/mod.ts", "Math.random();", ["env-only"]);
test("reports", "main.ts", "await Deno.openKv();", ["env-only"]);
test("reports", "routes/x.ts", "Deno.serve(f);", ["env-only"]);
test("reports", "env/other.ts", "Date.now();", ["env-only"]);

test("allows", "env/real.ts", "Date.now(); setTimeout(f, 1); await Deno.openKv();", []);
test("reports", "main.ts", "Deno.serve(f);", ["env-only"]);
test("allows", "env/deno_server.ts", "Deno.serve(f);", []);
test("allows", "main.ts", "Deno.exit(Deno.args.length);", []);
test("allows", "tests/x.ts", "await Deno.readFile(p); setTimeout(f, 1);", []);
test("allows", "actors/x.ts", "new Date(env.now()); if (e instanceof Deno.errors.NotFound) f();", []);
test("allows", "actors/x.ts", "let kv: Deno.Kv; const t = { setTimeout: 1 }; t.setTimeout;", []);
test("allows", "net/x.ts", `import { createHash } from "node:crypto";`, []);

test("reports", "storage/x.ts", "kv.atomic().sum(key, 1n);", ["no-kv-arithmetic"]);
test("reports", "storage/x.ts", "op.min(key, v);", ["no-kv-arithmetic"]);
test("reports", "storage/x.ts", `op.mutate({ type: "max", key, value });`, ["no-kv-arithmetic"]);
test("reports", "env/real.ts", "new Deno.KvU64(1n);", ["no-kv-arithmetic"]);
test("allows", "storage/x.ts", "Math.min(a, b); Math.max(a, b);", []);
test("allows", "routes/x.ts", "z.number().min(1).max(5);", []);

test("reports", "net/x.ts", "try { f(); } catch {}", ["no-empty-catch"]);
test("reports", "tests/x.ts", "try { f(); } catch (e) {}", ["no-empty-catch"]);
test("reports", "net/x.ts", "p.catch(() => {});", ["no-empty-catch"]);
test("allows", "net/x.ts", "try { f(); } catch { /* closed already */ }", []);
test("allows", "net/x.ts", "p.catch((e) => log(e));", []);

Deno.test("deno lint fails on a violation with the project's own configuration", async () => {
  const root = new URL("..", import.meta.url).pathname;
  const copy = await Deno.makeTempDir({ prefix: "kavka-lint-" });
  try {
    await Deno.mkdir(`${copy}/tools`);
    await Deno.mkdir(`${copy}/core`);
    for (const path of ["deno.json", "tools/lint_plugin.ts", "tools/lint_layers.ts"]) {
      await Deno.copyFile(`${root}${path}`, `${copy}/${path}`);
    }
    const lint = async (source: string) => {
      await Deno.writeTextFile(`${copy}/core/x.ts`, source);
      const output = await new Deno.Command(Deno.execPath(), {
        args: ["lint", "core/x.ts"],
        cwd: copy,
        env: { NO_COLOR: "1" },
      }).output();
      return { code: output.code, text: new TextDecoder().decode(output.stderr) };
    };
    const bad = await lint('import "../net/y.ts";\nsetTimeout(console.log, 1);\n');
    assert.equal(bad.code, 1);
    for (const rule of ["import-directions", "env-only", "purity"]) {
      assert.match(bad.text, new RegExp(`kavka/${rule}`));
    }
    assert.equal((await lint('import "../lib/y.ts";\n')).code, 0);
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
});
