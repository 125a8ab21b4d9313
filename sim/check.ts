/**
 * `deno run --allow-read sim/check.ts [--profile NAME] [--evidence N] [--json] FILE|-`: judges a history file.
 *
 * Prints the report to standard output. Exit code 0: nothing fatal; 1: something fatal; 2: bad arguments or a malformed history.
 */

import { check, profileOf } from "./checker/check.ts";
import { HISTORY_LIMITS, HistoryError } from "./checker/history_format.ts";
import { type History, HistoryReader } from "./checker/history.ts";
import { profileNamed, profiles } from "./checker/profile.ts";
import { renderReport } from "./checker/render_report.ts";

const USAGE = `usage: sim/check.ts [--profile ${
  Object.keys(profiles).join("|")
}] [--evidence N] [--json] FILE|-`;

/** Builds a history from a stream of bytes, line by line. Throws HistoryError. */
export async function readHistoryStream(bytes: ReadableStream<Uint8Array>): Promise<History> {
  const reader = new HistoryReader();
  // A byte that is no UTF-8 becomes U+FFFD inside a string; the names of a history are ours, so that only spoils a message.
  const decoder = new TextDecoder();
  let rest = "";
  let lineCount = 0;
  for await (const chunk of bytes) {
    const text = decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      reader.addLine(rest + text.slice(start, end));
      lineCount += 1;
      rest = "";
      start = end + 1;
    }
    rest += text.slice(start);
    if (rest.length > HISTORY_LIMITS.lineBytesMax) {
      throw new HistoryError(lineCount + 1, `more than ${HISTORY_LIMITS.lineBytesMax} characters`);
    }
  }
  if (rest.length > 0) reader.addLine(rest);
  return reader.build();
}

class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The file itself, before anything in it. */
class UnreadableError extends Error {
  override readonly name = "UnreadableError";
}

async function readHistoryFile(file: string): Promise<History> {
  try {
    return await readHistoryStream(file === "-" ? Deno.stdin.readable : (await Deno.open(file)).readable);
  } catch (cause) {
    if (cause instanceof HistoryError || !(cause instanceof Error)) throw cause;
    if (!Object.values(Deno.errors).some((kind) => cause instanceof kind)) throw cause;
    throw new UnreadableError(`Cannot read history "${file}": ${cause.message}`, { cause });
  }
}

interface Arguments {
  file: string;
  profile: string | null;
  evidenceCountMax: number;
  json: boolean;
}

function parseArguments(args: readonly string[]): Arguments {
  const parsed: Arguments = { file: "", profile: null, evidenceCountMax: 10, json: false };
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] as string;
    if (argument === "--json") parsed.json = true;
    else if (argument === "--profile") parsed.profile = args[++i] ?? "";
    else if (argument === "--evidence") parsed.evidenceCountMax = Number(args[++i]);
    else if (argument !== "-" && argument.startsWith("-")) throw new UsageError(`unknown option ${argument}`);
    else if (parsed.file !== "") throw new UsageError(`one file at a time, found ${argument} too`);
    else parsed.file = argument;
  }
  if (parsed.file === "") throw new UsageError("no history file");
  if (!Number.isInteger(parsed.evidenceCountMax) || parsed.evidenceCountMax < 0) {
    throw new UsageError("--evidence must be a whole number, 0 or more");
  }
  if (parsed.profile !== null && profileNamed(parsed.profile) === null) {
    throw new UsageError(`no profile "${parsed.profile}"`);
  }
  return parsed;
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const { file, profile, evidenceCountMax, json } = parseArguments(args);
    const history = await readHistoryFile(file);
    const chosen = profile === null ? profileOf(history) : profileNamed(profile) ?? profileOf(history);
    const report = check(history, chosen, { evidenceCountMax });
    const text = json ? JSON.stringify(report, null, 2) + "\n" : renderReport(report);
    await new Blob([text]).stream().pipeTo(Deno.stdout.writable, { preventClose: true });
    return report.valid ? 0 : 1;
  } catch (error) {
    if (error instanceof UsageError) console.error(`sim/check: ${error.message}\n${USAGE}`);
    else if (
      error instanceof HistoryError || error instanceof RangeError || error instanceof UnreadableError
    ) console.error(`sim/check: ${error.message}`);
    else throw error;
    return 2;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
