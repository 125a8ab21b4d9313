/**
 * From subscribe to the first record, beside Apache Kafka in the same run and with the same settings:
 *
 * ```
 * deno run -A bench/subscribe.ts --libs DIRECTORY_OF_JARS [--python PROGRAM] [--rounds 20]
 * ```
 *
 * PROGRAM is a Python with confluent-kafka; `deno task test:interop` leaves one in its cache. A new member of a new group
 * reads a topic of 12 partitions with 1,200 records; group.initial.rebalance.delay.ms is 0 on both sides.
 */
import { startServer } from "./servers.ts";

function flag(name: string, fallback: string): string {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? fallback : Deno.args[at + 1] ?? fallback;
}

const directory = Deno.makeTempDirSync({ prefix: "kavka-bench-" });
const libs = flag("libs", "");
const servers = await Promise.all([
  startServer("kavka", {
    libs,
    directory: `${directory}/kavka`,
    overrides: ["group.initial.rebalance.delay.ms=0"],
  }),
  ...(libs === "" ? [] : [startServer("kafka", { libs, directory: `${directory}/kafka` })]),
]);
try {
  const program = new URL("subscribe.py", import.meta.url).pathname;
  const addresses = servers.map(({ name, address }) => `${name}=${address}`);
  const child = new Deno.Command(flag("python", "python3"), {
    args: [program, flag("rounds", "20"), ...addresses],
    stderr: "inherit",
    stdout: "inherit",
  });
  Deno.exitCode = (await child.output()).code;
} finally {
  for (const server of servers) await server.stop();
  Deno.removeSync(directory, { recursive: true });
}
