/**
 * A partition whose store takes no writes at the moment, for example because its disk is full: what is stored is read as
 * usual, whoever writes gets Kafka's retriable error at once, and when writes work again the actor makes room for one that
 * appends. Nothing is fenced and nothing changes while it lives.
 */
import type { LogEffect } from "../storage/partition_log.ts";
import type { WriteHealth } from "../storage/write_health.ts";
import type { PartitionMessage } from "./messages/partition.ts";
import type { ActorContext, ActorHost, Reply } from "./runtime/types.ts";

/** The partition that reads. */
export interface PartitionReads extends ActorHost<PartitionMessage, LogEffect> {
  /** Answers everybody who waits for records, so that they ask again. */
  release(): void;
  inspect(): Record<string, unknown>;
}

export interface ReadOnlyPartitionOptions {
  readonly context: ActorContext<PartitionMessage, LogEffect>;
  readonly reads: PartitionReads;
  readonly health: WriteHealth;
}

export class ReadOnlyPartition implements ActorHost<PartitionMessage, LogEffect> {
  readonly #reads: PartitionReads;
  readonly #health: WriteHealth;

  constructor({ context, reads, health }: ReadOnlyPartitionOptions) {
    this.#reads = reads;
    this.#health = health;
    context.run(async () => {
      await health.recovered();
      reads.release();
      context.passivate();
    });
  }

  receive(message: PartitionMessage, reply: Reply<unknown>): void | Promise<void> {
    const error = "KAFKA_STORAGE_ERROR";
    switch (message.type) {
      case "produce":
        return reply.sendNow({
          error,
          errorMessage: this.#health.fault ?? "The store takes no writes",
          baseOffset: -1,
          logAppendTimeMs: -1,
          logStartOffset: -1,
        });
      case "writeMarker":
        return reply.sendNow({ error });
      case "deleteRecords":
        return reply.sendNow({ error, lowWatermark: -1 });
      case "clean":
      case "expireProducers":
        return reply.sendNow(false);
      case "compact":
        return reply.sendNow("failed");
      case "restore":
        return reply.sendNow({ fault: this.#health.fault ?? "The store takes no writes" });
      default:
        return this.#reads.receive(message, reply);
    }
  }

  stop(): void | Promise<void> {
    return this.#reads.stop?.();
  }

  inspect(): Record<string, unknown> {
    return { ...this.#reads.inspect(), isReadOnly: true };
  }
}
