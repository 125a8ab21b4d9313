/**
 * The actor runtime: kinds are registered, addresses are activated on first use, `drain` stops everything. One per
 * process. The pieces: `cell.ts` (life of an address), `activation.ts` (one activation, commits), `output_gate.ts`,
 * `scheduler.ts` (turns), `deadlines.ts` (asks), `restart_policy.ts`.
 */
import type { Cancel, Env } from "../../lib/env.ts";
import { invariant } from "../../lib/invariant.ts";
import type { Logger } from "../../lib/log.ts";
import type { Tracer } from "../../lib/tracing.ts";
import { limits } from "../../core/config/limits.ts";
import { ByteBudget } from "./byte_budget.ts";
import { Cell, type CellOwner } from "./cell.ts";
import { Deadlines } from "./deadlines.ts";
import { ActorStoppedError } from "./errors.ts";
import { Scheduler } from "./scheduler.ts";
import type {
  ActorAddress,
  ActorKind,
  ActorOptions,
  ActorRef,
  ActorSnapshot,
  AskOptions,
  ReplyOf,
} from "./types.ts";

export const ACTOR_OPTION_DEFAULTS: ActorOptions = {
  mailboxLengthMax: 1024,
  stagedEffectsMax: 1024,
  idleAfterMs: 60_000,
  askDeadlineMs: 30_000,
  restartDelayMs: 20,
  restartDelayMsMax: 5_000,
  restartCountMax: 10,
  restartWindowMs: 60_000,
};

/** A drain leaves half a second of the five that a platform gives between its signal and the kill. */
export const DRAIN_DEADLINE_MS = 4_500;
/** The idle sweep comes four times within the shortest idle time, but within these bounds. */
const IDLE_SWEEP_MS_MIN = 50;
const IDLE_SWEEP_MS_MAX = 10_000;

export interface ActorRuntimeOptions {
  readonly env: Env;
  readonly log: Logger;
  /** Of the process; a random UUID unless given. */
  readonly incarnation?: string;
  /** Over these go each kind's own options. */
  readonly defaults?: Partial<ActorOptions>;
  /** Told of each commit: the actor's kind, and its time in milliseconds. */
  readonly onCommit?: (kind: string, ms: number) => void;
  /** Default null: nobody records. */
  readonly tracer?: Tracer | null;
  /** Bytes of messages that may wait in all actors together; `limits.waitingAppendBytesMax` when absent. */
  readonly waitingBytesMax?: number;
}

interface RegisteredKind {
  readonly kind: ActorKind<unknown, unknown>;
  readonly options: ActorOptions;
  readonly cells: Map<string, Cell>;
}

export class ActorRuntime {
  /**
   * Bytes of messages that wait for their commits. Doors wait for room before they take more; at twice the bound asks are refused
   * with `OverloadedError`.
   */
  readonly waitingBytes: ByteBudget;
  readonly #env: Env;
  readonly #incarnation: string;
  readonly #defaults: ActorOptions;
  readonly #scheduler: Scheduler;
  readonly #deadlines: Deadlines;
  readonly #cellOwner: CellOwner;
  readonly #kinds = new Map<string, RegisteredKind>();
  #activationCount = 0;
  #cancelIdleSweep: Cancel | null = null;
  #draining: Promise<{ drained: number; abandoned: number }> | null = null;

  constructor(options: ActorRuntimeOptions) {
    const { env, log, incarnation, defaults, onCommit = () => {}, tracer = null } = options;
    this.waitingBytes = new ByteBudget(options.waitingBytesMax ?? limits.waitingAppendBytesMax);
    this.#env = env;
    this.#incarnation = incarnation ?? env.uuid();
    this.#defaults = { ...ACTOR_OPTION_DEFAULTS, ...defaults };
    this.#scheduler = new Scheduler(env);
    this.#deadlines = new Deadlines(env);
    this.#cellOwner = {
      env,
      log,
      scheduler: this.#scheduler,
      deadlines: this.#deadlines,
      waitingBytes: this.waitingBytes,
      committed: onCommit,
      tracer,
      nextIncarnation: () => `${this.#incarnation}.${++this.#activationCount}`,
      ref: (kind, key) => this.ref(kind, key),
      removed: (cell) => this.#kinds.get(cell.address.kind)?.cells.delete(cell.address.key),
    };
  }

  /** Makes a kind known; each name once. */
  register<M, E>(kind: ActorKind<M, E>): void {
    invariant(!this.#kinds.has(kind.kind), `Actor kind "${kind.kind}" is registered twice`);
    const options = { ...this.#defaults, ...kind.options };
    // The types of messages and effects end here: refs and hosts of one kind agree on them.
    this.#kinds.set(kind.kind, {
      kind: kind as unknown as ActorKind<unknown, unknown>,
      options,
      cells: new Map(),
    });
  }

  /** A handle to an actor, which need not be active; its kind must be registered by the time it is used. */
  ref<M>(kind: ActorKind<M, never> | string, key: string): ActorRef<M> {
    const address = { kind: typeof kind === "string" ? kind : kind.kind, key };
    return {
      address,
      ask: <N extends M>(message: N, options?: AskOptions) =>
        new Promise<ReplyOf<N>>((resolve, reject) => {
          // What `cellOf` throws rejects the promise.
          this.#cellOf(address).ask(message, options, resolve as (value: unknown) => void, reject);
        }),
      tell: (message) => this.#cellOf(address).tell(message),
    };
  }

  /** Every live actor. */
  inspect(): ActorSnapshot[] {
    const nowMs = this.#env.mono();
    return this.#cells().map((cell) => cell.inspect(nowMs)).filter((snapshot) => snapshot !== null);
  }

  /**
   * Closes one actor after its last commit and forgets it, fenced or not; messages are refused until then and activate it
   * anew afterwards. An actor that does not finish within the drain deadline is abandoned.
   */
  async evict(address: ActorAddress): Promise<void> {
    await this.#kinds.get(address.kind)?.cells.get(address.key)?.close(DRAIN_DEADLINE_MS);
  }

  /** Ends an activation as if its host had thrown: for tests and the simulator. */
  crash(address: ActorAddress, error: Error): void {
    this.#kinds.get(address.kind)?.cells.get(address.key)?.crash(error);
  }

  /**
   * Refuses new messages, lets mailboxes and commits finish and stops every actor; those that need longer than
   * `deadlineMs` are abandoned. The runtime is of no more use afterwards.
   */
  drain(deadlineMs = DRAIN_DEADLINE_MS): Promise<{ drained: number; abandoned: number }> {
    this.#draining ??= this.#drain(deadlineMs);
    return this.#draining;
  }

  async #drain(deadlineMs: number): Promise<{ drained: number; abandoned: number }> {
    this.#cancelIdleSweep?.();
    this.#cancelIdleSweep = null;
    const inTime = await Promise.all(this.#cells().map((cell) => cell.close(deadlineMs)));
    this.#deadlines.close();
    this.#scheduler.close();
    const drained = inTime.filter((yes) => yes).length;
    return { drained, abandoned: inTime.length - drained };
  }

  #cells(): Cell[] {
    return [...this.#kinds.values()].flatMap((kind) => [...kind.cells.values()]);
  }

  #cellOf({ kind, key }: ActorAddress): Cell {
    const registered = this.#kinds.get(kind);
    invariant(registered !== undefined, `Actor kind "${kind}" is not registered`);
    let cell = registered.cells.get(key);
    if (cell === undefined) {
      if (this.#draining !== null) {
        throw new ActorStoppedError(`Cannot send to "${kind}/${key}": the runtime is draining`);
      }
      cell = new Cell(this.#cellOwner, registered.kind, registered.options, key);
      registered.cells.set(key, cell);
      this.#armIdleSweep();
    }
    return cell;
  }

  #armIdleSweep(): void {
    if (this.#cancelIdleSweep !== null) return;
    let idleAfterMsMin = Infinity;
    for (const { options, cells } of this.#kinds.values()) {
      if (options.idleAfterMs > 0 && cells.size > 0) {
        idleAfterMsMin = Math.min(idleAfterMsMin, options.idleAfterMs);
      }
    }
    if (idleAfterMsMin === Infinity) return;
    const sweepMs = Math.max(IDLE_SWEEP_MS_MIN, Math.min(idleAfterMsMin / 4, IDLE_SWEEP_MS_MAX));
    this.#cancelIdleSweep = this.#env.timer(sweepMs, () => {
      this.#cancelIdleSweep = null;
      const nowMs = this.#env.mono();
      for (const cell of this.#cells()) cell.passivateIfIdle(nowMs);
      this.#armIdleSweep();
    });
  }
}
