/** A bound that connections share: bytes of requests that were read and are not yet answered. */

export class ByteBudget {
  readonly #bytesMax: number;
  #bytes = 0;
  #waiting: (() => void)[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Accounts for bytes that are there already; `room` is what makes their readers wait. */
  take(byteLength: number): void {
    this.#bytes += byteLength;
  }

  give(byteLength: number): void {
    this.#bytes -= byteLength;
    if (this.#bytes >= this.#bytesMax) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves when there is room again, or at once. */
  async room(): Promise<void> {
    while (this.#bytes >= this.#bytesMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
