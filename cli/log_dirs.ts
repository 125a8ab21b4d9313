/**
 * kafka-log-dirs.sh: what brokers keep in which directory, and how large it is, as JSON. Flags, output and messages are
 * those of Kafka's LogDirsCommand.
 */
import { Admin, type LogDirDescription } from "../client/mod.ts";
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
import { javaExceptionName } from "./java_exception.ts";
import { runProcess } from "./real_terminal.ts";

interface LogDirsOptions extends Omit<ServerOptions, "brokerList"> {
  readonly describe?: boolean;
  readonly topicList?: string;
  /** Broker ids here, not addresses. */
  readonly brokerList?: string;
  readonly commandConfig?: string;
}

/** The command. */
export async function logDirs(args: readonly string[], terminal: Terminal): Promise<number> {
  const command = newCommand("kafka-log-dirs.sh", "Shows what brokers keep in which directory, as JSON.")
    .option(
      "--bootstrap-server <servers>",
      "HOST:PORT of a broker, or several with commas (also: KAVKA_BOOTSTRAP)",
    )
    .option("--describe", "the only action there is")
    .option("--topic-list <topics>", "topic1,topic2; without it all")
    .option("--broker-list <ids>", "0,1,2; without it all")
    .option("--command-config <file>", "settings of the client");
  const options = parseOptions<LogDirsOptions>(command, args);
  const { bootstrapServer } = options;
  const servers = bootstrapServers(bootstrapServer === undefined ? {} : { bootstrapServer }, terminal);
  if (options.describe !== true) throw new UsageError('Missing required argument "[describe]"');
  const client = await commandClientOptions(servers, options.commandConfig, terminal);
  const wanted = brokerIdsOf(options.brokerList);
  using admin = new Admin(terminal.env, client);
  const known = (await admin.describeCluster()).brokers.map(({ nodeId }) => nodeId);
  const unknown = wanted.filter((id) => !known.includes(id));
  if (unknown.length > 0) {
    throw new UsageError(
      `ERROR: The given brokers do not exist from --broker-list: ${unknown}. Current existent brokers: ${known}`,
    );
  }
  const asked = wanted.length === 0 ? known : wanted;
  await terminal.writeOut(utf8("Querying brokers for log directories information\n"));
  const described = await admin.describeLogDirs(asked);
  const topics = new Set((options.topicList ?? "").split(",").filter((topic) => topic !== ""));
  await terminal.writeOut(utf8(
    `Received log directory information from brokers ${asked}\n${formatLogDirs(described, topics)}\n`,
  ));
  return 0;
}

function brokerIdsOf(list: string | undefined): number[] {
  const texts = (list ?? "").split(",").filter((text) => text !== "");
  return [
    ...new Set(texts.map((text) => {
      if (!/^\d{1,9}$/.test(text)) throw new UsageError(`For input string: "${text}"`);
      return Number(text);
    })),
  ];
}

/** The JSON that Kafka prints; an empty set of topics means all. */
export function formatLogDirs(
  brokers: ReadonlyMap<number, readonly LogDirDescription[]>,
  topics: ReadonlySet<string>,
): string {
  return JSON.stringify({
    brokers: [...brokers].map(([broker, directories]) => ({
      broker,
      logDirs: directories.map(({ path, error, replicas }) => ({
        partitions: replicas
          .filter(({ topic }) => topics.size === 0 || topics.has(topic))
          .map(({ topic, partition, sizeBytes, offsetLag, isFuture }) => ({
            partition: `${topic}-${partition}`,
            size: sizeBytes,
            offsetLag,
            isFuture,
          })),
        error: error === null ? null : javaExceptionName(error),
        logDir: path,
      })),
    })),
    version: 1,
  });
}

if (import.meta.main) await runProcess(logDirs);
