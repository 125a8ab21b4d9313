/**
 * The entry of `deno task kavka`: every command of `cli/`, and beside them the one that works on the files of a stopped server, which
 * `cli/` must know nothing of. Wiring only, like `main.ts`; why, says decision 16.
 */
import { type Terminal, UsageError } from "./cli/command_line.ts";
import { kavka } from "./cli/kavka.ts";
import { runProcess } from "./cli/real_terminal.ts";
import { FindingsPrinter } from "./cli/storage_check.ts";
import { checkDataDirectory } from "./storage/check_directory.ts";
import { DataDirectoryError } from "./storage/errors.ts";

async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const path = checkedDirectory(args);
  if (path === null) return await kavka(args, terminal);
  const printer = new FindingsPrinter(terminal);
  try {
    for await (const found of checkDataDirectory({ env: terminal.env, path })) await printer.print(found);
  } catch (error) {
    // Its message is the one line for the user.
    if (error instanceof DataDirectoryError) throw new UsageError(error.message);
    throw error;
  }
  return await printer.end();
}

/** DIR of `storage check --data DIR`; null for every other command. */
function checkedDirectory([noun, verb, ...rest]: readonly string[]): string | null {
  if (noun !== "storage" || verb !== "check") return null;
  const [option, path] = rest.length === 1 ? (rest[0] ?? "").split(/=(.*)/s) : rest;
  return option === "--data" && path !== undefined && path !== "" && rest.length <= 2 ? path : null;
}

await runProcess(run);
