/**
 * `kavka backup FILE` and `kavka restore FILE`: topics of a running server, to one file and back, over HTTP. A file is read
 * once as a whole before anything of it is sent back; one that was not written to its end says so by itself.
 */
import { dirname } from "node:path";
import { BackupFormatError, type BackupHeader, BackupReader } from "../protocol/backup/backup_file.ts";
import type { PositionalFile } from "../lib/env.ts";
import { newCommand, parseOptions, type Terminal, UsageError, utf8 } from "./command_line.ts";
import { ProgressBar } from "./progress_bar.ts";
import { askServer, SERVER_OPTION } from "./server_http.ts";

const PIECE_BYTES = 1_048_576;

interface BackupOptions {
  readonly server?: string;
  readonly topics?: string;
  readonly force?: boolean;
  readonly overwrite?: boolean;
}

/** The command. */
export async function backup(args: readonly string[], terminal: Terminal): Promise<number> {
  const command = newCommand("kavka backup", "Copies topics of a running server into a file.")
    .argument("<file>", "where to")
    .option("--server <url>", SERVER_OPTION)
    .option("--topics <names>", "with commas between; default all")
    .option("--force", "replace the file if it is there");
  const options = parseOptions<BackupOptions>(command, args);
  const [path = ""] = command.args;
  const { files } = terminal.env;
  if (options.force !== true && await files.exists(path)) {
    throw new UsageError(`"${path}" is there already: choose another name, or --force`);
  }
  const query = options.topics === undefined ? "" : `?topics=${encodeURIComponent(options.topics)}`;
  const response = await askServer(terminal, { server: options.server, path: `/v1/backup${query}` });
  // What is there may be the only copy: it goes when the new one is whole.
  const newPath = `${path}.part`;
  // Of a command that was ended in the middle.
  if (await files.exists(newPath)) await files.remove(newPath);
  const file = await createFile(terminal, newPath);
  try {
    const header = await download(response, file, terminal);
    await file.syncData();
    await file.close();
    await files.rename(newPath, path);
    await files.syncDirectory(dirname(path));
    terminal.writeError(`${header.topics.length} topics in ${path}`);
    return 0;
  } catch (error) {
    await file.close().catch(() => undefined);
    await files.remove(newPath).catch(() => undefined);
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`The backup failed, and nothing is kept of it: ${why}`);
  }
}

async function createFile({ env }: Terminal, path: string): Promise<PositionalFile> {
  try {
    return await env.files.create(path);
  } catch (error) {
    throw new UsageError(`Cannot write "${path}": ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function download(response: Response, file: PositionalFile, terminal: Terminal): Promise<BackupHeader> {
  const reader = new BackupReader();
  let header: BackupHeader | null = null;
  let bar: ProgressBar | null = null;
  let position = 0;
  for await (const piece of response.body ?? []) {
    for (const frame of reader.push(piece)) {
      if (frame.type !== "header") continue;
      header = frame.header;
      bar = new ProgressBar(terminal, "backup", header.estimatedBytes);
    }
    for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at), position + at);
    position += piece.length;
    bar?.add(piece.length);
  }
  bar?.clear();
  reader.finish();
  bar?.finish();
  if (header === null) throw new BackupFormatError("It has no header");
  return header;
}

/** The command. */
export async function restore(args: readonly string[], terminal: Terminal): Promise<number> {
  const command = newCommand("kavka restore", "Puts the topics of a backup back into a running server.")
    .argument("<file>", "what kavka backup wrote")
    .option("--server <url>", SERVER_OPTION)
    .option("--overwrite", "replace topics of the same names once all is there");
  const options = parseOptions<BackupOptions>(command, args);
  const [path = ""] = command.args;
  const file = await openFile(terminal, path);
  try {
    const sizeBytes = await check(file, path, terminal);
    const bar = new ProgressBar(terminal, "restore", sizeBytes);
    const response = await askServer(terminal, {
      server: options.server,
      path: `/v1/restore${options.overwrite === true ? "?overwrite=true" : ""}`,
      body: contentOf(file, bar),
    }).finally(() => bar.clear());
    bar.finish();
    const { topics, groups, skippedGroups } = await response.json() as {
      topics: string[];
      groups: number;
      skippedGroups: string[];
    };
    await terminal.writeOut(utf8(topics.map((name) => `${name}\n`).join("")));
    terminal.writeError(`${topics.length} topics and the offsets of ${groups} groups are back`);
    if (skippedGroups.length > 0) {
      terminal.writeError(`Groups with members keep their offsets: ${skippedGroups.join(", ")}`);
    }
    return 0;
  } finally {
    await file.close();
  }
}

async function openFile({ env }: Terminal, path: string): Promise<PositionalFile> {
  try {
    return await env.files.open(path);
  } catch (error) {
    throw new UsageError(`Cannot read "${path}": ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Reads the whole file once, so that nothing begins that cannot end. Returns its size in bytes. */
async function check(file: PositionalFile, path: string, terminal: Terminal): Promise<number> {
  const reader = new BackupReader();
  const bar = new ProgressBar(terminal, "check", 0);
  const buffer = new Uint8Array(PIECE_BYTES);
  let position = 0;
  try {
    while (true) {
      const length = await file.read(buffer, position);
      if (length === 0) break;
      reader.push(buffer.slice(0, length));
      position += length;
      bar.add(length);
    }
    reader.finish();
    return position;
  } catch (error) {
    if (!(error instanceof BackupFormatError)) throw error;
    throw new UsageError(`Cannot restore "${path}": ${error.message}`);
  } finally {
    bar.clear();
  }
}

function contentOf(file: PositionalFile, bar: ProgressBar): ReadableStream<Uint8Array> {
  let position = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const buffer = new Uint8Array(PIECE_BYTES);
      const length = await file.read(buffer, position);
      if (length === 0) return controller.close();
      position += length;
      bar.add(length);
      controller.enqueue(buffer.subarray(0, length));
    },
  }, { highWaterMark: 0 });
}
