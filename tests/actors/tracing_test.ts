/** Traces through actors: which spans there are, whose child each is, and that every one ends. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { ActorRuntime } from "../../actors/runtime/runtime.ts";
import { TestEnv, TestLogger } from "../../actors/runtime/testkit.ts";
import type { ActorKind, ActorRef, Expects, Reply } from "../../actors/runtime/types.ts";
import type { Span, SpanOptions, TraceContext, Tracer } from "../../lib/tracing.ts";

interface RecordedSpan {
  readonly name: string;
  readonly parent: string | null;
  readonly links: readonly string[];
  ended: number;
  error: string | null;
}

class RecordingTracer implements Tracer {
  readonly spans: RecordedSpan[] = [];
  readonly #current = new AsyncLocalStorage<RecordedSpan | null>();

  active(): TraceContext | null {
    const span = this.#current.getStore() ?? null;
    return span === null || span.ended > 0 ? null : span as unknown as TraceContext;
  }

  startSpan(name: string, { parent, links = [] }: SpanOptions): Span {
    const nameOf = (context: TraceContext) => (context as unknown as RecordedSpan).name;
    const span: RecordedSpan = {
      name,
      parent: parent === null ? null : nameOf(parent),
      links: links.map(nameOf),
      ended: 0,
      error: null,
    };
    this.spans.push(span);
    return {
      context: span as unknown as TraceContext,
      end: (error) => {
        if (span.ended++ === 0 && error instanceof Error) span.error = error.name;
      },
    };
  }

  within<T>(context: TraceContext | null, run: () => T): T {
    return this.#current.run(context as unknown as RecordedSpan | null, run);
  }

  nameActive(): void {}

  /** What came of the spans, in the order of their beginnings. */
  lines(): string[] {
    return this.spans.map(({ name, parent, links, error }) =>
      `${name} < ${parent}${links.length > 0 ? ` & ${links.join(" & ")}` : ""}${
        error === null ? "" : ` ! ${error}`
      }`
    );
  }

  get openCount(): number {
    return this.spans.filter(({ ended }) => ended === 0).length;
  }
}

type Message =
  | ({ readonly type: "store" } & Expects<string>)
  | ({ readonly type: "pass" } & Expects<string>)
  | { readonly type: "note" }
  | { readonly type: "tick" }
  | ({ readonly type: "later" } & Expects<string>)
  | ({ readonly type: "die" } & Expects<string>);

function world() {
  const env = new TestEnv();
  const tracer = new RecordingTracer();
  const runtime = new ActorRuntime({ env, log: new TestLogger(), incarnation: "test", tracer });
  const commits: (() => void)[] = [];
  const kind = (name: string): ActorKind<Message, string> => ({
    kind: name,
    activate: (context) => ({
      async receive(message: Message, reply: Reply<unknown>) {
        switch (message.type) {
          case "store":
            context.stage("effect");
            return reply.send("stored");
          case "pass":
            return reply.send(await context.ref<Message>("log", "1").ask({ type: "store" }));
          case "note":
          case "tick":
            context.stage("noted");
            return;
          case "later":
            context.setTimer("t", 1_000, { type: "tick" });
            return reply.send("later");
          case "die":
            throw new TypeError("it dies");
        }
      },
      commit: () => new Promise<void>((resolve) => commits.push(resolve)),
    }),
  });
  runtime.register(kind("log"));
  runtime.register(kind("front"));
  const settle = async () => {
    for (let i = 0; i < 5; i++) {
      await env.runUntilIdle();
      for (const commit of commits.splice(0)) commit();
    }
    await env.runUntilIdle();
  };
  const ref = (name: string): ActorRef<Message> => runtime.ref(name, "1");
  /** Asks within a request's span. */
  const request = (name: string, run: () => Promise<unknown>) => {
    const span = tracer.startSpan(name, { parent: null });
    return tracer.within(span.context, run).then(() => span.end(), (error) => span.end(error));
  };
  return { runtime, env, tracer, settle, ref, request };
}

Deno.test("a request's trace goes through actors and their commits", async () => {
  const { tracer, settle, ref, request } = world();
  void request("HTTP", () => ref("front").ask({ type: "pass" }));
  await settle();
  assert.deepEqual(tracer.lines(), [
    "HTTP < null",
    "front pass < HTTP",
    "log store < front pass",
    "log commit < log store",
  ]);
  assert.equal(tracer.openCount, 0);
  assert.deepEqual(tracer.spans.map(({ ended }) => ended > 0), [true, true, true, true]);
});

Deno.test("a span ends with the answer, not before its commit is durable", async () => {
  const { env, tracer, settle, ref, request } = world();
  void request("HTTP", () => ref("log").ask({ type: "store" }));
  await env.runUntilIdle();
  assert.deepEqual(tracer.lines(), ["HTTP < null", "log store < HTTP", "log commit < log store"]);
  assert.equal(tracer.openCount, 3);
  await settle();
  assert.equal(tracer.openCount, 0);
});

Deno.test("a commit for several requests is below the first and linked with the others", async () => {
  const { env, tracer, settle, ref, request } = world();
  void request("A", () => ref("log").ask({ type: "store" }));
  await env.runUntilIdle();
  for (const name of ["B", "C", "D"]) void request(name, () => ref("log").ask({ type: "store" }));
  void ref("log").ask({ type: "store" });
  await settle();
  const commits = tracer.lines().filter((line) => line.startsWith("log commit"));
  assert.deepEqual(commits, ["log commit < log store", "log commit < log store & log store & log store"]);
  assert.equal(tracer.openCount, 0);
});

Deno.test("what nobody's request began is in nobody's trace", async () => {
  const { env, tracer, settle, ref, request } = world();
  // The actor is activated, and its timer set, while a request runs.
  void request("HTTP", () => ref("log").ask({ type: "later" }));
  await settle();
  await env.advance(2_000);
  await settle();
  // Untraced work that waits in the same round as traced work.
  void ref("log").ask({ type: "store" });
  void request("HTTP", () => ref("front").ask({ type: "later" }));
  void ref("front").ask({ type: "pass" });
  await settle();
  assert.deepEqual(tracer.lines(), ["HTTP < null", "log later < HTTP", "HTTP < null", "front later < HTTP"]);
  assert.equal(tracer.openCount, 0);
});

Deno.test("spans of what failed end, and say so", async () => {
  const { env, tracer, settle, ref, request } = world();
  void request("HTTP", () => ref("log").ask({ type: "die" }));
  await settle();
  await env.advance(5_000);
  void request("HTTP", () => ref("log").ask({ type: "store" }, { deadlineMs: 10 }));
  await env.advance(5_000);
  await settle();
  void request("HTTP", () => Promise.resolve(ref("log").tell({ type: "note" })));
  await settle();
  assert.deepEqual(tracer.lines(), [
    "HTTP < null ! ActorFailedError",
    "log die < HTTP ! ActorFailedError",
    "HTTP < null ! AskDeadlineError",
    "log store < HTTP ! AskDeadlineError",
    "log commit < log store",
    "HTTP < null",
    "log note < HTTP",
    "log commit < log note",
  ]);
  assert.equal(tracer.openCount, 0);
});

Deno.test("what an activation and an untraced commit do is in nobody's trace, whoever woke the actors", async () => {
  const { runtime, env, tracer, settle, ref, request } = world();
  const relay: ActorKind<Message, string> = {
    kind: "relay",
    activate: (context) => {
      const tellLog = () => context.ref<Message>("log", "1").tell({ type: "note" });
      tellLog();
      return {
        receive(_message: Message, reply: Reply<unknown>) {
          context.stage("effect");
          reply.send("stored");
        },
        commit() {
          tellLog();
          return Promise.resolve();
        },
      };
    },
  };
  runtime.register(relay);
  void request("HTTP", () => ref("relay").ask({ type: "store" }));
  await settle();
  assert.deepEqual(tracer.lines().slice(1), [
    "relay store < HTTP",
    "relay commit < relay store",
    "log note < relay commit",
    "log commit < log note",
  ]);
  tracer.spans.length = 0;
  // The round in which both are received was begun by the traced one.
  void request("HTTP", () => ref("front").ask({ type: "later" }));
  void ref("relay").ask({ type: "store" });
  await settle();
  await env.advance(2_000);
  await settle();
  assert.deepEqual(tracer.lines(), ["HTTP < null", "front later < HTTP"]);
});

Deno.test("an effect that waits for the next commit keeps its trace", async () => {
  const { runtime, tracer, settle, ref, request } = world();
  const single: ActorKind<Message, string> = {
    kind: "single",
    activate: (context) => ({
      receive(_message: Message, reply: Reply<unknown>) {
        context.stage("effect");
        reply.send("stored");
      },
      commit: () => Promise.resolve(1),
    }),
  };
  runtime.register(single);
  for (const name of ["A", "B"]) void request(name, () => ref("single").ask({ type: "store" }));
  void ref("single").ask({ type: "store" });
  await settle();
  const commits = tracer.lines().filter((line) => line.startsWith("single commit"));
  assert.deepEqual(commits, ["single commit < single store & single store", "single commit < single store"]);
  assert.equal(tracer.openCount, 0);
});
