/**
 * The actor contract: what a kind of actor gives to the runtime and what the runtime gives to it.
 *
 * An actor is addressed by kind and key, is activated on first use and passivated when idle. It takes one message
 * at a time, decides, *stages* effects, and answers. The runtime commits staged effects in order, one commit in
 * flight while the next one fills (group commit), and holds every answer back until all that was staged before it
 * is durable (output gate). The shape is learned from Kafka's CoordinatorRuntime and from Orleans' grains.
 */
import type { Env } from "../../lib/env.ts";
import type { Logger } from "../../lib/log.ts";

declare const replyType: unique symbol;

/** A message whose `ask` is answered with `R`. Intersect it into a message type: `{ type: "x" } & Expects<number>`. */
export interface Expects<R> {
  readonly [replyType]?: R;
}

/** What an `ask` with message `M` resolves to. */
export type ReplyOf<M> = M extends Expects<infer R> ? R : never;

/** Messages are told apart by `type`; these two let `ask` infer the answer from it. */
export type TypeOf<M> = M extends { readonly type: infer T extends string } ? T : never;
export type MessageOf<M, T> = Extract<M, { readonly type: T }>;

/** How a message is answered; may be kept and answered later, from another message or a timer. */
export interface Reply<R> {
  /** Answers once everything staged so far is durable. The first answer counts, later ones are ignored. */
  send(value: R): void;
  /** Answers at once: only for values read from durable state. */
  sendNow(value: R): void;
  /** Fails the ask with `error` once everything staged so far is durable. */
  fail(error: Error): void;
  /** True once the asker gave up (deadline or signal) or was answered. */
  readonly settled: boolean;
  /**
   * Called once if the asker gives up before the answer, also if it already has. It runs between messages, but an
   * asynchronous `receive` may be under way. A message whose asker gave up while it waited is received all the same.
   */
  onAbandon(callback: () => void): void;
}

export interface ActorHost<Message, Effect> {
  /**
   * Handles one message; the next one waits until the returned promise settles, so it is asynchronous only where it
   * must read storage to decide. Throwing kills the actor: its askers get `ActorFailedError`, and it is restarted from storage.
   */
  receive(message: Message, reply: Reply<unknown>): void | Promise<void>;
  /**
   * Makes a prefix of `effects` durable and returns its length (nothing returned means all). Called with one
   * call in flight, never with effects of a message that is still being received. The prefix has at least one
   * effect. Throwing `FencedError` stops the actor for good; any other error restarts it from storage.
   */
  commit?(effects: readonly Effect[]): Promise<number | void>;
  /** Whether it may be passivated now (default: yes when nothing is staged, parked or in the mailbox). */
  idle?(): boolean;
  /**
   * Called at passivation and at drain, after the last commit, and not after a failure. Parked replies may be answered
   * here; those that are not are failed with `ActorStoppedError`. What is staged here is lost.
   */
  stop?(): void | Promise<void>;
  /** A few plain values for introspection: metrics and the dashboard show them. */
  inspect?(): Record<string, unknown>;
}

export interface ActorContext<Message, Effect> {
  readonly address: ActorAddress;
  readonly env: Env;
  readonly log: Logger;
  /** Differs for each activation: `<process incarnation>.<n>`. */
  readonly incarnation: string;
  /** Adds an effect to the next commit. */
  stage(effect: Effect): void;
  /** Sends `message` to itself after `ms`; a timer with the same key is replaced. Timers die with the activation. */
  setTimer(timerKey: string, ms: number, message: Message): void;
  cancelTimer(timerKey: string): void;
  /** Sends to itself, whatever the mailbox's bound; lost when the activation ends first. */
  tellSelf(message: Message): void;
  /**
   * Runs a background task, e.g. a read that must not hold up the mailbox. The signal is aborted when the actor stops.
   * A task that throws kills the actor unless the error is the signal's reason.
   */
  run(task: (signal: AbortSignal) => Promise<void>): void;
  /** Another actor. */
  ref<M>(kind: ActorKind<M, never> | string, key: string): ActorRef<M>;
  /** Asks to be passivated as soon as nothing is pending. */
  passivate(): void;
}

export interface ActorKind<Message, Effect> {
  /** e.g. `partition`. */
  readonly kind: string;
  readonly options?: Partial<ActorOptions>;
  /**
   * Bytes that a message holds from when it is asked until the actor has answered it and that is durable, whether or not its asker
   * still waits. All actors together have a bound. Absent: none worth counting.
   */
  readonly bytesOf?: (message: Message) => number;
  /** Loads the state and returns the host; called at the first message and after every restart. */
  activate(
    context: ActorContext<Message, Effect>,
  ): Promise<ActorHost<Message, Effect>> | ActorHost<Message, Effect>;
}

export interface ActorOptions {
  /** Messages waiting; one more is refused with `OverloadedError`. Default 1,024. */
  mailboxLengthMax: number;
  /** Effects staged and not yet durable at which the mailbox is no longer taken from (back-pressure). Default 1,024. */
  stagedEffectsMax: number;
  /** Idle time after which the actor is passivated; 0 never. Default 60,000. */
  idleAfterMs: number;
  /** Deadline of an ask that brings none. Default 30,000. */
  askDeadlineMs: number;
  /** First restart delay, doubled up to the maximum, with jitter of up to a half. Defaults 20 and 5,000. */
  restartDelayMs: number;
  restartDelayMsMax: number;
  /** More restarts than this within the window escalate: the actor stays stopped for the longest delay. Defaults 10 in 60,000. */
  restartCountMax: number;
  restartWindowMs: number;
}

export interface ActorAddress {
  readonly kind: string;
  readonly key: string;
}

export interface AskOptions {
  /** From now, on the monotonic clock. */
  deadlineMs?: number;
  signal?: AbortSignal;
}

/** A cloneable handle; holding one keeps nothing alive. */
export interface ActorRef<Message> {
  readonly address: ActorAddress;
  /**
   * Sends and waits for the answer. Rejects with `OverloadedError`, `AskDeadlineError`, `ActorFailedError`
   * (the actor died with the message's fate unknown) or `ActorStoppedError` (not processed).
   */
  ask<T extends TypeOf<Message>>(
    message: MessageOf<Message, T> & { readonly type: T },
    options?: AskOptions,
  ): Promise<ReplyOf<MessageOf<Message, T>>>;
  /** Sends and forgets; throws `OverloadedError` when the mailbox is full, `ActorStoppedError` when it takes no messages. */
  tell(message: Message): void;
}

/** One line of the introspection call. */
export interface ActorSnapshot {
  readonly kind: string;
  readonly key: string;
  readonly status: "activating" | "running" | "restarting" | "escalated" | "fenced" | "stopping";
  readonly mailboxLength: number;
  readonly stagedEffectCount: number;
  readonly parkedReplyCount: number;
  readonly ageMs: number;
  readonly idleMs: number;
  readonly restartCount: number;
  readonly lastError: string | null;
  readonly details: Record<string, unknown>;
}
