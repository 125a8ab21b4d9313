/**
 * Who may import whom: the folders of Kavka and the directions between them, as data for the lint plugin.
 *
 * One line to remember: lib <- protocol <- core <- storage <- actors <- {handlers, routes} <- net <- main,
 * and client <- cli apart from it on protocol. `docs/architecture.md` argues it.
 */

/** Folder -> the other folders that its sources may import. A folder that is absent here is free. */
export const ALLOWED_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  protocol: ["lib"],
  core: ["lib", "protocol"],
  storage: ["lib", "protocol", "core"],
  actors: ["lib", "protocol", "core", "storage"],
  handlers: ["lib", "protocol", "core", "storage", "actors"],
  routes: ["lib", "protocol", "core", "storage", "actors"],
  net: ["lib", "protocol", "core", "storage", "actors", "handlers", "routes"],
  env: ["lib"],
  client: ["lib", "protocol"],
  cli: ["lib", "protocol", "client", "env"],
};

/** What a test beside its source may import on top of what the source may. */
export const TEST_IMPORTS: readonly string[] = ["env", "tests", "sim"];

/** Folders of programs that stand outside the product and may import all of it. */
export const FREE_FOLDERS: readonly string[] = ["tests", "tools", "bench", "sim"];

/** Folders without IO, clocks, randomness or logging. */
export const PURE_FOLDERS: readonly string[] = ["lib", "protocol", "core"];

/** Single files with an import that their folder does not have: the entry points that make a real Env. */
export const ENTRY_POINTS: Readonly<Record<string, readonly string[]>> = {
  "client/mod.ts": ["env"],
};

/** The one file that touches the globals behind the Env port. */
export const ENV_IMPLEMENTATION = "env/real.ts";

/** Members of `Deno` that a folder or a file may use; nobody else uses any but `Deno.errors`. */
export const ALLOWED_DENO: Readonly<Record<string, readonly string[]>> = {
  "env/log_output.ts": ["stderr"],
  "env/deno_server.ts": ["serve"],
  "main.ts": [
    "args",
    "exit",
    "addSignalListener",
    "removeSignalListener",
    "env",
    "stdout",
    "stderr",
    "pid",
    "version",
  ],
  cli: [
    "args",
    "exit",
    "exitCode",
    "stdin",
    "stdout",
    "stderr",
    "env",
    "addSignalListener",
    "removeSignalListener",
    "consoleSize",
  ],
};

/** Where a source file stands: its path below the root, its top folder ("" for the root), and whether it is a test. */
export interface Place {
  readonly path: string;
  readonly folder: string;
  readonly isTest: boolean;
}

/** Finds the place of `filename`, which is absolute below `root` or already relative to it. */
export function placeOf(filename: string, root: string): Place {
  const slashed = filename.replaceAll("\\", "/");
  const base = root.replaceAll("\\", "/").replace(/\/+$/, "") + "/";
  const path = slashed.startsWith(base) ? slashed.slice(base.length) : slashed.replace(/^\.\//, "");
  const cut = path.indexOf("/");
  return { path, folder: cut < 0 ? "" : path.slice(0, cut), isTest: /_(test|bench)\.tsx?$/.test(path) };
}

/** The place that the relative `specifier` names when it is imported from `from`; null for packages and builtins. */
export function resolveImport(from: Place, specifier: string): Place | null {
  if (!specifier.startsWith("./") && !specifier.startsWith("../")) return null;
  const parts = from.path.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return placeOf(parts.join("/"), "");
}

/** Says why `from` may not import `to`, or null when it may. */
export function importFault(from: Place, to: Place): string | null {
  if (from.folder === to.folder || FREE_FOLDERS.includes(from.folder)) return null;
  if (from.folder === "") {
    return FREE_FOLDERS.includes(to.folder) ? `The product may not import ${to.folder}/` : null;
  }
  const allowed = ALLOWED_IMPORTS[from.folder];
  if (allowed === undefined) return null;
  if (allowed.includes(to.folder)) return null;
  if (from.isTest && TEST_IMPORTS.includes(to.folder)) return null;
  if (ENTRY_POINTS[from.path]?.includes(to.folder) === true) return null;
  return `${from.folder}/ may not import ${to.folder === "" ? to.path : `${to.folder}/`}`;
}
