/**
 * Transactional ids in transaction shards. All of a shard commit through its one head, so that a coordinator that lost
 * the shard can decide nothing any more; each opening raises the coordinator epoch, by which partitions refuse its
 * markers, too.
 */
import type { KeptAnswer } from "../core/transaction/kept_answer.ts";
import type { TransactionRecord } from "../core/transaction/transaction_state.ts";
import { type KeepingOptions, KeptAnswers } from "./kept_answers.ts";
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
import type { Mutation, Storage } from "./storage.ts";

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

/** An answer to keep, and what goes for it. */
export interface Keeping extends KeepingOptions {
  readonly answer: KeptAnswer;
}

/** One transaction shard. */
export class TransactionStore {
  /** Above that of every earlier opening of the shard. */
  readonly coordinatorEpoch: number;
  readonly #storage: Storage;
  readonly #shard: Shard;
  readonly #shardIndex: number;
  /** By transactional id, of those few that keep any. */
  readonly #answers = new Map<string, KeptAnswers>();

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

  async #answersOf(transactionalId: string): Promise<KeptAnswers> {
    const found = this.#answers.get(transactionalId);
    if (found !== undefined) return found;
    const opened = await KeptAnswers.open(this.#storage, this.#shardIndex, transactionalId);
    this.#answers.set(transactionalId, opened);
    return opened;
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

  /** With `keeping`, the answer goes into the same commit. Throws `FencedError`, `StorageUnavailableError`. */
  async commit(record: TransactionRecord, keeping: Keeping | null = null): Promise<void> {
    const { transactionalId } = record;
    const key = transactionKey(this.#shardIndex, transactionalId);
    const mutations: Mutation[] = [{ type: "set", key, value: encodeTransaction(record) }];
    if (keeping === null) return await this.#shard.commit({ mutations });
    const answers = await this.#answersOf(transactionalId);
    const keep = await answers.keep(keeping.answer, keeping);
    await this.#shard.commit({ mutations: [...mutations, ...keep.mutations] });
    keep.kept();
  }

  /** The answer that the transactional id keeps for a key, however old; null: none. */
  async findAnswer(transactionalId: string, keyHash: Uint8Array): Promise<KeptAnswer | null> {
    return await (await this.#answersOf(transactionalId)).find(keyHash);
  }

  /** Forgets a transactional id that nobody used for long, with all that it keeps. */
  async remove(transactionalId: string): Promise<void> {
    const answers = await this.#answersOf(transactionalId);
    for (let some = await answers.forgetSome(); some !== null; some = await answers.forgetSome()) {
      await this.#shard.commit({ mutations: some.mutations });
      some.forgotten();
    }
    this.#answers.delete(transactionalId);
    const key = transactionKey(this.#shardIndex, transactionalId);
    await this.#shard.commit({ mutations: [{ type: "delete", key }] });
  }
}
