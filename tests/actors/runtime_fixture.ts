/** A scriptable actor for the tests of the runtime: each message says what the host shall do. */
import { ActorProbe, CommitController, createTestbed, type Testbed } from "../../actors/runtime/testkit.ts";
import type {
  ActorContext,
  ActorHost,
  ActorKind,
  ActorOptions,
  Expects,
  Reply,
} from "../../actors/runtime/types.ts";

export interface Do extends Expects<unknown> {
  readonly type: "do";
  readonly run: (context: ActorContext<Do, string>, reply: Reply<unknown>) => void | Promise<void>;
}

export interface Scripted extends Testbed {
  readonly kind: ActorKind<Do, string>;
  readonly probe: ActorProbe<Do>;
  readonly commits: CommitController<string>;
  /** One context for each activation. */
  readonly contexts: ActorContext<Do, string>[];
  /** Assigned to by tests: parts of the next activation's host. */
  host: Partial<ActorHost<Do, string>>;
  /** Called by `activate` before the host exists. */
  onActivate: (context: ActorContext<Do, string>) => void | Promise<void>;
  /** Asks the actor to do something and keeps the outcome. */
  ask(run: Do["run"], options?: { deadlineMs?: number; signal?: AbortSignal }): Outcome;
  /** Stages an effect and answers with its name. */
  write(effect: string): Outcome;
}

export interface Outcome {
  readonly done: boolean;
  readonly value: unknown;
  /** The name of the error that the ask was rejected with. */
  readonly errorName: string | null;
  readonly error: unknown;
}

export function scripted(options: Partial<ActorOptions> = {}): Scripted {
  const commits = new CommitController<string>();
  const contexts: ActorContext<Do, string>[] = [];
  const testbed = createTestbed({ defaults: { idleAfterMs: 0 } });
  const kind: ActorKind<Do, string> = {
    kind: "scripted",
    options,
    async activate(context) {
      contexts.push(context);
      await fixture.onActivate(context);
      return {
        receive: (message, reply) => message.run(context, reply),
        commit: commits.commit,
        ...fixture.host,
      };
    },
  };
  testbed.runtime.register(kind);
  const probe = new ActorProbe<Do>(testbed.runtime, kind, "a");
  const fixture: Scripted = {
    ...testbed,
    kind,
    probe,
    commits,
    contexts,
    host: {},
    onActivate: () => {},
    ask: (run, askOptions) => watch(probe.ref.ask({ type: "do", run }, askOptions)),
    write: (effect) =>
      fixture.ask((context, reply) => {
        context.stage(effect);
        reply.send(effect);
      }),
  };
  return fixture;
}

/** Follows a promise without waiting for it. */
export function watch(promise: Promise<unknown>): Outcome {
  const outcome = {
    done: false,
    value: undefined as unknown,
    errorName: null as string | null,
    error: undefined as unknown,
  };
  promise.then((value) => {
    outcome.done = true;
    outcome.value = value;
  }, (error: unknown) => {
    outcome.done = true;
    outcome.error = error;
    outcome.errorName = error instanceof Error ? error.name : String(error);
  });
  return outcome;
}
