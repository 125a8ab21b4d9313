/**
 * Whose a data directory is: `meta.properties` beside the store, as Kafka has it, so that a store's file that was lost, cut short or
 * replaced by another, or by an older copy of itself, is noticed before anything is served from it, or anything deleted because it
 * does not name it. It counts the starts, as the store does: a copy from before the last start knows of fewer.
 */
import type { Files } from "../lib/env.ts";
import { mutant } from "../lib/mutants.ts";
import { DataDirectoryError } from "./errors.ts";
import { brokerFenceKey, decodeBrokerFence } from "./keys/broker_fence.ts";
import type { Storage } from "./storage.ts";
import { inspectStoreFile } from "./store_file.ts";

const FILE = "meta.properties";

export interface StoreIdentity {
  readonly clusterId: string;
  readonly storeId: string;
  readonly brokerId: number;
  /** How many processes have served from it; 0 when a Kavka wrote it that did not count. */
  readonly startCount: number;
}

/** Null when the directory is new, or was last used by a Kavka that did not keep it. Throws `DataDirectoryError`. */
export async function readIdentity(files: Files, directory: string): Promise<StoreIdentity | null> {
  const path = pathOf(directory);
  if (!await files.exists(path)) return null;
  const properties = new Map<string, string>();
  for (const line of (await files.readText(path)).split("\n")) {
    const equals = line.indexOf("=");
    if (equals > 0 && !line.startsWith("#")) {
      properties.set(line.slice(0, equals).trim(), line.slice(equals + 1).trim());
    }
  }
  const clusterId = properties.get("cluster.id");
  const storeId = properties.get("directory.id");
  const brokerId = Number(properties.get("node.id"));
  // Cut short by a crash while it was written for the first time: it is written again.
  if (clusterId === undefined || storeId === undefined || !Number.isInteger(brokerId)) return null;
  const startCount = Number(properties.get("start.count") ?? 0);
  return { clusterId, storeId, brokerId, startCount: Number.isSafeInteger(startCount) ? startCount : 0 };
}

/** Before the store is opened, which would make what is not there. Throws `DataDirectoryError`. */
export async function checkStoreFile(files: Files, path: string, isKnown: boolean): Promise<void> {
  // Nothing to look at: memory, or a file that the store itself complains about.
  if (path === ":memory:") return;
  const state = await inspectStoreFile(files, path);
  if (typeof state === "object") {
    throw new DataDirectoryError(
      `Cannot use store "${path}": ${state.fault}; put back a backup of the whole data directory, or choose another with --data`,
    );
  }
  if (state === "absent" && isKnown) {
    throw new DataDirectoryError(
      `Cannot use store "${path}": it is not there any more, or empty, although this data directory had one; ` +
        "put it back, or choose another directory with --data",
    );
  }
}

/**
 * Whether the store, whose start count is that before this start, is the directory's. `known` is what the directory says of itself,
 * null for nothing. Throws `DataDirectoryError`.
 */
export function checkIdentity(
  directory: string,
  known: StoreIdentity | null,
  { clusterId, storeId, brokerId, startCount }: StoreIdentity,
): void {
  if (known === null || mutant("any-store")) return;
  if (known.clusterId !== clusterId || known.storeId !== storeId) {
    throw new DataDirectoryError(
      `Cannot use data directory "${directory}": it is of cluster ${known.clusterId}, its store is of another cluster, ` +
        `${clusterId}; put back the store that belongs to it, or choose another with --data`,
    );
  }
  if (known.brokerId !== brokerId) {
    throw new DataDirectoryError(
      `Cannot use data directory "${directory}": it is of broker ${known.brokerId}; start that one, ` +
        `or choose another with --data for --broker-id ${brokerId}`,
    );
  }
  if (startCount < known.startCount) {
    throw new DataDirectoryError(
      `Cannot use data directory "${directory}": its store is an older copy, from before the last start (${startCount} starts, ` +
        `the directory had ${known.startCount}); put back the newest, or a backup of the whole data directory`,
    );
  }
}

/** Keeps for the next start what this one found. */
export async function writeIdentity(
  files: Files,
  directory: string,
  { clusterId, storeId, brokerId, startCount }: StoreIdentity,
): Promise<void> {
  const lines = ["# Do not edit: whose this directory is", "version=1"];
  lines.push(`cluster.id=${clusterId}`, `node.id=${brokerId}`, `directory.id=${storeId}`);
  lines.push(`start.count=${startCount}`, "");
  await files.writeText(pathOf(directory), lines.join("\n"));
}

/** How often the broker's fence was taken until now. */
export async function startCountOf(storage: Storage, brokerId: number): Promise<number> {
  const fence = await storage.get(brokerFenceKey(brokerId));
  return fence === null ? 0 : decodeBrokerFence(fence.value).startCount;
}

function pathOf(directory: string): string {
  return directory.endsWith("/") ? directory + FILE : `${directory}/${FILE}`;
}
