/**
 * The part of kafka-server-stop.sh that finds the server: prints the id of the process that holds the data directory. The
 * launcher sends it SIGTERM and waits.
 *
 * Which directory that is follows the server's own rules: `--data`, then KAVKA_DATA, then `log.dirs` of the file, then
 * `./data`. Only a directory whose lock is held has a server, so that an old id never hits another process.
 */
import { newCommand, parseOptions, type Terminal, UsageError, utf8 } from "./command_line.ts";
import { readProperties } from "./properties_file.ts";
import { runProcess } from "./real_terminal.ts";

const LOCK_FILE = "kavka.lock";
const DEFAULT_DATA_DIRECTORY = "./data";

/** The command. */
export async function serverStop(args: readonly string[], terminal: Terminal): Promise<number> {
  const command = newCommand("kafka-server-stop.sh", "Stops the server that uses a data directory.")
    .argument("[file]", "the server.properties that the server was started with")
    .option("--config <file>", "the same")
    .option("--data <directory>", "the data directory");
  const options = parseOptions<{ data?: string; config?: string }>(command, args);
  const file = command.args[0] ?? options.config ?? terminal.variable("KAVKA_CONFIG");
  const directory = options.data ?? terminal.variable("KAVKA_DATA") ??
    await configuredDirectory(file, terminal) ??
    DEFAULT_DATA_DIRECTORY;
  await terminal.writeOut(utf8(`${await holderOf(directory, terminal)}\n`));
  return 0;
}

async function configuredDirectory(
  file: string | undefined,
  terminal: Terminal,
): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const properties = await readProperties(file, terminal);
  return (properties.get("log.dirs") ?? properties.get("log.dir"))?.split(",")[0]?.trim();
}

/** The process that holds the directory's lock. Throws `UsageError` when there is none. */
async function holderOf(directory: string, terminal: Terminal): Promise<number> {
  const path = `${directory.replace(/\/+$/, "")}/${LOCK_FILE}`;
  const nobody = new UsageError(`No kafka server to stop: nobody uses the data directory "${directory}"`);
  if (!await terminal.env.files.exists(path)) throw nobody;
  const lock = await terminal.env.files.lock(path);
  if (lock !== null) {
    lock.release();
    throw nobody;
  }
  const text = (await terminal.env.files.readText(path)).trim();
  if (!/^[1-9]\d*$/.test(text)) throw new UsageError(`"${path}" is locked but names no process`);
  return Number(text);
}

if (import.meta.main) await runProcess(serverStop);
