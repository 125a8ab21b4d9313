/**
 * What actor tests are written with: a virtual world (`TestEnv`), a handle on one actor (`ActorProbe`), commits under
 * the test's control (`CommitController`) and a logger that keeps its lines. `deno test tests/actors` needs no permission.
 */
import type { LogFields, Logger, LogLevel } from "../../lib/log.ts";
import { FencedError } from "../../storage/errors.ts";
import { ActorRuntime } from "./runtime.ts";
import { TestEnv, type TestEnvOptions } from "./test_env.ts";
import type { ActorAddress, ActorKind, ActorOptions, ActorRef, ActorSnapshot } from "./types.ts";

export { settleMicrotasks, TestEnv, type TestEnvOptions } from "./test_env.ts";

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger whose lines a test can look at. */
export class TestLogger implements Logger {
  readonly lines: LogLine[] = [];

  debug(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "debug", message, fields });
  }
  info(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "info", message, fields });
  }
  warn(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "warn", message, fields });
  }
  error(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "error", message, fields });
  }
}

export interface Testbed {
  readonly env: TestEnv;
  readonly log: TestLogger;
  readonly runtime: ActorRuntime;
}

/** A runtime in a virtual world, incarnation `test`. */
export function createTestbed(
  { defaults, waitingBytesMax, ...envOptions }: TestEnvOptions & {
    readonly defaults?: Partial<ActorOptions>;
    readonly waitingBytesMax?: number;
  } = {},
): Testbed {
  const env = new TestEnv(envOptions);
  const log = new TestLogger();
  const runtime = new ActorRuntime({
    env,
    log,
    incarnation: "test",
    defaults: defaults ?? {},
    ...(waitingBytesMax !== undefined && { waitingBytesMax }),
  });
  return { env, log, runtime };
}

/** One actor under test. */
export class ActorProbe<Message> {
  readonly ref: ActorRef<Message>;
  readonly #runtime: ActorRuntime;

  constructor(runtime: ActorRuntime, kind: ActorKind<Message, never> | string, key: string) {
    this.#runtime = runtime;
    this.ref = runtime.ref<Message>(kind, key);
  }

  get address(): ActorAddress {
    return this.ref.address;
  }

  /** Its line of the introspection call; undefined when it is not live. */
  inspect(): ActorSnapshot | undefined {
    const { kind, key } = this.address;
    return this.#runtime.inspect().find((snapshot) => snapshot.kind === kind && snapshot.key === key);
  }

  /** Lets it die as if its host had thrown; supervision takes over. */
  crash(error: Error = new Error("Crashed by the test")): void {
    this.#runtime.crash(this.address, error);
  }

  evict(): Promise<void> {
    return this.#runtime.evict(this.address);
  }
}

type CommitOutcome = { readonly durableCount: number | null } | {
  readonly error: Error;
  readonly applied: boolean;
};

/**
 * A `commit` for hosts under test: at once durable, unless the test holds it or has prepared another outcome.
 * Pass `controller.commit` to the host, or put it in front of a real one through `inner`.
 */
export class CommitController<Effect> {
  /** The effects of each call, in order. */
  readonly calls: (readonly Effect[])[] = [];
  /** What is durable, in order. */
  readonly durable: Effect[] = [];
  readonly #inner: ((effects: readonly Effect[]) => Promise<number | void>) | null;
  readonly #outcomes: CommitOutcome[] = [];
  #held = false;
  #pending: (() => void)[] = [];

  constructor(inner: ((effects: readonly Effect[]) => Promise<number | void>) | null = null) {
    this.#inner = inner;
  }

  /** Calls that are held now. */
  get pendingCount(): number {
    return this.#pending.length;
  }

  readonly commit = async (effects: readonly Effect[]): Promise<number | void> => {
    this.calls.push(effects);
    if (this.#held) await new Promise<void>((resolve) => this.#pending.push(resolve));
    const outcome = this.#outcomes.shift() ?? { durableCount: null };
    if ("error" in outcome) {
      if (outcome.applied) await this.#apply(effects);
      throw outcome.error;
    }
    if (outcome.durableCount === null) return await this.#apply(effects);
    await this.#apply(effects.slice(0, outcome.durableCount));
    return outcome.durableCount;
  };

  /** From now on calls wait for `release` or one of the outcomes below. */
  hold(): void {
    this.#held = true;
  }

  /** Lets the held call, or with `all` every later one too, have its outcome. */
  release({ all = false }: { readonly all?: boolean } = {}): void {
    if (all) this.#held = false;
    for (const resolve of this.#pending.splice(0, all ? Infinity : 1)) resolve();
  }

  /** Only the first `durableCount` effects of the held call (or the next one) become durable. */
  partial(durableCount: number): void {
    this.#decide({ durableCount });
  }

  /** The held call (or the next one) throws; with `applied` although it became durable: an unknown outcome. */
  fail(error: Error = new Error("Commit failed by the test"), { applied = false } = {}): void {
    this.#decide({ error, applied });
  }

  /** The held call (or the next one) finds another owner. */
  fence(): void {
    this.fail(new FencedError("Fenced by the test"));
  }

  #decide(outcome: CommitOutcome): void {
    this.#outcomes.push(outcome);
    this.#pending.shift()?.();
  }

  async #apply(effects: readonly Effect[]): Promise<number | void> {
    const count = await this.#inner?.(effects);
    this.durable.push(...effects.slice(0, count ?? effects.length));
    return count;
  }
}
