/** Bounds the log lines that strangers can cause: some a second, the rest only counted. */

export class LogLimiter {
  readonly #linesPerSecondMax: number;
  #windowMs = -Infinity;
  #lines = 0;
  #suppressed = 0;

  constructor(linesPerSecondMax: number) {
    this.#linesPerSecondMax = linesPerSecondMax;
  }

  /** How many lines were held back before this one, or null when this one is held back as well. */
  admit(monoMs: number): number | null {
    if (monoMs - this.#windowMs >= 1_000) {
      this.#windowMs = monoMs;
      this.#lines = 0;
    }
    if (this.#lines >= this.#linesPerSecondMax) {
      this.#suppressed += 1;
      return null;
    }
    this.#lines += 1;
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    return suppressed;
  }
}
