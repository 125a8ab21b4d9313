/**
 * Transactional ids in transaction shards. All of a shard commit through its one head, so that a coordinator that lost
 * the shard can decide nothing any more; each opening raises the coordinator epoch, by which partitions refuse its
 * markers, too.
 */
import type { TransactionRecord } from "../core/transaction/transaction_state.ts";
import { below } from "./keys/keyspace.ts";
import {
  decodeCoordinatorEpoch,
  decodeTransaction,
  encodeCoordinatorEpoch,
  encodeTransaction,
  transactionalIdOfKey,
  transactionKey,
  transactionShardHeadKey,
  transactionsPrefix,
} from "./keys/transaction.ts";
import { scan } from "./scan.ts";
import { OpenedShards } from "./opened_shards.ts";
import type { Shard, ShardStore } from "./shard.ts";
import type { Storage } from "./storage.ts";

/** `transaction.state.log.num.partitions`; fixed when the first transactional id is stored. */
export const TRANSACTION_SHARD_COUNT = 50;

/** All transaction shards of a store; each is opened once, when it is first needed. */
export class TransactionShards {
  readonly #shards: ShardStore;
  readonly #shardCount: number;
  readonly #opened: OpenedShards<TransactionStore>;

  constructor(shards: ShardStore, shardCount = TRANSACTION_SHARD_COUNT) {
    this.#shards = shards;
    this.#shardCount = shardCount;
    this.#opened = new OpenedShards(shardCount, (shardIndex) => TransactionStore.open(shards, shardIndex));
  }

  /** The store of the id's shard; opened anew if the last one failed. Throws what `openShard` throws. */
  storeOf(transactionalId: string): Promise<TransactionStore> {
    return this.#opened.storeOf(transactionalId);
  }

  /** Every transactional id as last committed. */
  async *list(): AsyncGenerator<TransactionRecord, void, void> {
    for (let shardIndex = 0; shardIndex < this.#shardCount; shardIndex++) {
      for await (const { key, value } of scan(this.#shards.storage, below(transactionsPrefix(shardIndex)))) {
        yield decodeTransaction(transactionalIdOfKey(key), value);
      }
    }
  }
}

/** One transaction shard. */
export class TransactionStore {
  /** Above that of every earlier opening of the shard. */
  readonly coordinatorEpoch: number;
  readonly #storage: Storage;
  readonly #shard: Shard;
  readonly #shardIndex: number;

  private constructor(storage: Storage, shard: Shard, shardIndex: number, coordinatorEpoch: number) {
    this.#storage = storage;
    this.#shard = shard;
    this.#shardIndex = shardIndex;
    this.coordinatorEpoch = coordinatorEpoch;
  }

  /** Takes the shard: older writers are fenced. One per shard and process; `TransactionShards` sees to that. */
  static async open(shards: ShardStore, shardIndex: number): Promise<TransactionStore> {
    const shard = await shards.openShard(transactionShardHeadKey(shardIndex));
    const coordinatorEpoch = decodeCoordinatorEpoch(shard.payload) + 1;
    await shard.commit({ mutations: [], payload: encodeCoordinatorEpoch(coordinatorEpoch) });
    return new TransactionStore(shards.storage, shard, shardIndex, coordinatorEpoch);
  }

  /** Why the shard is of no use any more, or null. */
  get fault(): Error | null {
    return this.#shard.fault;
  }

  /** As last committed; null: unknown. Throws `CorruptStorageError`. */
  async read(transactionalId: string): Promise<TransactionRecord | null> {
    const found = await this.#storage.get(transactionKey(this.#shardIndex, transactionalId));
    return found === null ? null : decodeTransaction(transactionalId, found.value);
  }

  /** Throws `FencedError`, `StorageUnavailableError`. */
  async commit(record: TransactionRecord): Promise<void> {
    const key = transactionKey(this.#shardIndex, record.transactionalId);
    await this.#shard.commit({ mutations: [{ type: "set", key, value: encodeTransaction(record) }] });
  }

  /** Forgets a transactional id that nobody used for long. */
  async remove(transactionalId: string): Promise<void> {
    const key = transactionKey(this.#shardIndex, transactionalId);
    await this.#shard.commit({ mutations: [{ type: "delete", key }] });
  }
}
