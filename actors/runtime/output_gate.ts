/**
 * The output gate of one activation: answers wait here, in order, until all that was staged before them is durable.
 * Positions count effects since the activation began.
 */
import { invariant } from "../../lib/invariant.ts";
import { mutant } from "../../lib/mutants.ts";
import type { Envelope } from "./envelope.ts";
import { Ring } from "./ring.ts";

export class OutputGate {
  readonly #held = new Ring<Envelope>();
  #stagedPosition = 0;
  #durablePosition = 0;

  /** Answers that wait. */
  get length(): number {
    return this.#held.length;
  }

  /** Effects staged and not yet durable. */
  get pendingCount(): number {
    return this.#stagedPosition - this.#durablePosition;
  }

  staged(): void {
    this.#stagedPosition++;
  }

  /** Releases the answer now, or when what is staged at this moment is durable. */
  hold(envelope: Envelope): void {
    if (this.#durablePosition === this.#stagedPosition || mutant("reply-before-commit")) {
      envelope.release();
    } else {
      envelope.position = this.#stagedPosition;
      this.#held.push(envelope);
    }
  }

  /** `count` more effects are durable. */
  durable(count: number): void {
    this.#durablePosition += count;
    invariant(this.#durablePosition <= this.#stagedPosition, "More effects are durable than were staged");
    let envelope = this.#held.peek();
    while (envelope !== undefined && envelope.position <= this.#durablePosition) {
      this.#held.shift();
      envelope.release();
      envelope = this.#held.peek();
    }
  }

  /** Fails every answer that waits: whether its effects became durable is not known. */
  rejectAll(error: Error): void {
    for (let envelope = this.#held.shift(); envelope !== undefined; envelope = this.#held.shift()) {
      envelope.reject(error);
    }
  }
}
