/**
 * The output behind the logging port: LogTape to standard error, human lines on a terminal and one JSON object a line
 * otherwise. Standard output is kept for the lines that scripts wait for.
 */
import { configureSync, getLogger, getTextFormatter, jsonLinesFormatter } from "@logtape/logtape";
import type { LogFields, Logger, LogLevel } from "../lib/log.ts";

const encoder = new TextEncoder();

/** LogTape's name of each level. */
const LEVELS = { debug: "debug", info: "info", warn: "warning", error: "error" } as const;

/** Configures the process's log, once. */
export function openLog(level: LogLevel): Logger {
  const format = Deno.stderr.isTerminal()
    ? getTextFormatter({
      timestamp: "time",
      level: "FULL",
      format: ({ timestamp, level, message, record }) =>
        `${timestamp} ${level.toLowerCase().padEnd(7)} ${message}${fieldsText(record.properties)}`,
    })
    : jsonLinesFormatter;
  configureSync({
    sinks: { stderr: (record) => writeLine(format(record)) },
    loggers: [
      { category: "kavka", lowestLevel: LEVELS[level], sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
    reset: true,
  });
  const logger = getLogger("kavka");
  return {
    debug: (message, fields) => logger.debug(escaped(message), fields ?? {}),
    info: (message, fields) => logger.info(escaped(message), fields ?? {}),
    warn: (message, fields) => logger.warn(escaped(message), fields ?? {}),
    error: (message, fields) => logger.error(escaped(message), fields ?? {}),
  };
}

/** LogTape fills `{name}` from the fields; our messages are plain text. */
function escaped(message: string): string {
  return message.replaceAll("{", "{{").replaceAll("}", "}}");
}

function fieldsText(fields: Record<string, unknown>): string {
  const entries = Object.entries(fields as LogFields);
  return entries.length === 0 ? "" : ` ${entries.map(([name, value]) => `${name}=${value}`).join(" ")}`;
}

/** A log that cannot be written (a closed pipe, a full disk) must not stop the broker. */
function writeLine(line: string): void {
  try {
    Deno.stderr.writeSync(encoder.encode(line.endsWith("\n") ? line : `${line}\n`));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}
