/** One consumer that lives on the server, in the store, so that it outlives the process. Its actor is the only writer. */
import type { RestConsumer } from "../core/rest_consumer/rest_consumer.ts";
import { restConsumerKey } from "./keys/rest_consumer.ts";
import { decodeJsonValue, encodeJsonValue } from "./keys/subscription.ts";
import type { ShardStore } from "./shard.ts";
import type { KvKey } from "./storage.ts";

export class RestConsumerStore {
  readonly #shards: ShardStore;
  readonly #key: KvKey;

  constructor(shards: ShardStore, groupId: string, instanceId: string) {
    this.#shards = shards;
    this.#key = restConsumerKey(groupId, instanceId);
  }

  async load(): Promise<RestConsumer | null> {
    const found = await this.#shards.storage.get(this.#key);
    return found === null ? null : decodeJsonValue("consumer", found.value) as RestConsumer;
  }

  /** Null removes it. Throws `FencedError`, `StorageUnavailableError`. */
  async save(consumer: RestConsumer | null): Promise<void> {
    await this.#shards.commitLoose([
      consumer === null
        ? { type: "delete", key: this.#key }
        : { type: "set", key: this.#key, value: encodeJsonValue(consumer) },
    ]);
  }
}
