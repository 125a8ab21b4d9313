/**
 * Work that stops now and then, so that whoever does it can let others go on: a generator whose every `yield` is a
 * place to rest. Pure; whether to rest there, and how, is the caller's matter.
 */

/** Work of about a millisecond between two places to rest; what it comes to is returned. */
export type Steps<T> = Generator<void, T, void>;

/** Does all of it without a rest. */
export function runAtOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
