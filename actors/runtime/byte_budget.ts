/** A bound on bytes that many share: of requests that were read and not yet answered, or of messages that wait in actors. */

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

  /** So much more than there is room for that whoever does not wait for room is to be refused. */
  get isOverrun(): boolean {
    return this.#bytes >= 2 * this.#bytesMax;
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
