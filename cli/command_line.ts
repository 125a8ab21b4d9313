/**
 * What all commands share: options in Kafka's spelling, one clear line for a wrong one, exit codes.
 *
 * Commands are functions from arguments and outputs to an exit code, so that tests call them without a process.
 */
import { Command, CommanderError, InvalidArgumentError } from "commander";
import type { Env } from "../lib/env.ts";
import { ClientError } from "../client/mod.ts";

/** The world of a command. */
export interface Terminal {
  readonly env: Env;
  /** Environment variables that commands may look at. */
  variable(name: string): string | undefined;
  /** Writes all of it. Throws when nobody reads any more. */
  writeOut(bytes: Uint8Array): Promise<void>;
  /** Writes a line. */
  writeError(line: string): void;
  /** Shows a line that the next one takes the place of, if somebody sits there; "" takes it away. */
  writeStatus?(line: string): void;
}

/** Wrong arguments: the message is shown as it is, without a stack. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Somebody asked for help or the version; it has been printed. */
export class HelpShown extends Error {
  override readonly name = "HelpShown";
}

const encoder = new TextEncoder();

/** A parser that throws `UsageError` and `HelpShown` and never exits. */
export function newCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .helpOption("--help", "Print this")
    .exitOverride()
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => {}, outputError: () => {} });
}

/** Parses arguments as the command says; gives its options. */
export function parseOptions<T extends object>(command: Command, args: readonly string[]): T {
  try {
    command.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) throw new HelpShown();
    throw new UsageError(usageMessage(error));
  }
  return command.opts<T>();
}

/** In Kafka's words where it has some. */
function usageMessage(error: CommanderError): string {
  const option = /'(-[^' ,]*)/.exec(error.message)?.[1] ?? "";
  if (error.code === "commander.unknownOption") {
    return `${option.replace(/^-+/, "").replace(/=.*$/s, "")} is not a recognized option`;
  }
  return error.message.replace(/^error: /, "");
}

/** For options that take a whole number. */
export function integerOption(
  minimum = -Infinity,
  maximum = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text) || value < minimum || value > maximum) {
      throw new InvalidArgumentError(
        minimum === -Infinity
          ? "Expected a whole number."
          : `Expected a whole number of at least ${minimum}.`,
      );
    }
    return value;
  };
}

/** For options that may be repeated. */
export function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value];
}

/** Reads `name=value` pairs; a later one wins. Throws `UsageError`. */
export function propertiesOf(pairs: readonly string[] = []): Map<string, string> {
  const properties = new Map<string, string>();
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw new UsageError(`Property "${pair}" is not of the form name=value`);
    properties.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  return properties;
}

/** Which broker to ask. */
export interface ServerOptions {
  readonly bootstrapServer?: string;
  readonly brokerList?: string;
  readonly zookeeper?: string;
}

const KAFKA_PORT = 9092;
/** Where brokers are when nobody says. */
const BOOTSTRAP_VARIABLE = "KAVKA_BOOTSTRAP";

/** The bootstrap servers; says on standard error what stands in for `--zookeeper`. Throws `UsageError`. */
export function bootstrapServers(
  options: ServerOptions,
  terminal: Pick<Terminal, "variable" | "writeError">,
): string {
  const given = options.bootstrapServer ?? options.brokerList;
  if (given !== undefined) return given;
  const variable = terminal.variable(BOOTSTRAP_VARIABLE);
  if (options.zookeeper !== undefined) {
    const servers = variable ?? brokerBesideZookeeper(options.zookeeper);
    terminal.writeError(
      `--zookeeper is the old spelling, and the broker plays ZooKeeper's role itself: using --bootstrap-server ${servers}`,
    );
    return servers;
  }
  if (variable !== undefined && variable !== "") return variable;
  throw new UsageError(`Missing required argument "[bootstrap-server]"`);
}

/** The first ZooKeeper's host with Kafka's port. */
export function brokerBesideZookeeper(connect: string): string {
  const first = connect.split(/[,/]/)[0] ?? "";
  const host = first.replace(/:\d+$/, "");
  return `${host === "" ? "localhost" : host}:${KAFKA_PORT}`;
}

/** Runs a command and gives its exit code: 1 for wrong arguments and failures, with one line that says why. */
export async function runCommand(
  command: (args: readonly string[], terminal: Terminal) => Promise<number>,
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  try {
    return await command(args, terminal);
  } catch (error) {
    if (error instanceof HelpShown) return 0;
    if (error instanceof UsageError || error instanceof ClientError) {
      terminal.writeError(error.message);
      return 1;
    }
    terminal.writeError(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    return 1;
  }
}

/** Text as bytes. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}
