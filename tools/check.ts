/**
 * `deno task check`: the gate in front of every commit, the same here and in CI.
 *
 * Format, lint with the project's plugin, types against the frozen lock file, and what no ready tool looks
 * for: hosts and machine paths in tracked files, missing file headers, links in documents that lead nowhere, promises whose test is gone.
 */

import { report, ROOT, runDeno, type Tally } from "./run.ts";

const DEADLINE_MS = 5 * 60_000;
/** Says of each promise which test proves it. */
const PROMISES = "docs/promises.md";

/** Spelt in pieces, so that this file does not contain what it looks for. */
const HOSTS = [
  ["registry", "npmjs"],
  ["jsr", "io"],
  ["pypi", "org"],
  ["files", "pythonhosted"],
  ["repo1", "maven"],
  ["repo", "maven"],
  ["deb", "debian"],
  ["proxy", "golang"],
  ["esm", "sh"],
  ["unpkg", "com"],
  ["jsdelivr", "net"],
].map((parts) => parts.join("."));

/** A path that only exists on one machine. */
const MACHINE_PATH = new RegExp(`(?<![\\w.$}/-])/(?:${["work", "root", "home", "Users"].join("|")})/\\w`);

/** One fault: where it is and what it is. */
export interface Fault {
  readonly path: string;
  readonly line: number;
  readonly what: string;
}

/** Hosts of package registries and absolute paths of one machine in `text`. */
export function machineFaults(path: string, text: string): Fault[] {
  return text.split("\n").flatMap((line, index) => {
    const host = HOSTS.find((name) => line.includes(name));
    if (host !== undefined) return [{ path, line: index + 1, what: `names the host ${host}` }];
    return MACHINE_PATH.test(line) ? [{ path, line: index + 1, what: "names a path of one machine" }] : [];
  });
}

/** A source without a header comment that says what it is. */
export function headerFaults(path: string, text: string): Fault[] {
  const body = text.replace(/^#!.*\n/, "").replace(/^(?:\s*\/\/ deno-.*\n)+/, "").trimStart();
  const ok = path.endsWith(".ts")
    ? body.startsWith("/**")
    : path.endsWith(".py")
    ? /^(?:"""|#)/.test(body)
    : /^# \S/.test(body);
  return ok ? [] : [{ path, line: 1, what: "has no header comment" }];
}

/** Relative links of a Markdown file whose target is not among `paths`. */
export function linkFaults(path: string, text: string, paths: ReadonlySet<string>): Fault[] {
  const folder = path.split("/").slice(0, -1);
  return text.split("\n").flatMap((line, index) =>
    [...line.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].flatMap((match) => {
      const target = match[1] ?? "";
      if (/^[a-z]+:/.test(target)) return [];
      const parts = [...folder];
      for (const part of target.replace(/\/$/, "").split("/")) {
        if (part === "..") parts.pop();
        else if (part !== ".") parts.push(part);
      }
      const resolved = parts.join("/");
      const exists = paths.has(resolved) || [...paths].some((each) => each.startsWith(`${resolved}/`));
      return exists ? [] : [{ path, line: index + 1, what: `links to "${target}", which does not exist` }];
    })
  );
}

/** Tests that docs/promises.md names, as `[path](link) “name”`, and that `textOf` that file does not have. */
export function promiseFaults(path: string, text: string, textOf: (path: string) => string): Fault[] {
  return [...text.matchAll(/\[([^\]]+)\]\([^)]+\)\s+“([^”]+)”/g)].flatMap((match) => {
    const [, file = "", test = ""] = match;
    if (textOf(file).includes(test.replace(/\s+/g, " "))) return [];
    const line = text.slice(0, match.index).split("\n").length;
    return [{ path, line, what: `names the test "${test}", which ${file} does not have` }];
  });
}

async function trackedFiles(): Promise<string[]> {
  const output = await new Deno.Command("git", {
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: ROOT,
  }).output();
  if (!output.success) throw new Error("Cannot list the files: git ls-files failed");
  const listed = new TextDecoder().decode(output.stdout).split("\0").filter((path) => path !== "");
  return listed.filter((path) => {
    try {
      return Deno.lstatSync(ROOT + path).isFile;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false; // deleted, the deletion not committed yet
      throw error;
    }
  });
}

function isSource(path: string): boolean {
  return /\.(?:ts|sh|py)$/.test(path) || /^(?:bin|\.ci)\/[^.]+$/.test(path);
}

async function repositoryFaults(): Promise<Fault[]> {
  const files = await trackedFiles();
  const paths = new Set(files);
  const faults: Fault[] = [];
  for (const path of files) {
    const bytes = await Deno.readFile(ROOT + path);
    if (bytes.subarray(0, 8_000).includes(0)) continue; // binary
    const text = new TextDecoder().decode(bytes);
    faults.push(...machineFaults(path, text));
    // A test beside its source is named after it; the source says what both are about.
    if (isSource(path) && !path.endsWith("_test.ts")) faults.push(...headerFaults(path, text));
    if (path.endsWith(".md")) faults.push(...linkFaults(path, text, paths));
    if (path === PROMISES) {
      const textOf = (file: string) => paths.has(file) ? Deno.readTextFileSync(ROOT + file) : "";
      faults.push(...promiseFaults(path, text, textOf));
    }
  }
  return faults;
}

async function main(): Promise<number> {
  const tally: Tally = { passed: 0, failed: 0 };
  const mark = (name: string, ok: boolean) => {
    console.log(`${ok ? "ok" : "FAIL"} ${name}`);
    if (ok) tally.passed++;
    else tally.failed++;
  };
  const commands: [string, string[]][] = [
    ["format", ["fmt", "--check"]],
    ["lint", ["lint"]],
    ["types and lock file", ["check", "--frozen", "."]],
  ];
  for (const [name, args] of commands) {
    const run = await runDeno(args, { deadlineMs: DEADLINE_MS, quiet: true });
    if (run.code !== 0) console.log(run.text);
    mark(name, run.code === 0);
  }
  const faults = await repositoryFaults();
  for (const fault of faults) console.log(`${fault.path}:${fault.line}: ${fault.what}`);
  mark("repository: hosts, paths, headers, links", faults.length === 0);
  return report(tally);
}

if (import.meta.main) Deno.exit(await main());
