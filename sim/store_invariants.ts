/**
 * What must hold of the store itself, whoever wrote it: judged at every commit that is applied, and over all rows at the
 * end. It reads the stored bytes, not the broker's opinion of them.
 */
import type { KvKey } from "../lib/env.ts";
import { type BatchIndexEntry, type BatchPlace, decodeBatchIndex } from "../storage/keys/batch_index.ts";
import { FAMILY } from "../storage/keys/keyspace.ts";
import { decodeLogHead, type LogHeadPayload } from "../storage/keys/log_head.ts";
import { baseOffsetOfKey, partitionOfKey } from "../storage/keys/partition.ts";
import { decodeShardHead } from "../storage/keys/shard_head.ts";
import { decodeTopic, topicIdOfKey, topicsPrefix } from "../storage/keys/topic.ts";
import { uuidBytes } from "../storage/keys/uuid.ts";
import { fileName, type SegmentName } from "../storage/segments.ts";
import { storedCrc } from "../storage/stored_crc.ts";
import { DATA_DIRECTORY, type SimDisk } from "./sim_files.ts";
import type { RowChange, SimStore, StoredRow } from "./sim_kv.ts";

/** A stored state that no correct broker leaves behind. */
export class StoreViolation extends Error {
  override readonly name = "StoreViolation";
}

/** Watches a store; throws `StoreViolation` from within the commit that breaks something. */
export class StoreInvariants {
  readonly #store: SimStore;
  readonly #disk: SimDisk;
  /** By path, the parts of it that were ever named. */
  readonly #named = new Map<string, (readonly [start: number, end: number])[]>();
  /** The process that took the broker fence last. */
  #holder: string | null = null;

  constructor(store: SimStore, disk: SimDisk) {
    this.#store = store;
    this.#disk = disk;
  }

  /** For `SimDisk.onRemove`: no batch may lie in a file that goes. */
  checkRemoval(path: string): void {
    const owner = ownerOfSegment(path);
    if (owner === null) return;
    const prefix = [FAMILY.partition, uuidBytes(owner.topicId), owner.partition];
    const head = payloadOf(this.#store.get([...prefix, "h"])?.value ?? null);
    if (head?.state !== "live") return;
    const file = head.writer.files.find((each) => pathOf(owner, each) === path);
    if (file === undefined) return;
    for (const { key, value } of this.#store.page([...prefix, "i"], [...prefix, "j"], Infinity, false)) {
      const { place } = decodeBatchIndex(value);
      if (place.kind !== "extent" || place.fileNumber !== file.number) continue;
      throw new StoreViolation(
        `${path} was removed although the batch at ${baseOffsetOfKey(key)} lies in it`,
      );
    }
  }

  /** For `SimStore.onApplied`. */
  check(writer: string, changes: readonly RowChange[]): void {
    if (changes.some(({ key }) => key[0] === FAMILY.brokerFence)) this.#holder = writer;
    const isOwned = changes.some(({ key }) => key[0] !== FAMILY.brokerFence && key[0] !== FAMILY.storeMeta);
    if (isOwned && this.#holder !== writer) {
      throw new StoreViolation(
        `${writer} has written although ${this.#holder ?? "nobody"} holds the broker fence`,
      );
    }
    const byPartition = Map.groupBy(
      changes.filter(({ key }) => key[0] === FAMILY.partition),
      ({ key }) => nameOf(key),
    );
    for (const [name, each] of byPartition) this.#checkPartition(name, each);
  }

  #checkPartition(name: string, changes: readonly RowChange[]): void {
    const head = changes.find(({ key }) => key[3] === "h");
    const before = head === undefined ? this.#headOf(changes) : payloadOf(head.before);
    const after = head === undefined ? before : payloadOf(head.after);
    if (before?.state === "deleted" && after?.state === "live") {
      throw new StoreViolation(`${name}: a deleted partition lives again`);
    }
    if (before?.state === "live" && after === null) {
      throw new StoreViolation(`${name}: the head was removed while the partition was live`);
    }
    let logEnd = before?.state === "live" ? before.head.logEndOffset : 0;
    if (before?.state === "live" && after?.state === "live") {
      const { logStartOffset } = before.head;
      if (after.head.logEndOffset < logEnd) {
        throw new StoreViolation(`${name}: the log end fell from ${logEnd} to ${after.head.logEndOffset}`);
      }
      if (after.head.logStartOffset < logStartOffset) {
        throw new StoreViolation(
          `${name}: the log start fell from ${logStartOffset} to ${after.head.logStartOffset}`,
        );
      }
    }
    const entries = changes.filter(({ key }) => key[3] === "i")
      .toSorted((a, b) => baseOffsetOfKey(a.key) - baseOffsetOfKey(b.key));
    const placed: Placed[] = [];
    for (const entry of entries) {
      const baseOffset = baseOffsetOfKey(entry.key);
      if (entry.after === null) {
        if (after?.state === "live" && baseOffset >= after.head.logStartOffset) {
          this.#checkRemoval(name, entry, entries);
        }
        continue;
      }
      const decoded = decodeBatchIndex(entry.after);
      if (entry.before !== null) this.#checkRewrite(name, entry.key, decodeBatchIndex(entry.before), decoded);
      else {
        if (baseOffset !== logEnd) {
          throw new StoreViolation(
            `${name}: a batch at ${baseOffset} although the log ended at ${logEnd}`,
          );
        }
        logEnd = decoded.lastOffset + 1;
      }
      const { place } = decoded;
      const old = entry.before === null ? null : decodeBatchIndex(entry.before).place;
      if (!isSamePlace(place, old)) placed.push({ key: entry.key, entry: decoded });
      for (let k = 0; place.kind === "chunks" && k < place.chunkCount; k++) {
        if (this.#store.get([...entry.key.slice(0, 3), "c", baseOffset, place.attempt, k]) !== null) continue;
        throw new StoreViolation(`${name}: the batch at ${baseOffset} exists before its piece ${k}`);
      }
    }
    for (const { key, entry } of placed) {
      const { place, sizeBytes, crc } = entry;
      if (place.kind === "extent") this.#checkExtent(name, key, after, { ...place, sizeBytes, crc });
    }
    if (after?.state === "live" && after.head.logEndOffset !== logEnd) {
      throw new StoreViolation(
        `${name}: the head says the log ends at ${after.head.logEndOffset}, its batches end at ${logEnd}`,
      );
    }
  }

  /** Above the log start an entry only goes because a hole takes its place in the same commit. */
  #checkRemoval(name: string, removed: RowChange, entries: readonly RowChange[]): void {
    const baseOffset = baseOffsetOfKey(removed.key);
    const isCovered = entries.some(({ key, after }) => {
      if (after === null || baseOffsetOfKey(key) >= baseOffset) return false;
      const { place, lastOffset } = decodeBatchIndex(after);
      const last = removed.before === null ? baseOffset : decodeBatchIndex(removed.before).lastOffset;
      return place.kind === "hole" && lastOffset >= last;
    });
    if (!isCovered) {
      throw new StoreViolation(`${name}: the batch at ${baseOffset} was deleted above the log start`);
    }
  }

  /** Compaction replaces an entry by one that stands for the same offsets, or by a hole that reaches as far as the next one. */
  #checkRewrite(name: string, key: KvKey, before: BatchIndexEntry, after: BatchIndexEntry): void {
    const what = `${name}: the batch at ${baseOffsetOfKey(key)}`;
    const isHole = after.place.kind === "hole";
    if (isHole ? after.lastOffset < before.lastOffset : after.lastOffset !== before.lastOffset) {
      throw new StoreViolation(`${what} was overwritten by one up to ${after.lastOffset}`);
    }
    if (before.place.kind === "hole" && !isHole) throw new StoreViolation(`${what} came back from a hole`);
    const isChained = after.previousCrc === before.previousCrc &&
      (isHole || after.chainCrc === before.chainCrc);
    if (!isChained) throw new StoreViolation(`${what} was overwritten by one of another chain`);
    const prefix = key.slice(0, 4);
    const end = [...prefix.slice(0, 3), "j"];
    const [next] = this.#store.page([...prefix, baseOffsetOfKey(key) + 1], end, 1, false);
    if (next === undefined) return;
    const follows = baseOffsetOfKey(next.key) === after.lastOffset + 1 &&
      decodeBatchIndex(next.value).previousCrc === after.chainCrc;
    if (!follows) {
      throw new StoreViolation(
        `${what} was rewritten, and the batch at ${baseOffsetOfKey(next.key)} lost touch`,
      );
    }
  }

  /** What a commit names must be on the disk by then, name and bytes, where nothing was named before. */
  #checkExtent(
    name: string,
    key: KvKey,
    head: LogHeadPayload | null,
    extent: { fileNumber: number; position: number; sizeBytes: number; crc: number },
  ): void {
    const { fileNumber, position, sizeBytes, crc } = extent;
    const what = `${name}: the batch at ${baseOffsetOfKey(key)}`;
    const file = head?.state === "live"
      ? head.writer.files.find((each) => each.number === fileNumber)
      : undefined;
    if (file === undefined) {
      throw new StoreViolation(`${what} names file ${fileNumber}, which the head does not`);
    }
    const path = pathOf(partitionOfKey(key), file);
    const { model } = this.#disk;
    const inode = model.find(path);
    if (inode === null || !model.isDurable(path)) {
      throw new StoreViolation(`${what} names ${path}, whose name is not on the disk`);
    }
    if (!inode.isSynced(position, sizeBytes)) {
      throw new StoreViolation(`${what} names bytes of ${path} that are not on the disk`);
    }
    if (storedCrc(inode.bytes.slice(position, position + sizeBytes)) !== crc) {
      throw new StoreViolation(`${what} names other bytes of ${path} than its own`);
    }
    const named = this.#named.get(path) ?? [];
    const end = position + sizeBytes;
    const again = named.findLast((part) => part[0] < end && position < part[1]);
    if (again !== undefined) {
      throw new StoreViolation(`${what} uses position ${position} of ${path} again, below ${again[1]}`);
    }
    this.#named.set(path, named);
    named.push([position, end]);
  }

  #headOf(changes: readonly RowChange[]): LogHeadPayload | null {
    const [, topicId, partition] = changes[0]?.key ?? [];
    if (topicId === undefined || partition === undefined) return null;
    const row = this.#store.get([FAMILY.partition, topicId, partition, "h"]);
    return payloadOf(row?.value ?? null);
  }
}

/** An entry whose bytes a commit put somewhere. */
interface Placed {
  readonly key: KvKey;
  readonly entry: BatchIndexEntry;
}

function isSamePlace(a: BatchPlace, b: BatchPlace | null): boolean {
  return a.kind === "extent" && b?.kind === "extent" && a.fileNumber === b.fileNumber &&
    a.position === b.position;
}

export function isSegmentFile(path: string): boolean {
  return ownerOfSegment(path) !== null;
}

/** Where the file of a batch's extent lies; null when the head does not name it. `key` is of the index entry. */
export function extentPath(store: SimStore, key: KvKey, fileNumber: number): string | null {
  const head = payloadOf(store.get([...key.slice(0, 3), "h"])?.value ?? null);
  const file = head?.state === "live"
    ? head.writer.files.find((each) => each.number === fileNumber)
    : undefined;
  return file === undefined ? null : pathOf(partitionOfKey(key), file);
}

/** The partition whose segment file a path is; null for other files. */
function ownerOfSegment(path: string): { topicId: string; partition: number } | null {
  const match = /^\/data\/segments\/([0-9a-f-]{36})-(\d+)\//.exec(path);
  return match === null ? null : { topicId: match[1] ?? "", partition: Number(match[2]) };
}

function pathOf({ topicId, partition }: { topicId: string; partition: number }, file: SegmentName): string {
  return `${DATA_DIRECTORY}/segments/${topicId}-${partition}/${fileName(file)}`;
}

function payloadOf(value: Uint8Array | null): LogHeadPayload | null {
  return value === null ? null : decodeLogHead(decodeShardHead(value).payload);
}

function nameOf(key: KvKey): string {
  const { topicId, partition } = partitionOfKey(key);
  return `partition ${topicId}/${partition}`;
}

/** Ids of topics whose deletion is not complete: still marked, or with data although the topic is gone. */
export function unfinishedDeletions(store: SimStore): string[] {
  const { live, deleting, withData } = topicsOf(store);
  const orphans = [...withData].filter((topicId) => !live.has(topicId));
  return [...new Set([...deleting, ...orphans])];
}

function topicsOf(store: SimStore): Record<"live" | "deleting" | "withData", Set<string>> {
  const topics = { live: new Set<string>(), deleting: new Set<string>(), withData: new Set<string>() };
  for (const { key, value } of store.rows()) {
    if (key[0] === FAMILY.metadata && key[1] === topicsPrefix[1]) {
      const { state } = decodeTopic(value);
      topics[state === "DELETING" ? "deleting" : "live"].add(topicIdOfKey(key));
    }
    if (key[0] === FAMILY.partition) topics.withData.add(partitionOfKey(key).topicId);
  }
  return topics;
}

/**
 * Everything about the partitions at rest: heads, continuity, the CRC chain, nothing left over. Throws `StoreViolation`.
 */
export function checkRestingStore(store: SimStore, disk: SimDisk): void {
  const left = unfinishedDeletions(store);
  if (left.length > 0) throw new StoreViolation(`Data of topics that are gone: ${left.join(", ")}`);
  const { live } = topicsOf(store);
  const rows = store.rows().filter(({ key }) =>
    key[0] === FAMILY.partition && live.has(partitionOfKey(key).topicId)
  );
  for (const [name, own] of Map.groupBy(rows, ({ key }) => nameOf(key))) checkRestingPartition(name, own);
  checkRestingFiles(store, disk);
}

/** Every file is named by a head, and each head's files are there and as full as it says. */
function checkRestingFiles(store: SimStore, disk: SimDisk): void {
  const left = new Set(disk.model.paths.filter((path) => ownerOfSegment(path) !== null));
  for (const { key, value } of store.rows()) {
    if (key[0] !== FAMILY.partition || key[3] !== "h") continue;
    const head = payloadOf(value);
    if (head?.state !== "live") continue;
    for (const file of head.writer.files) {
      const path = pathOf(partitionOfKey(key), file);
      if (!left.delete(path)) throw new StoreViolation(`${nameOf(key)}: ${path} is missing`);
    }
  }
  const [path] = left;
  if (path !== undefined) throw new StoreViolation(`${left.size} segment files that no head names: ${path}`);
}

function checkRestingPartition(name: string, rows: readonly StoredRow[]): void {
  const head = payloadOf(rows.find(({ key }) => key[3] === "h")?.value ?? null);
  if (head === null) throw new StoreViolation(`${name}: rows without a head`);
  if (head.state === "deleted") return;
  const chunks = new Set(rows.filter(({ key }) => key[3] === "c").map(({ key }) => key.slice(4).join(" ")));
  let next: number | null = null;
  let previousCrc: number | null = null;
  let sizeBytes = 0;
  const liveBytes = new Map<number, number>();
  for (const { key, value } of rows.filter((row) => row.key[3] === "i")) {
    const baseOffset = baseOffsetOfKey(key);
    const entry = decodeBatchIndex(value);
    sizeBytes += entry.sizeBytes;
    if (entry.place.kind === "extent") {
      const { fileNumber } = entry.place;
      liveBytes.set(fileNumber, (liveBytes.get(fileNumber) ?? 0) + entry.sizeBytes);
    }
    if (next !== null && baseOffset !== next) {
      throw new StoreViolation(`${name}: after offset ${next - 1} comes a batch at ${baseOffset}`);
    }
    if (previousCrc !== null && entry.previousCrc !== previousCrc) {
      throw new StoreViolation(`${name}: the chain of CRCs breaks at ${baseOffset}`);
    }
    next = entry.lastOffset + 1;
    previousCrc = entry.chainCrc;
    if (entry.place.kind !== "chunks") continue;
    for (let k = 0; k < entry.place.chunkCount; k++) {
      const chunk = `${baseOffset} ${entry.place.attempt} ${k}`;
      const isThere = chunks.delete(chunk);
      // Of a batch that is being deleted some pieces may be gone.
      if (!isThere && entry.lastOffset >= head.head.logStartOffset) {
        throw new StoreViolation(`${name}: piece ${chunk} is missing`);
      }
    }
  }
  if (next !== null && next !== head.head.logEndOffset) {
    throw new StoreViolation(`${name}: the batches end at ${next}, the head says ${head.head.logEndOffset}`);
  }
  if (head.head.sizeBytes !== sizeBytes) {
    throw new StoreViolation(
      `${name}: the head says ${head.head.sizeBytes} bytes, its batches have ${sizeBytes}`,
    );
  }
  for (const file of head.writer.files) {
    if (file.liveBytes === (liveBytes.get(file.number) ?? 0)) continue;
    throw new StoreViolation(
      `${name}: the head says ${file.liveBytes} bytes of file ${file.number} are named, not ${
        liveBytes.get(file.number) ?? 0
      }`,
    );
  }
  const [left] = chunks;
  if (left !== undefined) {
    throw new StoreViolation(`${name}: ${chunks.size} pieces that no batch names: ${left}`);
  }
  const attempts = rows.filter(({ key }) => key[3] === "o");
  if (attempts.length > 0) throw new StoreViolation(`${name}: ${attempts.length} attempts were never swept`);
}
