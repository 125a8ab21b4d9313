/** Producer ids from the supervisor's blocks: one commit serves a thousand producers. Source: KIP-730. */
import type { SupervisorMessage } from "./messages/supervisor.ts";
import type { ActorRef } from "./runtime/types.ts";

export class ProducerIds {
  readonly #supervisor: ActorRef<SupervisorMessage>;
  #nextId = 0;
  #remaining = 0;
  #filling: Promise<void> | null = null;

  constructor(supervisor: ActorRef<SupervisorMessage>) {
    this.#supervisor = supervisor;
  }

  /** An id that nobody else got; rejects as an ask does. */
  async next(): Promise<number> {
    while (this.#remaining === 0) {
      this.#filling ??= this.#fill().finally(() => this.#filling = null);
      await this.#filling;
    }
    this.#remaining -= 1;
    return this.#nextId++;
  }

  async #fill(): Promise<void> {
    const { firstId, count } = await this.#supervisor.ask({ type: "allocateProducerIds" });
    this.#nextId = firstId;
    this.#remaining = count;
  }
}
