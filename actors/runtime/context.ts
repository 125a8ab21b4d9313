/** What the runtime gives to a host: the `ActorContext` of one activation. After its end every call does nothing. */
import type { Env } from "../../lib/env.ts";
import type { Logger } from "../../lib/log.ts";
import type { Activation } from "./activation.ts";
import type { ActorAddress, ActorContext, ActorKind, ActorRef } from "./types.ts";

/** What all activations of an actor have in common, and their incarnation. */
export interface ContextSurroundings {
  readonly address: ActorAddress;
  readonly env: Env;
  readonly log: Logger;
  readonly incarnation: string;
  passivate(): void;
  ref<M>(kind: ActorKind<M, never> | string, key: string): ActorRef<M>;
}

export function contextOf(
  activation: Activation,
  surroundings: ContextSurroundings,
): ActorContext<unknown, unknown> {
  const { address, env, log, incarnation } = surroundings;
  return {
    address,
    env,
    log,
    incarnation,
    stage: (effect) => activation.stage(effect),
    setTimer: (timerKey, ms, message) => {
      if (!activation.ended) activation.timers.set(timerKey, ms, message);
    },
    cancelTimer: (timerKey) => activation.timers.cancel(timerKey),
    tellSelf: (message) => activation.tellSelf(message),
    run: (task) => activation.run(task),
    ref: (kind, key) => surroundings.ref(kind, key),
    passivate: () => {
      if (!activation.ended) surroundings.passivate();
    },
  };
}
