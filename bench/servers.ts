/** Starts the servers that `vs_kafka.ts` compares, each in a process and a directory of its own. */

export interface Server {
  readonly name: string;
  /** Of the Kafka listener. */
  readonly address: string;
  residentMb(): number;
  stop(): Promise<void>;
}

export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

export async function kavkaServer(directory: string, overrides: readonly string[] = []): Promise<Server> {
  const port = freePort();
  const main = new URL("../main.ts", import.meta.url).pathname;
  const flags = [
    "--http",
    "127.0.0.1:0",
    "--kafka",
    `127.0.0.1:${port}`,
    "--data",
    directory,
    "--log",
    "warn",
    ...overrides.flatMap((override) => ["--override", override]),
  ];
  const child = start(Deno.execPath(), ["run", "-A", main, ...flags]);
  return await ready("kavka", port, child);
}

export interface KafkaOptions {
  /** Of the jars. */
  readonly libs: string;
  readonly directory: string;
  readonly port: number;
  /** Syncs before every acknowledgement. */
  readonly flush: boolean;
}

export async function kafkaServer({ libs, directory, port, flush }: KafkaOptions): Promise<Server> {
  const controllerPort = freePort();
  Deno.mkdirSync(directory, { recursive: true });
  const file = `${directory}/server.properties`;
  const lines = [
    "process.roles=broker,controller",
    "node.id=1",
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    `advertised.listeners=PLAINTEXT://127.0.0.1:${port}`,
    "controller.listener.names=CONTROLLER",
    `log.dirs=${directory}/log`,
    "offsets.topic.replication.factor=1",
    "transaction.state.log.replication.factor=1",
    "transaction.state.log.min.isr=1",
    "group.initial.rebalance.delay.ms=0",
    ...(flush ? ["log.flush.interval.messages=1"] : []),
  ];
  Deno.writeTextFileSync(file, lines.join("\n") + "\n");
  const tool = new Deno.Command("java", {
    args: [
      "-cp",
      `${libs}/*`,
      "kafka.tools.StorageTool",
      "format",
      "-t",
      "bench-cluster-0000000A",
      "-c",
      file,
    ],
  });
  const { success, stderr, stdout } = await tool.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout));
  const child = start("java", ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-cp", `${libs}/*`, "kafka.Kafka", file]);
  return await ready(flush ? "kafka-fsync" : "kafka", port, child);
}

function start(command: string, args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(command, { args: [...args], stdout: "null", stderr: "inherit" }).spawn();
}

async function ready(name: string, port: number, child: Deno.ChildProcess): Promise<Server> {
  for (let attempt = 0;; attempt++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      break;
    } catch (error) {
      if (attempt > 300) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  return {
    name,
    address: `127.0.0.1:${port}`,
    residentMb: () => {
      const status = Deno.readTextFileSync(`/proc/${child.pid}/status`);
      return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024);
    },
    stop: async () => {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}
