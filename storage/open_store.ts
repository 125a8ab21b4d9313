/** Opens the embedded store of one broker: directory, lock, Deno KV, layout, fence, in this order. */
import type { Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import { openDataDirectory, openStoreMeta } from "./data_directory.ts";
import { DenoKvStorage } from "./deno_kv.ts";
import { SegmentStore } from "./segments.ts";
import { checkIdentity, checkStoreFile, readIdentity } from "./store_identity.ts";
import { ShardStore } from "./shard.ts";

export interface OpenStoreOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly directory: string;
  /** The store's file. */
  readonly path: string;
  readonly brokerId: number;
  /** A UUID that no process before had. */
  readonly incarnation: string;
}

export interface OpenedStore {
  readonly shards: ShardStore;
  readonly clusterId: string;
  /** Closes the store, then lets another process have the directory. */
  close(): Promise<void>;
}

/**
 * How long a commit of an embedded store is tried again: its disk is full or broken rather than away, and partitions can be
 * read only once the commit is given up.
 */
const EMBEDDED_RESOLVE_MS = 2_000;

/** Throws `DataDirectoryError`, whose message is the one line for the user. */
export async function openStore(options: OpenStoreOptions): Promise<OpenedStore> {
  const { env, log, brokerId, incarnation } = options;
  const directory = await openDataDirectory({ env, path: options.directory });
  try {
    const identity = await readIdentity(env.files, options.directory);
    await checkStoreFile(env.files, options.path, identity !== null);
    const storage = await DenoKvStorage.open({ env, path: options.path });
    const { clusterId, storeId } = await openStoreMeta({ env, storage });
    await checkIdentity(env.files, options.directory, { clusterId, storeId, brokerId });
    const segments = new SegmentStore({ files: env.files, log, path: directory.segmentsPath });
    const shards = await ShardStore.open({
      storage,
      env,
      log,
      brokerId,
      incarnation,
      segments,
      resolveMs: EMBEDDED_RESOLVE_MS,
    });
    return {
      shards,
      clusterId,
      async close() {
        shards.health.close();
        await storage.close();
        await segments.close();
        directory.release();
      },
    };
  } catch (error) {
    directory.release();
    throw error;
  }
}
