/**
 * Coordinator shards that are opened once, when they are first needed, and anew after a failure: whoever comes first
 * opens a shard, the others share that. Groups and transactions are spread over their shards in the same way, as in Kafka.
 */
import { groupShardIndex } from "../core/group/group_config.ts";

/** What is opened: it tells why it is of no use any more, or null. */
interface Faultable {
  readonly fault: Error | null;
}

export class OpenedShards<Store extends Faultable> {
  readonly #shardCount: number;
  readonly #open: (shardIndex: number) => Promise<Store>;
  readonly #stores = new Map<number, Promise<Store>>();

  constructor(shardCount: number, open: (shardIndex: number) => Promise<Store>) {
    this.#shardCount = shardCount;
    this.#open = open;
  }

  /** The store of the shard that `id` belongs to; opened anew if the last one failed. Throws what `open` throws. */
  async storeOf(id: string): Promise<Store> {
    const shardIndex = groupShardIndex(id, this.#shardCount);
    const present = this.#stores.get(shardIndex);
    if (present !== undefined) {
      const store = await present.catch(() => null);
      if (store !== null && store.fault === null) return store;
      if (this.#stores.get(shardIndex) === present) this.#stores.delete(shardIndex);
    }
    let opening = this.#stores.get(shardIndex);
    if (opening === undefined) this.#stores.set(shardIndex, opening = this.#open(shardIndex));
    return await opening;
  }
}
