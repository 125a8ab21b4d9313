/**
 * `kavka storage check`: asks a running server to look through what it stores. A stopped server's directory (`--data DIR`) is looked
 * through by the server's own program, which `kavka.ts` at the root calls: commands know nothing of storage.
 */
import { newCommand, parseOptions, type Terminal, UsageError, utf8 } from "./command_line.ts";
import { LineSplitter } from "./line_splitter.ts";
import { askServer, SERVER_OPTION } from "./server_http.ts";

/** What is said of one partition. */
export interface PartitionFindings {
  /** Its topic's name, or the id of one that is gone. */
  readonly topic: string;
  /** Null: all that is no topic's; its batches are values. */
  readonly partition: number | null;
  readonly batchCount: number;
  readonly sizeBytes: number;
  readonly faults: readonly string[];
  /** What the next start removes. */
  readonly garbage?: readonly string[];
}

/** Prints findings as they come, and says in the end what they come to; gives the exit code. */
export class FindingsPrinter {
  readonly #terminal: Terminal;
  #partitions = 0;
  #batches = 0;
  #bytes = 0;
  #faults = 0;
  #garbage = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  async print(
    { topic, partition, batchCount, sizeBytes, faults, garbage = [] }: PartitionFindings,
  ): Promise<void> {
    if (partition !== null) {
      this.#partitions++;
      this.#batches += batchCount;
      this.#bytes += sizeBytes;
    }
    const title = partition === null
      ? `${topic}: ${batchCount} values`
      : `${topic}-${partition}: ${batchCount} batches`;
    this.#faults += faults.length;
    this.#garbage += garbage.length;
    const lines = [
      `${title}, ${sizeBytes} bytes${faults.length === 0 ? "" : `, ${faults.length} FAULTS`}`,
      ...faults.map((fault) => `  fault: ${fault}`),
      ...garbage.map((line) => `  garbage: ${line}`),
    ];
    await this.#terminal.writeOut(utf8(lines.map((line) => `${line}\n`).join("")));
  }

  /** 0 when nothing is wrong, else 1. */
  async end(): Promise<number> {
    const garbage = this.#garbage === 0
      ? ""
      : `, ${this.#garbage} pieces of garbage (they go when their partitions are opened again)`;
    const line =
      `${this.#partitions} partitions, ${this.#batches} batches, ${this.#bytes} bytes: ${this.#faults} faults${garbage}\n`;
    await this.#terminal.writeOut(utf8(line));
    return this.#faults === 0 ? 0 : 1;
  }
}

interface CheckOptions {
  readonly server?: string;
  readonly topics?: string;
  readonly data?: string;
}

/** The command, for a running server. */
export async function storageCheck(args: readonly string[], terminal: Terminal): Promise<number> {
  const command = newCommand("kavka storage check", "Verifies every batch that is stored.")
    .option("--server <url>", SERVER_OPTION)
    .option("--topics <names>", "with commas between; default all")
    .option("--data <dir>", "the data directory of a stopped server, in place of a running one");
  const { server, topics, data } = parseOptions<CheckOptions>(command, args);
  if (data !== undefined) throw new UsageError("Usage: deno task kavka storage check --data DIR, alone");
  const query = topics === undefined ? "" : `?topics=${encodeURIComponent(topics)}`;
  const response = await askServer(terminal, { server, path: `/v1/storage/check${query}` });
  const printer = new FindingsPrinter(terminal);
  let isDone = false;
  for await (const line of linesOf(response)) {
    const found = JSON.parse(line) as PartitionFindings & { readonly done?: true };
    if (found.done === true) isDone = true;
    else await printer.print(found);
  }
  const exitCode = await printer.end();
  if (isDone) return exitCode;
  terminal.writeError("The server stopped before it was done");
  return 1;
}

/** A line about one partition is not longer, whatever is wrong with it. */
const LINE_BYTES_MAX = 16 * 1_024 * 1_024;

async function* linesOf(response: Response): AsyncGenerator<string, void, void> {
  const splitter = new LineSplitter(LINE_BYTES_MAX);
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    for (const line of splitter.push(piece)) yield decoder.decode(line);
  }
  for (const line of splitter.end()) yield decoder.decode(line);
}
