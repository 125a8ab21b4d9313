/**
 * zookeeper-server-start.sh: the first step of the classic quick start. It checks that the file exists and says that
 * there is nothing to start.
 */
import { type Terminal, UsageError, utf8 } from "./command_line.ts";
import { runProcess } from "./real_terminal.ts";

const MESSAGE =
  "No ZooKeeper is needed: the supervisor inside the broker plays that role. Go on with bin/kafka-server-start.sh\n";

/** The command. */
export async function zookeeperServerStart(args: readonly string[], terminal: Terminal): Promise<number> {
  const files = args.filter((arg) => arg !== "-daemon");
  const [file] = files;
  if (file === undefined || files.length > 1 || file.startsWith("-")) {
    throw new UsageError("USAGE: zookeeper-server-start.sh [-daemon] zookeeper.properties");
  }
  if (!await terminal.env.files.exists(file)) throw new UsageError(`Cannot find "${file}"`);
  await terminal.writeOut(utf8(MESSAGE));
  return 0;
}

if (import.meta.main) await runProcess(zookeeperServerStart);
