/** Opens the embedded store of one broker: directory, lock, Deno KV, layout, fence, in this order. */
import type { Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import { openDataDirectory, openStoreMeta } from "./data_directory.ts";
import { DenoKvStorage } from "./deno_kv.ts";
import { SegmentStore } from "./segments.ts";
import {
  checkIdentity,
  checkStoreFile,
  readIdentity,
  startCountOf,
  type StoreIdentity,
  writeIdentity,
} from "./store_identity.ts";
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
  let opened: DenoKvStorage | null = null;
  try {
    const known = await readIdentity(env.files, options.directory);
    await checkStoreFile(env.files, options.path, known !== null);
    const storage = opened = await DenoKvStorage.open({ env, path: options.path });
    const { clusterId, storeId } = await openStoreMeta({ env, storage });
    const identity = { clusterId, storeId, brokerId };
    const startCount = await startCountOf(storage, brokerId);
    checkIdentity(options.directory, known, { ...identity, startCount });
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
    await keepIdentity(options, { ...identity, startCount: shards.startCount });
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
    // As it was: a store that is refused is somebody's only copy.
    await opened?.close();
    directory.release();
    throw error;
  }
}

async function keepIdentity(
  { env, log, directory }: OpenStoreOptions,
  identity: StoreIdentity,
): Promise<void> {
  try {
    await writeIdentity(env.files, directory, identity);
  } catch (error) {
    // On a full disk what is stored can still be served; an older copy of the store will not be told from this one.
    log.warn("Cannot write meta.properties", { directory, error: String(error) });
  }
}
