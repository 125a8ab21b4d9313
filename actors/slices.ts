/**
 * Work that is too much to be done at once: the event loop runs between its slices, and one piece of such work is done after
 * the other, so that many together take no more memory than one.
 */
import { limits } from "../core/config/limits.ts";
import type { Env } from "../lib/env.ts";
import type { Steps } from "../lib/steps.ts";
import { SLICE_MS_MAX } from "./runtime/scheduler.ts";

export class Slices {
  readonly #env: Env;
  #sinceMs: number;

  constructor(env: Env) {
    this.#env = env;
    this.#sinceMs = env.mono();
  }

  /** Lets others go on, if it is time for that. */
  async rest(): Promise<void> {
    if (!this.#isUsedUp()) return;
    await this.#env.sleep(0);
    this.#sinceMs = this.#env.mono();
  }

  async run<T>(steps: Steps<T>): Promise<T> {
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      if (this.#isUsedUp()) await this.rest();
    }
  }

  #isUsedUp(): boolean {
    return this.#env.mono() - this.#sinceMs >= SLICE_MS_MAX;
  }
}

/** Whose turn it is to do work in slices. */
export class SlicedWork {
  #last: Promise<void> = Promise.resolve();

  /** Does it when what came before is done; fails as `work` does, and when it takes longer than `slicedWorkMsMax`. */
  inTurn<T>(env: Env, work: (slices: Slices) => Promise<T>): Promise<T> {
    const done = this.#last.then(() => inTime(env, work(new Slices(env))));
    this.#last = done.then(() => {}, () => {});
    return done;
  }
}

/** What does not come to its end must not hold up all that is behind it. */
function inTime<T>(env: Env, work: Promise<T>): Promise<T> {
  const { slicedWorkMsMax } = limits;
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`Cannot wait for work in slices: ${slicedWorkMsMax} ms have passed`));
    const cancel = env.timer(slicedWorkMsMax, late);
    work.then(resolve, reject).finally(cancel);
  });
}
