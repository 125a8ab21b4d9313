/**
 * How fast something happens, by samples of fixed length of which the oldest fall away, and how long to hold back so that it
 * comes down to a bound. Source: Kafka's SampledStat, Rate, TokenBucket and QuotaUtils.
 */

export interface RateWindow {
  /** `quota.window.num`: the one that is being filled is one of them. */
  readonly sampleCount: number;
  /** `quota.window.size.seconds`, in milliseconds. */
  readonly sampleMs: number;
}

interface Sample {
  readonly startMs: number;
  amount: number;
}

export class RateMeter {
  readonly #window: RateWindow;
  #samples: Sample[] = [];

  constructor(window: RateWindow) {
    this.#window = window;
  }

  record(amount: number, nowMs: number): void {
    this.#expire(nowMs);
    const last = this.#samples.at(-1);
    if (last !== undefined && nowMs - last.startMs < this.#window.sampleMs) last.amount += amount;
    else this.#samples.push({ startMs: nowMs, amount });
  }

  /** Whether nothing was recorded in the window. */
  isIdle(nowMs: number): boolean {
    this.#expire(nowMs);
    return this.#samples.length === 0;
  }

  /** Milliseconds to hold back until the rate, with `amount` more, is down to `bound` a second; 0 when it already is. */
  throttleMs(bound: number, nowMs: number, amount = 0): number {
    this.#expire(nowMs);
    const total = this.#samples.reduce((sum, sample) => sum + sample.amount, amount);
    const elapsedMs = this.#elapsedMs(nowMs);
    const excess = total / (elapsedMs / 1_000) - bound;
    return excess <= 0 ? 0 : Math.round(excess / bound * elapsedMs);
  }

  /** A young meter counts as if it were all but one sample old, so that a burst at the beginning is not a high rate. */
  #elapsedMs(nowMs: number): number {
    const { sampleCount, sampleMs } = this.#window;
    const sinceMs = nowMs - (this.#samples[0]?.startMs ?? nowMs);
    const missing = Math.max(sampleCount - 1 - Math.floor(sinceMs / sampleMs), 0);
    return Math.max(sinceMs + missing * sampleMs, 1);
  }

  #expire(nowMs: number): void {
    const { sampleCount, sampleMs } = this.#window;
    const isLive = ({ startMs }: Sample) => nowMs - startMs < sampleCount * sampleMs;
    if (this.#samples[0] !== undefined && !isLive(this.#samples[0])) {
      this.#samples = this.#samples.filter(isLive);
    }
  }
}

/** Tokens that come at the rate of the quota, up to what a whole window brings; they may be owed. */
export class TokenBucket {
  readonly #window: RateWindow;
  #tokens: number | null = null;
  #refilledMs = 0;

  constructor(window: RateWindow) {
    this.#window = window;
  }

  take(count: number, rate: number, nowMs: number): void {
    this.#tokens = this.#refill(rate, nowMs) - count;
  }

  /** Milliseconds until nothing is owed. */
  throttleMs(rate: number, nowMs: number): number {
    const tokens = this.#refill(rate, nowMs);
    return tokens >= 0 ? 0 : Math.round(-tokens / rate * 1_000);
  }

  #refill(rate: number, nowMs: number): number {
    const burst = rate * this.#window.sampleCount * this.#window.sampleMs / 1_000;
    const grown = this.#tokens === null ? burst : this.#tokens + (nowMs - this.#refilledMs) / 1_000 * rate;
    this.#tokens = Math.min(grown, burst);
    this.#refilledMs = nowMs;
    return this.#tokens;
  }
}
