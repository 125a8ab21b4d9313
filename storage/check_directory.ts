/** Looks through the data directory of a stopped server: takes its lock, opens its store, and changes nothing in either. */
import type { Env } from "../lib/env.ts";
import { silentLogger } from "../lib/log.ts";
import { openDataDirectory } from "./data_directory.ts";
import { DenoKvStorage } from "./deno_kv.ts";
import { CorruptStorageError, DataDirectoryError } from "./errors.ts";
import { decodeTopic, topicIdOfKey, topicsPrefix } from "./keys/topic.ts";
import { below } from "./keys/keyspace.ts";
import { scan } from "./scan.ts";
import { checkSeals } from "./seal_check.ts";
import { SegmentStore } from "./segments.ts";
import { checkStorage, type PartitionReport } from "./storage_check.ts";
import { inspectStoreFile } from "./store_file.ts";
import type { Storage } from "./storage.ts";

/** A report with the topic's name; its id when the topic is gone. */
export interface NamedReport extends Omit<PartitionReport, "topicId" | "partition"> {
  readonly topic: string;
  /** Null: it is about all that is no topic's, and counts values in place of batches. */
  readonly partition: number | null;
}

const REST = "groups, transactions, settings and the rest";

/** Throws `DataDirectoryError`, `StorageUnavailableError`. */
export async function* checkDataDirectory(
  { env, path }: { readonly env: Env; readonly path: string },
): AsyncGenerator<NamedReport, void, void> {
  // Checking makes no directory.
  if (!await env.files.exists(path)) {
    throw new DataDirectoryError(`Cannot check "${path}": there is no such directory`);
  }
  const directory = await openDataDirectory({ env, path });
  try {
    const state = await inspectStoreFile(env.files, directory.kvPath);
    if (state !== "sound") {
      const why = state === "absent" ? "there is no store in it" : `its store is damaged: ${state.fault}`;
      throw new DataDirectoryError(`Cannot check "${path}": ${why}`);
    }
    const storage = await DenoKvStorage.open({ env, path: directory.kvPath });
    try {
      const names = await topicNames(storage);
      const segments = new SegmentStore({
        files: env.files,
        log: silentLogger,
        path: directory.segmentsPath,
      });
      for await (const report of checkStorage({ storage, segments })) {
        const name = names.get(report.topicId);
        const garbage = name === undefined
          ? [...report.garbage, "its topic is gone: nothing removes it"]
          : report.garbage;
        yield { ...report, garbage, topic: name ?? report.topicId };
      }
      const { valueCount, ...rest } = await checkSeals(storage);
      yield { ...rest, topic: REST, partition: null, batchCount: valueCount };
      await segments.close();
    } finally {
      await storage.close();
    }
  } finally {
    directory.release();
  }
}

/** By id; null for a topic that cannot be read. */
async function topicNames(storage: Storage): Promise<Map<string, string | null>> {
  const names = new Map<string, string | null>();
  for await (const { key, value } of scan(storage, below(topicsPrefix))) {
    names.set(topicIdOfKey(key), nameIn(value));
  }
  return names;
}

function nameIn(value: Uint8Array): string | null {
  try {
    return decodeTopic(value).name;
  } catch (error) {
    // The look at all seals tells of it.
    if (error instanceof CorruptStorageError) return null;
    throw error;
  }
}
