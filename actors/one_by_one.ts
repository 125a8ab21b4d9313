/** Work on many actors, one after the other: one that fails holds up no other. */
import type { Logger } from "../lib/log.ts";

export interface OneByOneOptions {
  /** Ends the work; what is left is neither done nor failed. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** What it is about, as one line of the log says when some have failed: how many, the first one and why. */
  readonly failure: string;
}

/** Returns the keys of those that failed. Never rejects. */
export async function oneByOne<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  act: (item: T) => Promise<unknown>,
  { signal, log, failure }: OneByOneOptions,
): Promise<T[]> {
  const failed: T[] = [];
  let firstError: unknown = null;
  for (const item of items) {
    if (signal.aborted) break;
    try {
      await act(item);
    } catch (error) {
      if (signal.aborted) break;
      if (failed.length === 0) firstError = error;
      failed.push(item);
    }
  }
  const [first] = failed;
  if (first !== undefined) {
    log.warn(failure, { count: failed.length, first: keyOf(first), error: String(firstError) });
  }
  return failed;
}
