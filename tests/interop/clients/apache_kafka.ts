/** Apache Kafka 4.3.1 itself as one KRaft node on loopback, from the jars that Maven brought: the other side of copies. */

import { unique } from "./suite.ts";

const READY_MS_MAX = 60_000;
const JAVA = ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1"];

function freePort(): number {
  using probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return probe.addr.port;
}

async function reachable(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

export class ApacheKafka implements AsyncDisposable {
  readonly bootstrap: string;
  readonly #child: Deno.ChildProcess;
  readonly #directory: string;

  private constructor(bootstrap: string, child: Deno.ChildProcess, directory: string) {
    this.bootstrap = bootstrap;
    this.#child = child;
    this.#directory = directory;
  }

  /** Starts it with `settings` beside what one node needs; returns when it listens. */
  static async start(libs: string, settings: Record<string, string> = {}): Promise<ApacheKafka> {
    const directory = await Deno.makeTempDir({ prefix: "kavka-interop-" });
    const [port, controllerPort] = [freePort(), freePort()];
    const properties = {
      "process.roles": "broker,controller",
      "node.id": "1",
      "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
      "listeners": `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
      "controller.listener.names": "CONTROLLER",
      "log.dirs": `${directory}/data`,
      "offsets.topic.replication.factor": "1",
      "transaction.state.log.replication.factor": "1",
      "transaction.state.log.min.isr": "1",
      ...settings,
    };
    const file = `${directory}/server.properties`;
    await Deno.writeTextFile(file, Object.entries(properties).map((each) => each.join("=")).join("\n"));
    const [java = "", ...flags] = [...JAVA, "-cp", `${libs}/*`];
    const id = btoa(unique() + unique()).slice(0, 22);
    const format = await new Deno.Command(java, {
      args: [...flags, "kafka.tools.StorageTool", "format", "-t", id, "-c", file],
    }).output();
    if (!format.success) {
      throw new Error(`Cannot format a log directory: ${new TextDecoder().decode(format.stderr)}`);
    }
    const child = new Deno.Command(java, {
      args: [...flags, "kafka.Kafka", file],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const kafka = new ApacheKafka(`127.0.0.1:${port}`, child, directory);
    const deadline = performance.now() + READY_MS_MAX;
    while (!(await reachable(port))) {
      if (performance.now() > deadline) {
        await kafka[Symbol.asyncDispose]();
        throw new Error("Apache Kafka does not listen");
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return kafka;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await Deno.remove(this.#directory, { recursive: true });
  }
}
