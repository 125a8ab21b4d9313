/**
 * Shards: one head key plus everything that commits under that head change. Skeleton; the exports are final.
 */
import type { Env, KvKey } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import type { Mutation, Storage } from "./storage.ts";

export interface ShardStoreOptions {
  readonly storage: Storage;
  readonly env: Env;
  readonly log: Logger;
  readonly brokerId: number;
  /** A UUID that no process before had. */
  readonly incarnation: string;
}

export interface ShardCommit {
  readonly mutations: readonly Mutation[];
  /** The head's new content; absent: as it is. */
  readonly payload?: Uint8Array;
}

/** One store, fenced for one incarnation of one broker. */
export class ShardStore {
  readonly storage: Storage;
  readonly env: Env;
  readonly log: Logger;

  private constructor(options: ShardStoreOptions) {
    this.storage = options.storage;
    this.env = options.env;
    this.log = options.log;
  }

  /** Takes the broker fence: from here on no older incarnation of this broker can commit. */
  static open(options: ShardStoreOptions): Promise<ShardStore> {
    return Promise.resolve(new ShardStore(options));
  }

  /** Fences every older writer of the shard, then reads it (W4). Creates the head when absent. */
  openShard(_headKey: KvKey): Promise<Shard> {
    throw new Error("not yet");
  }
}

/** The single writer's handle on one shard. */
export class Shard {
  /** The head's content as found at open, then as last committed; null for a new shard. */
  get payload(): Uint8Array | null {
    throw new Error("not yet");
  }

  /**
   * One atomic commit under the head's check. Calls made while one is in flight are merged into the next, in order.
   * Throws `RangeError` (larger than the store takes: split it), `FencedError` (stop), `StorageUnavailableError`
   * (in doubt: open the shard anew).
   */
  commit(_commit: ShardCommit): Promise<void> {
    throw new Error("not yet");
  }

  /** Bytes and mutations that one commit may still hold beside the head; see `storage/commit_size.ts`. */
  close(): void {}
}
