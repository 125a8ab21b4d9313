/** Back-off of webhooks: doubled from attempt to attempt, with jitter. Pure. */

export interface RetryDelayBounds {
  /** Before the second attempt. */
  readonly firstMs: number;
  readonly maxMs: number;
}

/** A second, doubled up to a minute. */
const DEFAULT_BOUNDS: RetryDelayBounds = { firstMs: 1_000, maxMs: 60_000 };

/** Time before the next attempt, less or more by up to a fifth. `random` in [0, 1). */
export function retryDelayMs(
  failureCount: number,
  random: number,
  { firstMs, maxMs }: RetryDelayBounds = DEFAULT_BOUNDS,
): number {
  return Math.min(maxMs, firstMs * 2 ** Math.max(0, failureCount - 1)) * (0.8 + 0.4 * random);
}
