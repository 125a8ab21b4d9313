/**
 * `deno task kavka …`: nouns and verbs in place of many scripts, with the broker on this machine as the default.
 *
 * It translates into the commands that are there already, so that both spellings do the same.
 */
import { apiKeys } from "./api_keys.ts";
import { backup, restore } from "./backup.ts";
import { consoleConsumer } from "./console_consumer.ts";
import { consoleProducer, standardInput } from "./console_producer.ts";
import { type Terminal, UsageError, utf8 } from "./command_line.ts";
import { consumers } from "./consumers.ts";
import { interruption, runProcess } from "./real_terminal.ts";
import { storageCheck } from "./storage_check.ts";
import { topics } from "./topics.ts";

const USAGE = `Usage: kavka COMMAND [options]

  topic create NAME [--partitions N] [--replication-factor N] [--config NAME=VALUE]
  topic list
  topic describe [NAME]
  topic delete NAME
  produce TOPIC                        sends the lines of standard input
  consume TOPIC [--from-beginning] [--group ID] [--max-messages N]
  consumers [--group ID]               who reads what, and how far behind; of the server at --server URL
  key create --name NAME --scope SCOPE [--expires-in TIME]
  key list
  key revoke ID                        keys of the HTTP interface, at --server URL, else KAVKA_SERVER
  backup FILE [--topics NAMES]
  restore FILE [--overwrite]           topics of the server, to one file and back
  storage check [--data DIR]           verifies what is stored: of the server, or of a stopped one's directory

The broker is --bootstrap-server HOST:PORT, else KAVKA_BOOTSTRAP, else localhost:9092. The other options are those of
bin/kafka-topics.sh, bin/kafka-console-producer.sh and bin/kafka-console-consumer.sh; a server is started by deno task start.
`;

const DEFAULT_BOOTSTRAP = "localhost:9092";

/** A command of Kafka's with its arguments, or help. */
export type Translation =
  | {
    readonly command: "topics" | "produce" | "consume" | "consumers" | "key" | "backup" | "restore" | "check";
    readonly args: readonly string[];
  }
  | { readonly command: "help" };

/** Reads nouns and verbs. Throws `UsageError`. */
export function translate(args: readonly string[]): Translation {
  const [noun, ...rest] = args;
  switch (noun) {
    case undefined:
    case "help":
    case "--help":
      return { command: "help" };
    case "topic":
      return translateTopic(rest);
    case "produce":
    case "consume": {
      const [topic, ...options] = rest;
      if (topic === undefined || topic.startsWith("-")) {
        throw new UsageError(`Usage: kavka ${noun} TOPIC [options]`);
      }
      return { command: noun, args: ["--topic", topic, ...options] };
    }
    case "consumers":
    case "key":
    case "backup":
    case "restore":
      return { command: noun, args: rest };
    case "storage":
      if (rest[0] !== "check") throw new UsageError("Usage: kavka storage check [--data DIR]");
      return { command: "check", args: rest.slice(1) };
    default:
      throw new UsageError(`"${noun}" is not a command: see kavka --help`);
  }
}

function translateTopic([verb, ...rest]: readonly string[]): Translation {
  const [name, ...options] = rest;
  const isNamed = name !== undefined && !name.startsWith("-");
  switch (verb) {
    case "create":
    case "delete":
      if (!isNamed) throw new UsageError(`Usage: kavka topic ${verb} NAME [options]`);
      return { command: "topics", args: [`--${verb}`, "--topic", name, ...options] };
    case "list":
      return { command: "topics", args: ["--list", ...rest] };
    case "describe":
      return { command: "topics", args: ["--describe", ...(isNamed ? ["--topic", name, ...options] : rest)] };
    default:
      throw new UsageError("Usage: kavka topic create|list|describe|delete");
  }
}

/** The command. */
export async function kavka(args: readonly string[], terminal: Terminal): Promise<number> {
  const translation = translate(args);
  const local: Terminal = {
    ...terminal,
    variable: (name) =>
      terminal.variable(name) ?? (name === "KAVKA_BOOTSTRAP" ? DEFAULT_BOOTSTRAP : undefined),
  };
  switch (translation.command) {
    case "help":
      await terminal.writeOut(utf8(USAGE));
      return 0;
    case "topics":
      return await topics(translation.args, local);
    case "consumers":
      return await consumers(translation.args, terminal);
    case "key":
      return await apiKeys(translation.args, terminal);
    case "backup":
      return await backup(translation.args, terminal);
    case "restore":
      return await restore(translation.args, terminal);
    case "check":
      return await storageCheck(translation.args, terminal);
    case "produce":
      return await consoleProducer(translation.args, local, standardInput(local), interruption());
    case "consume":
      return await consoleConsumer(translation.args, local, interruption());
  }
}

if (import.meta.main) await runProcess(kavka);
