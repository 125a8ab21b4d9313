/**
 * Invariants: conditions that only a bug in Kavka can break. They stay on in production; an actor that breaks
 * one dies and is restarted from what it stored.
 */

/** A broken invariant. Never caught to continue: only supervision and the doors' outermost loop see it. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Throws `InvariantError` with `message` unless `condition` holds. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** For the default arm of an exhaustive `switch`: the compiler proves it unreachable, the run time makes sure. */
export function unreachable(value: never): never {
  throw new InvariantError(`Unexpected variant: ${String(value)}`);
}
