/**
 * kafka-delete-records.sh: deletes the oldest records of partitions, as a JSON file says. Flags, output and messages are
 * those of Kafka's DeleteRecordsCommand.
 */
import { Admin, BrokerError, type TopicPartition } from "../client/mod.ts";
import { commandClientOptions } from "./command_config.ts";
import {
  bootstrapServers,
  newCommand,
  parseOptions,
  type ServerOptions,
  type Terminal,
  UsageError,
  utf8,
} from "./command_line.ts";
import { javaExceptionText } from "./java_exception.ts";
import { runProcess } from "./real_terminal.ts";

interface DeleteRecordsOptions extends ServerOptions {
  readonly offsetJsonFile?: string;
  readonly commandConfig?: string;
}

type RecordsToDelete = TopicPartition & { readonly beforeOffset: number };

/** The command. */
export async function deleteRecords(args: readonly string[], terminal: Terminal): Promise<number> {
  const command = newCommand("kafka-delete-records.sh", "Deletes records below given offsets.")
    .option(
      "--bootstrap-server <servers>",
      "HOST:PORT of a broker, or several with commas (also: KAVKA_BOOTSTRAP)",
    )
    .option(
      "--offset-json-file <file>",
      '{"partitions": [{"topic": "foo", "partition": 1, "offset": 1}], "version": 1}; -1 deletes all',
    )
    .option("--command-config <file>", "settings of the client");
  const options = parseOptions<DeleteRecordsOptions>(command, args);
  if (options.offsetJsonFile === undefined) {
    throw new UsageError('Missing required argument "[offset-json-file]"');
  }
  const servers = bootstrapServers(options, terminal);
  const client = await commandClientOptions(servers, options.commandConfig, terminal);
  const requests = recordsToDelete(await readText(options.offsetJsonFile, terminal));
  using admin = new Admin(terminal.env, client);
  await terminal.writeOut(utf8("Executing records delete operation\n"));
  const outcomes = await admin.deleteRecords(requests);
  const lines = outcomes.map(({ topic, partition, lowWatermark, error }) =>
    `partition: ${topic}-${partition}\t` +
    (error === null
      ? `low_watermark: ${lowWatermark}\n`
      : `error: ${error instanceof BrokerError ? javaExceptionText(error) : error.message}\n`)
  );
  await terminal.writeOut(utf8(`Records delete operation completed:\n${lines.join("")}`));
  return 0;
}

/** Reads the JSON file. Throws `UsageError`. */
export function recordsToDelete(text: string): RecordsToDelete[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UsageError("The input string is not a valid JSON", { cause: error });
  }
  const file = objectOf(json);
  const version = file["version"] ?? 1;
  if (version !== 1) throw new UsageError(`Not supported version field value ${JSON.stringify(version)}`);
  const partitions = file["partitions"];
  if (partitions === undefined) throw new UsageError("Missing partitions field");
  if (!Array.isArray(partitions)) throw new UsageError("Expected an array in the field `partitions`");
  const requests = partitions.map((each) => {
    const entry = objectOf(each);
    const topic = fieldOf(entry, "topic", (value) => typeof value === "string");
    const partition = fieldOf(entry, "partition", Number.isSafeInteger);
    const beforeOffset = fieldOf(entry, "offset", Number.isSafeInteger);
    return { topic: topic as string, partition: partition as number, beforeOffset: beforeOffset as number };
  });
  const names = requests.map(({ topic, partition }) => `${topic}-${partition}`);
  const duplicates = new Set(names.filter((name, index) => names.indexOf(name) !== index));
  if (duplicates.size > 0) {
    throw new UsageError(
      `Offset json file contains duplicate topic partitions: ${[...duplicates].join(",")}`,
    );
  }
  return requests;
}

function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError(`Expected JSON object, received ${JSON.stringify(value)}`);
  }
  return value as Record<string, unknown>;
}

function fieldOf(
  entry: Record<string, unknown>,
  name: string,
  isValid: (value: unknown) => boolean,
): unknown {
  const value = entry[name];
  if (value === undefined) throw new UsageError(`No such field exists: \`${name}\``);
  if (!isValid(value)) throw new UsageError(`Wrong value of the field \`${name}\`: ${JSON.stringify(value)}`);
  return value;
}

async function readText(path: string, { env }: Terminal): Promise<string> {
  try {
    return await env.files.readText(path);
  } catch (error) {
    throw new UsageError(`Unable to read file ${path}`, { cause: error });
  }
}

if (import.meta.main) await runProcess(deleteRecords);
