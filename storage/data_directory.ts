/**
 * The data directory of an embedded store: made when absent, locked for one process, and of a layout that this program
 * knows. Whatever is wrong with it is one line that says what to do.
 */
import { encodeBase64 } from "../lib/base64.ts";
import type { Env } from "../lib/env.ts";
import { DataDirectoryError, StorageUnavailableError } from "./errors.ts";
import { decodeStoreMeta, encodeStoreMeta, type StoreMeta, storeMetaKey } from "./keys/store_meta.ts";
import { uuidBytes } from "./keys/uuid.ts";
import type { Storage } from "./storage.ts";

/** The arrangement of the database that this program writes, and the newest that it reads. */
export const LAYOUT_VERSION = 1;

const LOCK_FILE = "kavka.lock";
const STORE_FILE = "kavka.sqlite";
const SEGMENTS_DIRECTORY = "segments";

export interface DataDirectory {
  /** Where the embedded store goes, for `DenoKvStorage.open`. */
  readonly kvPath: string;
  /** Where the segment files go; made with the first of them. */
  readonly segmentsPath: string;
  /** Lets another process have the directory; idempotent. */
  release(): void;
}

/** Throws `DataDirectoryError`. */
export async function openDataDirectory(
  options: { readonly env: Env; readonly path: string },
): Promise<DataDirectory> {
  const { env, path } = options;
  const base = path.endsWith("/") ? path : `${path}/`;
  let lock: { release(): void } | null;
  try {
    await env.files.makeDirectory(path);
    lock = await env.files.lock(`${base}${LOCK_FILE}`);
  } catch (cause) {
    throw new DataDirectoryError(`Cannot use data directory "${path}": ${explain(cause)}`, { cause });
  }
  if (lock === null) {
    const holder = await holderOf(env, `${base}${LOCK_FILE}`);
    throw new DataDirectoryError(
      `Cannot use data directory "${path}": another Kavka uses it${holder}; stop it, or choose another with --data`,
    );
  }
  return {
    kvPath: `${base}${STORE_FILE}`,
    segmentsPath: `${base}${SEGMENTS_DIRECTORY}`,
    release: () => lock.release(),
  };
}

/**
 * What the store is; a new one gets its ids here. Throws `DataDirectoryError` when it was written by a newer Kavka,
 * `StorageUnavailableError`, `CorruptStorageError`.
 */
export async function openStoreMeta(
  options: { readonly env: Env; readonly storage: Storage },
): Promise<StoreMeta> {
  const { env, storage } = options;
  const found = await storage.get(storeMetaKey);
  if (found !== null) return checkLayout(decodeStoreMeta(found.value));
  const meta: StoreMeta = {
    layoutVersion: LAYOUT_VERSION,
    // Kafka's cluster ids look like this: 22 characters of base64.
    clusterId: base64Url(uuidBytes(env.uuid())),
    storeId: env.uuid(),
  };
  let cause: unknown = null;
  try {
    await storage.commit({
      checks: [{ key: storeMetaKey, versionstamp: null }],
      mutations: [{ type: "set", key: storeMetaKey, value: encodeStoreMeta(meta) }],
    });
  } catch (error) {
    cause = error;
  }
  // Whatever was answered: what is there now counts.
  const written = await storage.get(storeMetaKey);
  if (written === null) throw new StorageUnavailableError("Cannot write store meta", { cause });
  return checkLayout(decodeStoreMeta(written.value));
}

function checkLayout(meta: StoreMeta): StoreMeta {
  if (meta.layoutVersion > LAYOUT_VERSION) {
    throw new DataDirectoryError(
      `Cannot use store: its layout is version ${meta.layoutVersion} and this Kavka knows ${LAYOUT_VERSION}; ` +
        "run the newer Kavka that wrote it, or choose another directory with --data",
    );
  }
  return meta;
}

function explain(cause: unknown): string {
  const name = cause instanceof Error ? cause.name : "";
  const message = cause instanceof Error ? cause.message : String(cause);
  switch (name) {
    case "PermissionDenied":
      return "permission denied; give this user write access, or choose another with --data";
    case "NotCapable":
      return "Deno was not allowed to; run it with --allow-read and --allow-write for it";
    case "AlreadyExists":
    case "NotADirectory":
      return "a file is in the way; remove it, or choose another with --data";
    case "FilesystemLoop":
    case "NotFound":
      return `${message}; choose another with --data`;
    default:
      return message;
  }
}

async function holderOf(env: Env, lockPath: string): Promise<string> {
  try {
    const processId = (await env.files.readText(lockPath)).trim();
    return /^\d+$/.test(processId) ? ` (process ${processId})` : "";
  } catch {
    // Who holds it is only a courtesy.
    return "";
  }
}

function base64Url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
