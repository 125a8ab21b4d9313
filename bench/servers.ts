/** Starts the servers that `bench/run.ts` compares, each in a process and a directory of its own. */

export interface Server {
  readonly name: "kavka" | "kafka" | "kafka-fsync";
  /** Of the Kafka listener; the same after a restart. */
  readonly address: string;
  readonly port: number;
  residentMb(): number;
  /** Seconds of processor time that the process has used. */
  cpuSeconds(): number;
  /** Starts the process; returns without waiting for it to listen. */
  spawn(): void;
  /** Resolves when somebody listens. */
  listening(): Promise<void>;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** Of the clock that `/proc` counts in. */
const TICKS_PER_SECOND = 100;

export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

export async function startServer(
  name: Server["name"],
  options: {
    readonly libs: string;
    readonly directory: string;
    /** Of Kavka's settings, NAME=VALUE. */
    readonly overrides?: readonly string[];
    /** Told of each line that Kavka logs; without it only warnings are logged, to nobody. */
    readonly onLine?: (line: string) => void;
  },
): Promise<Server> {
  const port = freePort();
  const command = name === "kavka"
    ? kavkaCommand(port, options)
    : await kafkaCommand(port, { ...options, flush: name === "kafka-fsync" });
  const server = serverOf(name, port, command, options.onLine);
  server.spawn();
  await server.listening();
  return server;
}

function kavkaCommand(
  port: number,
  { directory, overrides = [], onLine }: {
    readonly directory: string;
    readonly overrides?: readonly string[];
    readonly onLine?: (line: string) => void;
  },
): string[] {
  const main = new URL("../main.ts", import.meta.url).pathname;
  const flags = [
    "--http",
    "127.0.0.1:0",
    "--kafka",
    `127.0.0.1:${port}`,
    "--data",
    directory,
    "--log",
    onLine === undefined ? "warn" : "info",
    ...overrides.flatMap((override) => ["--override", override]),
  ];
  return [Deno.execPath(), "run", "-A", main, ...flags];
}

interface KafkaOptions {
  /** Directory of the jars. */
  readonly libs: string;
  readonly directory: string;
  /** Syncs before every acknowledgement. */
  readonly flush: boolean;
}

/** One KRaft node with 1 GB of heap, its directory formatted. */
async function kafkaCommand(port: number, { libs, directory, flush }: KafkaOptions): Promise<string[]> {
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
  const format = ["kafka.tools.StorageTool", "format", "-t", "bench-cluster-0000000A", "-c", file];
  const { success, stderr, stdout } = await new Deno.Command("java", {
    args: ["-cp", `${libs}/*`, ...format],
  })
    .output();
  if (!success) throw new Error(new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout));
  return ["java", "-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-cp", `${libs}/*`, "kafka.Kafka", file];
}

async function tellLines(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream() as never) as ReadableStream<string>) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  }
}

function serverOf(
  name: Server["name"],
  port: number,
  [program = "", ...args]: string[],
  onLine?: (line: string) => void,
): Server {
  let child: Deno.ChildProcess | null = null;
  const processOf = (): Deno.ChildProcess => {
    if (child === null) throw new Error(`${name} does not run`);
    return child;
  };
  const end = async (signal: Deno.Signal) => {
    processOf().kill(signal);
    await processOf().status;
    child = null;
  };
  return {
    name,
    port,
    address: `127.0.0.1:${port}`,
    residentMb() {
      const status = Deno.readTextFileSync(`/proc/${processOf().pid}/status`);
      return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024);
    },
    cpuSeconds() {
      const fields = Deno.readTextFileSync(`/proc/${processOf().pid}/stat`).split(") ")[1]?.split(" ") ?? [];
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    },
    spawn() {
      const output = onLine === undefined ? "null" : "piped";
      child = new Deno.Command(program, { args, stdout: output, stderr: output }).spawn();
      if (onLine === undefined) return;
      void tellLines(child.stdout, onLine);
      void tellLines(child.stderr, onLine);
    },
    async listening() {
      for (let attempt = 0;; attempt++) {
        try {
          (await Deno.connect({ hostname: "127.0.0.1", port })).close();
          return;
        } catch (error) {
          if (attempt > 6_000) throw error;
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      }
    },
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
  };
}
