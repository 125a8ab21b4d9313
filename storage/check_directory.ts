/** Looks through the data directory of a stopped server: takes its lock, opens its store, and changes nothing in either. */
import type { Env } from "../lib/env.ts";
import { silentLogger } from "../lib/log.ts";
import { openDataDirectory } from "./data_directory.ts";
import { DenoKvStorage } from "./deno_kv.ts";
import { DataDirectoryError } from "./errors.ts";
import { decodeTopic, topicIdOfKey, topicsPrefix } from "./keys/topic.ts";
import { below } from "./keys/keyspace.ts";
import { scan } from "./scan.ts";
import { SegmentStore } from "./segments.ts";
import { checkStorage, type PartitionReport } from "./storage_check.ts";
import { inspectStoreFile } from "./store_file.ts";
import type { Storage } from "./storage.ts";

/** A report with the topic's name; its id when the topic is gone. */
export interface NamedReport extends PartitionReport {
  readonly topic: string;
}

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
        const garbage = name === undefined ? [...report.garbage, "its topic is gone"] : report.garbage;
        yield { ...report, garbage, topic: name ?? report.topicId };
      }
      await segments.close();
    } finally {
      await storage.close();
    }
  } finally {
    directory.release();
  }
}

async function topicNames(storage: Storage): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for await (const { key, value } of scan(storage, below(topicsPrefix))) {
    names.set(topicIdOfKey(key), decodeTopic(value).name);
  }
  return names;
}
