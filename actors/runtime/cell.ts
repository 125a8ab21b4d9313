/**
 * The life of one address: activation at the first message, restarts after failures, passivation, closing. The mailbox
 * belongs to the cell and so outlives a failed activation. The shape is that of Akka's actor cell.
 */
import type { Cancel, Env } from "../../lib/env.ts";
import { InvariantError } from "../../lib/invariant.ts";
import type { LogFields, Logger } from "../../lib/log.ts";
import { FencedError } from "../../storage/errors.ts";
import { Activation, type ActivationOwner } from "./activation.ts";
import type { ByteBudget } from "./byte_budget.ts";
import { contextOf } from "./context.ts";
import type { Deadlines } from "./deadlines.ts";
import { Envelope } from "./envelope.ts";
import type { Tracer } from "../../lib/tracing.ts";
import { ActorFailedError, ActorStoppedError, OverloadedError } from "./errors.ts";
import { decideRestart } from "./restart_policy.ts";
import { Ring } from "./ring.ts";
import type { Runnable, Scheduler } from "./scheduler.ts";
import type {
  ActorAddress,
  ActorHost,
  ActorKind,
  ActorOptions,
  ActorRef,
  ActorSnapshot,
  AskOptions,
} from "./types.ts";

/** The runtime that the cell lives in. */
export interface CellOwner {
  readonly env: Env;
  readonly log: Logger;
  readonly scheduler: Scheduler;
  readonly deadlines: Deadlines;
  /** Bytes of messages that wait, in all actors together. */
  readonly waitingBytes: ByteBudget;
  /** Null: nobody records. */
  readonly tracer: Tracer | null;
  nextIncarnation(): string;
  ref<M>(kind: ActorKind<M, never> | string, key: string): ActorRef<M>;
  /** An actor of the kind made a commit in so many milliseconds. */
  committed(kind: string, ms: number): void;
  /** The cell is empty and stopped: forget it. */
  removed(cell: Cell): void;
}

/** How long `stop()` may take before the runtime goes on without it. */
const STOP_DEADLINE_MS = 4500;

export class Cell implements Runnable, ActivationOwner {
  readonly address: ActorAddress;
  readonly options: ActorOptions;
  readonly mailbox: Ring<Envelope>;
  readonly env: Env;
  readonly scheduler: Scheduler;
  readonly tracer: Tracer | null;
  scheduled = false;
  readonly #owner: CellOwner;
  readonly #kind: ActorKind<unknown, unknown>;
  readonly #name: string;
  #status: ActorSnapshot["status"] | "removed" = "activating";
  #activation: Activation | null = null;
  readonly #bornAtMs: number;
  #lastMessageAtMs: number;
  #failureTimesMs: readonly number[] = [];
  #restartCount = 0;
  #lastError: string | null = null;
  #restartTimer: Cancel | null = null;
  #passivateAsked = false;
  /** Refuses messages and goes away when all is done. */
  #closing = false;
  #onRemoved: (() => void)[] = [];

  constructor(owner: CellOwner, kind: ActorKind<unknown, unknown>, options: ActorOptions, key: string) {
    this.#owner = owner;
    this.#kind = kind;
    this.address = { kind: kind.kind, key };
    this.#name = `${kind.kind}/${key}`;
    this.options = options;
    this.mailbox = new Ring(options.mailboxLengthMax);
    this.env = owner.env;
    this.scheduler = owner.scheduler;
    this.tracer = owner.tracer;
    this.#bornAtMs = this.#lastMessageAtMs = owner.env.mono();
  }

  ask(
    message: unknown,
    options: AskOptions | undefined,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ): void {
    const signal = options?.signal;
    if (signal?.aborted) return reject(signal.reason);
    const { deadlines, waitingBytes } = this.#owner;
    const byteLength = this.#kind.bytesOf?.(message) ?? 0;
    if (byteLength > 0 && waitingBytes.isOverrun) {
      const why = `${waitingBytes.bytes} bytes wait for their commits`;
      return reject(new OverloadedError(`Cannot send to "${this.#name}": ${why}`));
    }
    const envelope = new Envelope(message, { address: this.address, deadlines, resolve, reject });
    const nowMs = this.env.mono();
    const refusal = this.#accept(envelope, nowMs);
    if (refusal !== null) return reject(refusal);
    if (byteLength > 0) envelope.charge(waitingBytes, byteLength);
    if (this.tracer !== null) this.#trace(this.tracer, envelope);
    if (signal !== undefined) envelope.listen(signal);
    deadlines.add(envelope, nowMs + (options?.deadlineMs ?? this.options.askDeadlineMs), nowMs);
  }

  tell(message: unknown): void {
    const envelope = new Envelope(message, null);
    const refusal = this.#accept(envelope, this.env.mono());
    if (refusal !== null) throw refusal;
    if (this.tracer !== null) this.#trace(this.tracer, envelope);
  }

  /** A turn, given by the scheduler. */
  run(): number {
    if (this.#status === "activating" && this.#activation === null) {
      // Whatever goes on from there is nobody's request.
      if (this.tracer === null) this.#activate();
      else this.tracer.within(null, () => this.#activate());
    }
    return this.#status === "running" && this.#activation !== null ? this.#activation.takeTurn() : 0;
  }

  wake(): void {
    this.scheduler.schedule(this);
  }

  settled(): void {
    if (this.#passivateAsked || this.#closing) this.#stopIfQuiet();
  }

  /** Passivates the actor if nobody needed it for long enough and it agrees. */
  passivateIfIdle(nowMs: number): void {
    const { idleAfterMs } = this.options;
    if (this.#status !== "running" || idleAfterMs === 0 || nowMs - this.#lastMessageAtMs < idleAfterMs) {
      return;
    }
    if (!this.#nothingPending()) return;
    try {
      if (this.#activation?.host?.idle?.() === false) return;
    } catch (error) {
      if (this.#activation !== null) this.failed(this.#activation, error);
      return;
    }
    this.#stop();
  }

  /**
   * Refuses new messages, lets the mailbox and the commits finish, stops the actor and removes it; after
   * `deadlineMs` it is abandoned instead. Resolves to whether it was stopped in time.
   */
  close(deadlineMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      let inTime = true;
      const cancel = this.env.timer(deadlineMs, () => {
        inTime = false;
        this.#abandon();
      });
      this.#onRemoved.push(() => {
        cancel();
        resolve(inTime);
      });
      this.#closing = true;
      if (this.#status === "restarting" || this.#status === "escalated" || this.#status === "fenced") {
        this.#remove();
      } else if (this.#status === "running") {
        this.wake();
      }
    });
  }

  /** Ends the activation as if its host had thrown `error`. */
  crash(error: unknown): void {
    if (this.#activation !== null && this.#status !== "stopping") this.failed(this.#activation, error);
  }

  committed(ms: number): void {
    this.#owner.committed(this.address.kind, ms);
  }

  failed(activation: Activation, error: unknown): void {
    if (activation !== this.#activation) return;
    this.#activation = null;
    this.#lastError = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const died = new ActorFailedError(`Actor "${this.#name}" has failed: ${this.#lastError}`, {
      cause: error,
    });
    activation.end(died);
    activation.rejectAll(died);
    if (this.#closing) {
      this.#report(error, "actor failed while it was closed", {});
      this.#remove();
    } else if (error instanceof FencedError) {
      this.#status = "fenced";
      this.#report(error, "actor fenced", {});
      this.#refuseMailbox();
    } else {
      this.#restartLater(error);
    }
  }

  inspect(nowMs: number): ActorSnapshot | null {
    if (this.#status === "removed") return null;
    let details: Record<string, unknown> = {};
    try {
      details = this.#activation?.host?.inspect?.() ?? {};
    } catch (error) {
      details = { inspectError: String(error) };
    }
    return {
      ...this.address,
      status: this.#status,
      mailboxLength: this.mailbox.length,
      stagedEffectCount: this.#activation?.stagedEffectCount ?? 0,
      parkedReplyCount: this.#activation?.parkedReplyCount ?? 0,
      ageMs: nowMs - this.#bornAtMs,
      idleMs: nowMs - this.#lastMessageAtMs,
      restartCount: this.#restartCount,
      lastError: this.#lastError,
      details,
    };
  }

  #accept(envelope: Envelope, nowMs: number): Error | null {
    if (this.#closing || this.#status === "fenced" || this.#status === "escalated") return this.#refusal();
    if (!this.mailbox.offer(envelope)) {
      return new OverloadedError(`Cannot send to "${this.#name}": ${this.mailbox.length} messages wait`);
    }
    this.#lastMessageAtMs = nowMs;
    this.wake();
    return null;
  }

  /** The message's span begins where it is sent, so that waiting for its turn is part of it. */
  #trace(tracer: Tracer, envelope: Envelope): void {
    const parent = tracer.active();
    if (parent === null) return;
    const { type } = envelope.message as { readonly type?: unknown };
    const { kind, key } = this.address;
    envelope.span = tracer.startSpan(`${kind} ${String(type)}`, {
      parent,
      attributes: { "kavka.actor.kind": kind, "kavka.actor.key": key },
    });
  }

  #refusal(): ActorStoppedError {
    const status = this.#closing ? "closing" : this.#status;
    return new ActorStoppedError(`Cannot send to "${this.#name}": it is ${status}`);
  }

  #refuseMailbox(): void {
    const refusal = this.#refusal();
    for (let envelope = this.mailbox.shift(); envelope !== undefined; envelope = this.mailbox.shift()) {
      envelope.reject(refusal);
    }
  }

  #activate(): void {
    const activation = new Activation(this);
    this.#activation = activation;
    this.#passivateAsked = false;
    const incarnation = this.#owner.nextIncarnation();
    const { env } = this;
    const { log } = this.#owner;
    const passivate = () => {
      this.#passivateAsked = true;
      this.wake();
    };
    const ref = this.#owner.ref.bind(this.#owner);
    const context = contextOf(activation, { address: this.address, env, log, incarnation, passivate, ref });
    log.debug("actor activating", { actor: this.#name, incarnation });
    try {
      const loaded = this.#kind.activate(context);
      if (loaded instanceof Promise) {
        loaded.then((host) => this.#activated(activation, host), (error) => this.failed(activation, error));
      } else {
        this.#activated(activation, loaded);
      }
    } catch (error) {
      this.failed(activation, error);
    }
  }

  #activated(activation: Activation, host: ActorHost<unknown, unknown>): void {
    if (activation !== this.#activation) return;
    this.#status = "running";
    activation.begin(host);
    this.wake();
  }

  #restartLater(error: unknown): void {
    const decision = decideRestart(this.#failureTimesMs, this.env.mono(), this.env.random(), this.options);
    this.#failureTimesMs = decision.failureTimesMs;
    this.#status = decision.escalated ? "escalated" : "restarting";
    this.#report(error, decision.escalated ? "actor escalated" : "actor restarting", {
      delayMs: Math.round(decision.delayMs),
    });
    if (decision.escalated) this.#refuseMailbox();
    this.#restartTimer = this.env.timer(decision.delayMs, () => {
      this.#restartTimer = null;
      this.#restartCount++;
      this.#status = "activating";
      this.wake();
    });
  }

  #nothingPending(): boolean {
    const activation = this.#activation;
    return activation !== null && this.mailbox.length === 0 && activation.quiet && activation.parksNothing;
  }

  #stopIfQuiet(): void {
    if (this.#status !== "running") return;
    // Closing does not wait for parked replies: nothing may ever answer them.
    const quiet = this.#closing && this.mailbox.length === 0 && this.#activation?.quiet === true;
    if (quiet || this.#nothingPending()) this.#stop();
  }

  #stop(): void {
    const activation = this.#activation;
    if (activation === null) return;
    this.#status = "stopping";
    const stopped = () => {
      cancel();
      if (activation === this.#activation) this.#stopped(activation);
    };
    const stopFailed = (error: unknown) => {
      if (activation === this.#activation) this.#report(error, "actor failed to stop", {});
      stopped();
    };
    const cancel = this.env.timer(STOP_DEADLINE_MS, () => stopFailed(new Error("Cannot stop in time")));
    activation.end(new ActorStoppedError(`Actor "${this.#name}" is stopping`));
    try {
      const stopping = activation.host?.stop?.();
      if (stopping instanceof Promise) stopping.then(stopped, stopFailed);
      else stopped();
    } catch (error) {
      stopFailed(error);
    }
  }

  #stopped(activation: Activation): void {
    activation.rejectAll(new ActorStoppedError(`Cannot answer: actor "${this.#name}" has stopped`));
    this.#activation = null;
    this.#owner.log.debug("actor stopped", { actor: this.#name });
    if (this.mailbox.length > 0) {
      this.#status = "activating";
      this.wake();
    } else {
      this.#remove();
    }
  }

  /** The deadline of closing has passed. */
  #abandon(): void {
    const activation = this.#activation;
    this.#activation = null;
    this.#owner.log.error("actor abandoned", { actor: this.#name, status: this.#status });
    const reason = new ActorFailedError(`Actor "${this.#name}" was not stopped in time`);
    activation?.end(reason);
    activation?.rejectAll(reason);
    this.#remove();
  }

  #remove(): void {
    this.#restartTimer?.();
    this.#restartTimer = null;
    this.#refuseMailbox();
    this.#status = "removed";
    this.#owner.removed(this);
    for (const callback of this.#onRemoved.splice(0)) callback();
  }

  /** A broken invariant is a bug, the rest is weather. */
  #report(error: unknown, message: string, fields: LogFields): void {
    const line = {
      actor: this.#name,
      error: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
      ...fields,
    };
    if (error instanceof InvariantError) {
      this.#owner.log.error(message, { ...line, stack: error.stack ?? null });
    } else if (this.#status === "escalated") {
      this.#owner.log.error(message, line);
    } else {
      this.#owner.log.warn(message, line);
    }
  }
}
