/** OpenTelemetry as Deno exports it: a server with OTEL_DENO=true, and a receiver of OTLP over HTTP that looks at what comes. */
import assert from "node:assert/strict";
import { Producer } from "../client/mod.ts";
import { realEnv } from "../env/real.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const DEADLINE_MS = 60_000;

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string };
}

interface ExportedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly Attribute[];
}

interface ExportedMetric {
  readonly name: string;
  readonly sum?: {
    readonly dataPoints: readonly { readonly attributes: readonly Attribute[]; readonly asDouble: number }[];
  };
  readonly gauge?: unknown;
}

/** Takes what is exported, and lets a test wait for it. */
class Receiver implements AsyncDisposable {
  readonly spans: ExportedSpan[] = [];
  /** As last exported. */
  readonly metrics = new Map<string, ExportedMetric>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #arrived = Promise.withResolvers<void>();

  constructor() {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const body = await request.json();
      for (const { scopeSpans } of body.resourceSpans ?? []) {
        for (const { spans } of scopeSpans) this.spans.push(...spans);
      }
      for (const { scopeMetrics } of body.resourceMetrics ?? []) {
        for (const { scope, metrics } of scopeMetrics) {
          if (scope.name !== "kavka") continue;
          for (const metric of metrics) this.metrics.set(metric.name, metric);
        }
      }
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers();
      return Response.json({});
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** What `find` finds, as soon as it does. */
  async until<T>(what: string, find: () => T | undefined): Promise<T> {
    const late = AbortSignal.timeout(DEADLINE_MS);
    for (;;) {
      const arrived = this.#arrived.promise;
      const found = find();
      if (found !== undefined) return found;
      if (late.aborted) throw new Error(`No ${what} among ${this.spans.map(({ name }) => name).join(", ")}`);
      await Promise.race([arrived, new Promise((resolve) => setTimeout(resolve, 1_000))]);
    }
  }

  async span(name: string, traceId?: string): Promise<ExportedSpan> {
    const isWanted = (span: ExportedSpan) => span.name === name && (traceId ?? span.traceId) === span.traceId;
    return await this.until(`span ${name}`, () => this.spans.find(isWanted));
  }

  async [Symbol.asyncDispose]() {
    await this.#server.shutdown();
  }
}

class ServerProcess implements AsyncDisposable {
  readonly http: string;
  readonly kafka: string;
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<void>;
  readonly #data: string;

  private constructor(
    child: Deno.ChildProcess,
    output: Promise<void>,
    data: string,
    http: string,
    kafka: string,
  ) {
    this.#child = child;
    this.#output = output;
    this.#data = data;
    this.http = http;
    this.kafka = kafka;
  }

  static async start(environment: Record<string, string>): Promise<ServerProcess> {
    const data = await Deno.makeTempDir();
    const listen = ["--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--data", data, "--log", "warn"];
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--allow-net",
        "--allow-read",
        "--allow-write",
        "--allow-env",
        "main.ts",
        ...listen,
      ],
      cwd: ROOT,
      env: environment,
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const http = Promise.withResolvers<string>();
    const kafka = Promise.withResolvers<string>();
    let text = "";
    const output = child.stdout.pipeThrough(new TextDecoderStream()).pipeTo(
      new WritableStream({
        write(chunk) {
          text += chunk;
          const [, httpUrl] = /http listening on (\S+)\n/.exec(text) ?? [];
          const [, kafkaAddress] = /kafka listening on (\S+)\n/.exec(text) ?? [];
          if (httpUrl !== undefined) http.resolve(httpUrl);
          if (kafkaAddress !== undefined) kafka.resolve(kafkaAddress);
        },
      }),
    );
    return new ServerProcess(child, output, data, await http.promise, await kafka.promise);
  }

  async [Symbol.asyncDispose]() {
    this.#child.kill("SIGTERM");
    await this.#child.status;
    await this.#output;
    await Deno.remove(this.#data, { recursive: true });
  }
}

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const PARENT_ID = "b7ad6b7169203331";

Deno.test("a trace goes from the HTTP request through actor and commit, below the caller's own span", async () => {
  await using receiver = new Receiver();
  await using server = await ServerProcess.start({
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_BSP_SCHEDULE_DELAY: "50",
    OTEL_METRIC_EXPORT_INTERVAL: "100",
    OTEL_DENO_CONSOLE: "ignore",
  });
  const post = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${server.http}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(
        path === "/v1/records" ? { records: [{ topic: "t", value: "y" }] } : { value: "x" },
      ),
    });
    assert.equal(response.status, 200, await response.text());
  };
  await post("/v1/topics/t/records");
  await post("/v1/topics/t/records", { traceparent: `00-${TRACE_ID}-${PARENT_ID}-01` });

  const http = await receiver.span("POST produceRecords", TRACE_ID);
  assert.deepEqual([http.kind, http.parentSpanId], [2, PARENT_ID]);
  assert.equal(textOf(http, "kavka.route"), "produceRecords");
  const actor = await receiver.span("partition produce", TRACE_ID);
  assert.equal(actor.parentSpanId, http.spanId);
  assert.match(textOf(actor, "kavka.actor.key") ?? "", /^[0-9a-f-]{36}\/0$/);
  const commit = await receiver.span("partition commit", TRACE_ID);
  assert.equal(commit.parentSpanId, actor.spanId);

  // A transaction: through three kinds of actors.
  const transactionTrace = TRACE_ID.replace("0af", "1af");
  await post("/v1/records", { traceparent: `00-${transactionTrace}-${PARENT_ID}-01` });
  const producer = await receiver.span("atomic_producer produce", transactionTrace);
  const added = await receiver.span("transaction addToTransaction", transactionTrace);
  const appended = await receiver.span("partition produce", transactionTrace);
  const decided = await receiver.span("transaction endTransaction", transactionTrace);
  for (const span of [added, appended, decided]) assert.equal(span.parentSpanId, producer.spanId, span.name);
  const decision = await receiver.until(
    "commit of the decision",
    () =>
      receiver.spans.find(({ name, parentSpanId }) =>
        name === "transaction commit" && parentSpanId === decided.spanId
      ),
  );
  const marker = await receiver.span("partition writeMarker", transactionTrace);
  assert.equal(marker.parentSpanId, decision.spanId);

  // Kafka's protocol: each request begins a trace.
  await using kafka = new Producer(realEnv(), { bootstrapServers: server.kafka });
  await kafka.send({ topic: "t", value: new Uint8Array(1), partition: 0 });
  const request = await receiver.span("kafka Produce");
  assert.deepEqual([request.kind, request.parentSpanId], [2, ""]);
  const below = await receiver.span("partition produce", request.traceId);
  assert.equal(below.parentSpanId, request.spanId);
  assert.equal((await receiver.span("partition commit", request.traceId)).parentSpanId, below.spanId);

  // What /metrics tells.
  const counted = await receiver.until(
    "counter of requests",
    () =>
      receiver.metrics.get("kavka_http_requests")?.sum?.dataPoints.find(({ attributes }) =>
        attributes.some(({ key, value }) => key === "route" && value.stringValue === "produceRecords")
      ),
  );
  assert.equal(counted.asDouble, 2);
  await receiver.until("gauge of topics", () => receiver.metrics.get("kavka_topics")?.gauge);
  await receiver.until(
    "buckets of commits",
    () =>
      receiver.metrics.get("kavka_commit_seconds_bucket")?.sum?.dataPoints.find(({ attributes }) =>
        attributes.some(({ key }) => key === "le")
      ),
  );
});

Deno.test("without OTEL_DENO nothing of OpenTelemetry is loaded", async () => {
  await using receiver = new Receiver();
  await using server = await ServerProcess.start({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_METRIC_EXPORT_INTERVAL: "100",
  });
  assert.equal((await (await fetch(`${server.http}/readyz`)).json()).status, "ready");
  const graph = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "main.ts"],
    cwd: ROOT,
    stdout: "piped",
    stderr: "null",
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(graph.stdout)) as {
    modules: readonly {
      readonly specifier: string;
      readonly dependencies?: readonly {
        readonly code?: { readonly specifier?: string };
        readonly isDynamic?: boolean;
        readonly specifier: string;
      }[];
    }[];
  };
  // Whoever imports it is imported on demand alone.
  const importersOf = (end: RegExp) =>
    modules.flatMap(({ specifier, dependencies = [] }) =>
      dependencies.filter(({ specifier: to }) => end.test(to)).map(({ isDynamic }) => [
        specifier.replace(/^.*\//, ""),
        isDynamic === true,
      ])
    );
  assert.deepEqual(importersOf(/@opentelemetry/), [["telemetry.ts", false]]);
  assert.deepEqual(importersOf(/\/telemetry\.ts$/), [["main.ts", true]]);
  assert.deepEqual([receiver.spans.length, receiver.metrics.size], [0, 0]);
});

function textOf({ attributes }: ExportedSpan, name: string): string | undefined {
  return attributes.find(({ key }) => key === name)?.value.stringValue;
}
