/**
 * A message on its way with the means to answer it: what the mailbox holds and what `receive` gets as its `Reply`.
 * It is settled exactly once: by the output gate, by the actor's death, or by the asker giving up.
 */
import type { ByteBudget } from "./byte_budget.ts";
import { Deadline, type Deadlines } from "./deadlines.ts";
import type { Span } from "../../lib/tracing.ts";
import { AskDeadlineError } from "./errors.ts";
import type { ActorAddress, Reply } from "./types.ts";

/** The activation that took the message, as its envelope sees it. */
export interface ReplyHolder {
  /** Releases the answered envelope once everything staged so far is durable. */
  hold(envelope: Envelope): void;
  /** The envelope no longer waits for the host. */
  unpark(envelope: Envelope): void;
  /** Runs a callback of the host, which may throw, unless the activation has ended. */
  call(callback: () => void): void;
}

/** One ask, as its asker sees it. */
export interface Asker {
  readonly address: ActorAddress;
  readonly deadlines: Deadlines;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class Envelope extends Deadline implements Reply<unknown> {
  readonly message: unknown;
  /** Whether a message of the actor to itself is still wanted; null for messages from others. */
  readonly wanted: (() => boolean) | null;
  /** True while the activation keeps it unanswered after `receive`. */
  parked = false;
  /** How many effects must be durable before the answer leaves. */
  position = 0;
  /** The activation that took it from the mailbox. */
  holder: ReplyHolder | null = null;
  /** From sending to the answer, where somebody records; null else. */
  span: Span | null = null;
  readonly #asker: Asker | null;
  #state: "waiting" | "answered" | "settled";
  #answer: unknown = undefined;
  #answerFails = false;
  #gaveUp = false;
  /** What the message's bytes are counted against, until they are let go; null: not (any more). */
  #budget: ByteBudget | null = null;
  #byteLength = 0;
  #onAbandon: (() => void) | null = null;
  #unlisten: (() => void) | null = null;

  constructor(message: unknown, asker: Asker | null, wanted: (() => boolean) | null = null) {
    super();
    this.message = message;
    this.wanted = wanted;
    this.#asker = asker;
    // Nobody waits for the answer to a tell.
    this.#state = asker === null ? "settled" : "waiting";
  }

  get settled(): boolean {
    return this.#state !== "waiting";
  }

  /** Counts bytes that the message holds until the actor is done with it. */
  charge(budget: ByteBudget, byteLength: number): void {
    budget.take(byteLength);
    this.#budget = budget;
    this.#byteLength = byteLength;
  }

  send(value: unknown): void {
    if (this.#state !== "waiting") {
      // Nobody waits any more, and yet the bytes are there until they are durable.
      if (this.#gaveUp && this.#budget !== null) this.holder?.hold(this);
      return;
    }
    this.#state = "answered";
    this.#answer = value;
    this.holder?.hold(this);
  }

  fail(error: Error): void {
    if (this.#state !== "waiting") return this.send(error);
    this.#answerFails = true;
    this.send(error);
  }

  sendNow(value: unknown): void {
    if (this.#state !== "waiting") {
      if (this.#gaveUp) this.#letGo();
      return;
    }
    this.#state = "answered";
    this.#answer = value;
    if (this.parked) this.holder?.unpark(this);
    this.release();
  }

  onAbandon(callback: () => void): void {
    if (this.#gaveUp) {
      // The asker gave up while the message waited: later, so that the host has parked the reply by then.
      Promise.resolve().then(() => this.holder?.call(callback));
    } else if (this.#state === "waiting") {
      const earlier = this.#onAbandon;
      this.#onAbandon = earlier === null ? callback : () => (earlier(), callback());
    }
  }

  /** Gives the answer to the asker, unless that one is gone. */
  release(): void {
    this.#letGo();
    if (this.#state !== "answered") return;
    this.#settle(this.#answerFails ? this.#answer : undefined);
    if (this.#answerFails) this.#asker?.reject(this.#answer);
    else this.#asker?.resolve(this.#answer);
    this.#answer = undefined;
  }

  /** Fails the ask at once, answered or not: the actor died or refuses the message. */
  reject(error: Error): void {
    this.#letGo();
    if (this.#state === "settled") {
      this.span?.end(error);
      return;
    }
    this.#settle(error);
    this.#asker?.reject(error);
  }

  /** The host has taken it: nobody hears more of a tell. */
  received(): void {
    if (this.#asker === null) this.span?.end();
  }

  /** Lets the asker give up when the signal is aborted. */
  listen(signal: AbortSignal): void {
    const onAbort = () => this.#giveUp(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    this.#unlisten = () => signal.removeEventListener("abort", onAbort);
  }

  expire(): void {
    const name = this.#asker === null ? "" : `${this.#asker.address.kind}/${this.#asker.address.key}`;
    this.#giveUp(
      new AskDeadlineError(`Cannot wait any longer for the answer of "${name}": deadline has passed`),
    );
  }

  #giveUp(error: unknown): void {
    if (this.#state === "settled") return;
    const wasWaiting = this.#state === "waiting";
    this.#settle(error);
    this.#asker?.reject(error);
    if (!wasWaiting) return;
    this.#gaveUp = true;
    if (this.parked) this.holder?.unpark(this);
    const callback = this.#onAbandon;
    this.#onAbandon = null;
    if (callback !== null) this.holder?.call(callback);
  }

  #letGo(): void {
    this.#budget?.give(this.#byteLength);
    this.#budget = null;
  }

  #settle(error: unknown): void {
    this.#state = "settled";
    this.span?.end(error);
    this.#asker?.deadlines.remove(this);
    this.#unlisten?.();
    this.#unlisten = null;
  }
}
