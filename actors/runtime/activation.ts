/**
 * One activation of an actor: from loading its state until passivation or death. It takes messages, collects staged
 * effects, commits them one group at a time, and gates the answers. When it has ended, whatever completes
 * late (a commit, a read, a timer) finds it ended and does nothing: a new activation shares no state with it.
 */
import type { Env } from "../../lib/env.ts";
import { invariant } from "../../lib/invariant.ts";
import type { Tracer } from "../../lib/tracing.ts";
import { Envelope, type ReplyHolder } from "./envelope.ts";
import { CommitTraces } from "./commit_traces.ts";
import { OutputGate } from "./output_gate.ts";
import type { Ring } from "./ring.ts";
import type { Scheduler } from "./scheduler.ts";
import { SelfTimers } from "./self_timers.ts";
import type { ActorAddress, ActorHost, ActorOptions } from "./types.ts";

/** The cell that the activation lives in. */
export interface ActivationOwner {
  readonly env: Env;
  readonly scheduler: Scheduler;
  readonly options: ActorOptions;
  readonly mailbox: Ring<Envelope>;
  readonly address: ActorAddress;
  /** Null: nobody records. */
  readonly tracer: Tracer | null;
  /** Asks for a turn. */
  wake(): void;
  /** Something was finished: whoever waits for the actor to become quiet looks again. */
  settled(): void;
  /** A commit of the host's succeeded after so many milliseconds. */
  committed(ms: number): void;
  /** The activation must end, because `error` was thrown by the host or an invariant. */
  failed(activation: Activation, error: unknown): void;
}

export class Activation implements ReplyHolder {
  readonly timers: SelfTimers;
  readonly #owner: ActivationOwner;
  readonly #gate = new OutputGate();
  readonly #parked = new Set<Envelope>();
  readonly #traces: CommitTraces | null;
  #host: ActorHost<unknown, unknown> | null = null;
  #ended = false;
  /** The message whose asynchronous `receive` has not settled. */
  #receiving: Envelope | null = null;
  #staged: unknown[] = [];
  /** How many of `#staged` were there before the message in hand; the others wait until it is done. */
  #committable = 0;
  #committing = false;
  #commitStartMs = 0;
  #inTurn = false;
  #tasks: AbortController | null = null;

  constructor(owner: ActivationOwner) {
    this.#owner = owner;
    this.#traces = owner.tracer === null ? null : new CommitTraces(owner.tracer, owner.address.kind);
    this.timers = new SelfTimers(owner.env, (message, wanted) => this.tellSelf(message, wanted));
  }

  get ended(): boolean {
    return this.#ended;
  }

  get host(): ActorHost<unknown, unknown> | null {
    return this.#host;
  }

  get stagedEffectCount(): number {
    return this.#gate.pendingCount;
  }

  /** Askers that wait for the host or for a commit. */
  get parkedReplyCount(): number {
    return this.#parked.size + this.#gate.length;
  }

  /** Nothing is being received and everything staged is durable; parked replies may remain. */
  get quiet(): boolean {
    return this.#receiving === null && this.#gate.pendingCount === 0 && this.#gate.length === 0;
  }

  get parksNothing(): boolean {
    return this.#parked.size === 0;
  }

  /** The state is loaded: messages can be taken. */
  begin(host: ActorHost<unknown, unknown>): void {
    this.#host = host;
  }

  /** Takes messages until the mailbox is empty, the turn is over or back-pressure sets in; then commits. */
  takeTurn(): number {
    const host = this.#host;
    const { mailbox, scheduler } = this.#owner;
    if (host === null || this.#ended || this.#receiving !== null) return 0;
    let count = 0;
    this.#inTurn = true;
    while (mailbox.length > 0 && this.#hasRoom()) {
      if (scheduler.turnOver(count)) {
        this.#owner.wake();
        break;
      }
      const envelope = mailbox.shift();
      invariant(envelope !== undefined, "The mailbox counts a message that is not there");
      if (envelope.wanted !== null && !envelope.wanted()) continue;
      count++;
      this.#committable = this.#staged.length;
      if (!this.#receive(host, envelope)) break;
    }
    this.#inTurn = false;
    if (this.#ended) return count;
    if (this.#receiving === null) this.#committable = this.#staged.length;
    this.#startCommit();
    this.#owner.settled();
    return count;
  }

  /** Adds an effect to the next commit. */
  stage(effect: unknown): void {
    if (this.#ended) return;
    this.#staged.push(effect);
    this.#traces?.staged();
    this.#gate.staged();
    // From a background task or another actor's answer: nobody else would start the commit.
    if (!this.#inTurn) this.#owner.wake();
  }

  /** Not subject to the mailbox's bound: an actor must not fail because others are busy. */
  tellSelf(message: unknown, wanted: () => boolean = () => true): void {
    if (this.#ended) return;
    this.#owner.mailbox.push(new Envelope(message, null, () => !this.#ended && wanted()));
    this.#owner.wake();
  }

  run(task: (signal: AbortSignal) => Promise<void>): void {
    if (this.#ended) return;
    this.#tasks ??= new AbortController();
    const { signal } = this.#tasks;
    // The abort comes after the end, so every error that it causes finds the activation ended.
    (async () => await task(signal))().catch((error: unknown) => this.#fail(error));
  }

  hold(envelope: Envelope): void {
    if (envelope.parked) this.unpark(envelope);
    this.#gate.hold(envelope);
  }

  unpark(envelope: Envelope): void {
    envelope.parked = false;
    this.#parked.delete(envelope);
    // Whoever waits for the last parked reply must not look while the host is in the middle of something.
    if (this.#parked.size === 0 && !this.#inTurn) this.#owner.wake();
  }

  call(callback: () => void): void {
    if (this.#ended) return;
    try {
      callback();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Ends it: timers, tasks and late completions do nothing from here on. */
  end(reason: Error): void {
    this.#ended = true;
    this.timers.cancelAll();
    this.#traces?.committed(reason);
    this.#tasks?.abort(reason);
  }

  /** Fails every ask that the activation still holds. */
  rejectAll(error: Error): void {
    this.#receiving?.reject(error);
    this.#receiving = null;
    this.#gate.rejectAll(error);
    for (const envelope of this.#parked) envelope.reject(error);
    this.#parked.clear();
  }

  /** Returns false when the turn cannot go on: the host is asynchronous or has failed. */
  #receive(host: ActorHost<unknown, unknown>, envelope: Envelope): boolean {
    envelope.holder = this;
    let pending: void | Promise<void>;
    try {
      const { tracer } = this.#owner;
      pending = tracer === null
        ? host.receive(envelope.message, envelope)
        : tracer.within(envelope.span?.context ?? null, () => host.receive(envelope.message, envelope));
    } catch (error) {
      this.#receiving = envelope;
      this.#fail(error);
      return false;
    }
    if (!(pending instanceof Promise)) {
      if (!envelope.settled) this.#park(envelope);
      if (envelope.span !== null) envelope.received();
      return true;
    }
    this.#receiving = envelope;
    pending.then(() => this.#received(envelope), (error: unknown) => this.#fail(error));
    return false;
  }

  #received(envelope: Envelope): void {
    if (this.#ended) return;
    this.#receiving = null;
    if (!envelope.settled) this.#park(envelope);
    if (envelope.span !== null) envelope.received();
    this.#owner.wake();
  }

  #park(envelope: Envelope): void {
    envelope.parked = true;
    this.#parked.add(envelope);
  }

  #hasRoom(): boolean {
    return this.#gate.pendingCount < this.#owner.options.stagedEffectsMax;
  }

  #startCommit(): void {
    if (this.#committing || this.#committable === 0) return;
    const effects = this.#committable === this.#staged.length
      ? this.#staged
      : this.#staged.slice(0, this.#committable);
    this.#staged = effects === this.#staged ? [] : this.#staged.slice(this.#committable);
    this.#committable = 0;
    this.#committing = true;
    this.#commitStartMs = this.#owner.env.mono();
    let commit: Promise<number | void>;
    try {
      invariant(this.#host?.commit !== undefined, "An actor without commit() has staged an effect");
      commit = this.#traces === null
        ? this.#host.commit(effects)
        : this.#traces.commit(effects.length, this.#host.commit.bind(this.#host, effects));
    } catch (error) {
      this.#fail(error);
      return;
    }
    commit.then((count) => this.#committed(effects, count), (error: unknown) => this.#fail(error));
  }

  #committed(effects: unknown[], answer: number | void): void {
    if (this.#ended) return;
    this.#owner.committed(this.#owner.env.mono() - this.#commitStartMs);
    const count = answer ?? effects.length;
    try {
      // Zero would be asked again for ever.
      invariant(
        Number.isInteger(count) && count >= 1 && count <= effects.length,
        `commit() of ${effects.length} effects has made ${count} of them durable`,
      );
      this.#traces?.committed(undefined, count);
      this.#gate.durable(count);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#committing = false;
    if (count < effects.length) {
      this.#staged = [...effects.slice(count), ...this.#staged];
      this.#committable += effects.length - count;
    }
    if (this.#receiving === null) this.#committable = this.#staged.length;
    this.#startCommit();
    if (this.#ended) return;
    if (this.#owner.mailbox.length > 0) this.#owner.wake();
    this.#owner.settled();
  }

  #fail(error: unknown): void {
    if (!this.#ended) this.#owner.failed(this, error);
  }
}
