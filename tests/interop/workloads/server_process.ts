/**
 * A broker as a process that faults stop and kill: Kavka, or Apache Kafka as the control. It keeps its port and its data over all
 * its lives; who ends without having been killed has failed.
 */

/** So that what takes minutes elsewhere happens often enough: Kafka's names, as the simulator sets them. */
const SETTINGS = {
  "group.initial.rebalance.delay.ms": "100",
  "log.retention.check.interval.ms": "2000",
  "log.cleaner.backoff.ms": "1500",
};
const READY_MS_MAX = 60_000;
const LINES_KEPT = 20;

export class ServerProcess {
  readonly port: number;
  readonly #command: readonly string[];
  readonly #prepare: readonly string[] | null;
  readonly #folder: string;
  readonly #lines: string[] = [];
  #child: Deno.ChildProcess | null = null;
  #readers: Promise<unknown> = Promise.resolve();
  /** Why it is of no use any more; null while it is as it should be. */
  fault: string | null = null;

  private constructor(
    { port, folder, command, prepare = null }: {
      port: number;
      folder: string;
      command: readonly string[];
      prepare?: readonly string[] | null;
    },
  ) {
    this.port = port;
    this.#folder = folder;
    this.#command = command;
    this.#prepare = prepare;
  }

  /** `start`: the command line that starts a server, less its flags. */
  static async kavka(start: readonly string[]): Promise<ServerProcess> {
    const folder = await Deno.makeTempDir({ prefix: "kavka-interop-" });
    const port = freePort();
    const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ["--override", `${name}=${value}`]);
    const where = ["--kafka", `127.0.0.1:${port}`, "--http", "127.0.0.1:0", "--data", `${folder}/data`];
    return new ServerProcess({ port, folder, command: [...start, ...where, ...settings] });
  }

  /** One node of KRaft, from the jars in `libs`. */
  static async apacheKafka(libs: string): Promise<ServerProcess> {
    const folder = await Deno.makeTempDir({ prefix: "kavka-interop-" });
    const port = freePort();
    const controller = freePort();
    const properties = {
      ...SETTINGS,
      "process.roles": "broker,controller",
      "node.id": "1",
      "controller.quorum.voters": `1@127.0.0.1:${controller}`,
      listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
      "controller.listener.names": "CONTROLLER",
      "log.dirs": `${folder}/data`,
      "offsets.topic.replication.factor": "1",
      "transaction.state.log.replication.factor": "1",
      "transaction.state.log.min.isr": "1",
      "share.coordinator.state.topic.replication.factor": "1",
      "share.coordinator.state.topic.min.isr": "1",
    };
    const file = `${folder}/kafka.properties`;
    await Deno.writeTextFile(file, Object.entries(properties).map((each) => each.join("=") + "\n").join(""));
    const java = ["java", "-Xmx512m", "-cp", `${libs}/*`];
    return new ServerProcess({
      port,
      folder,
      command: [...java, "kafka.Kafka", file],
      prepare: [...java, "kafka.tools.StorageTool", "format", "-c", file, "-t", "4L6g3nShT-eMCtK--X86sw"],
    });
  }

  /** The first start; resolves when somebody listens. */
  async begin(): Promise<void> {
    if (this.#prepare !== null) {
      const [program = "", ...args] = this.#prepare;
      const { success, stderr } = await new Deno.Command(program, { args, stdout: "null" }).output();
      if (!success) throw new Error(`Cannot prepare the server: ${new TextDecoder().decode(stderr)}`);
    }
    this.start();
    for (const giveUpAt = Date.now() + READY_MS_MAX;;) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port: this.port })).close();
        return;
      } catch {
        if (this.fault !== null) throw new Error(this.fault);
        if (Date.now() > giveUpAt) throw new Error("Cannot start the server: nobody listens");
        await new Promise((done) => setTimeout(done, 100));
      }
    }
  }

  start(): void {
    const [program = "", ...args] = this.#command;
    const options = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
    const child = new Deno.Command(program, { args, ...options }).spawn();
    this.#child = child;
    this.#readers = Promise.all([child.stdout, child.stderr].map((stream) => this.#keepLines(stream)));
    void child.status.then(({ code }) => {
      if (this.#child !== child) return;
      this.fault = `The server ended by itself with code ${code}: ${this.#lines.slice(-5).join(" | ")}`;
    });
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    // One that stands still dies, too.
    child.kill("SIGKILL");
    await child.status;
    await this.#readers;
  }

  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  async remove(): Promise<void> {
    await this.kill();
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #keepLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#lines.push(...text.split("\n").filter((line) => line.trim() !== ""));
      this.#lines.splice(0, this.#lines.length - LINES_KEPT);
    }
  }
}

/** Below those that the system gives to clients: one of them that tries again and again could be given this very port. */
function freePort(): number {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}
