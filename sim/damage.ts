/**
 * Bits that flip at rest, in stored values of every family and in segment files. The broker has no second copy, so what is
 * asked of it is to notice: damage is an error, never served and never passed over. What is damaged is repaired after a
 * while, as if a disk were read right again, or at the latest when the world heals; only where a workload can read around
 * damaged batches do these stay as they are, to the end of the workload.
 */
import type { KvKey } from "../lib/env.ts";
import { decodeBatchIndex } from "../storage/keys/batch_index.ts";
import { FAMILY } from "../storage/keys/keyspace.ts";
import { baseOffsetOfKey, partitionOfKey } from "../storage/keys/partition.ts";
import type { Inode } from "../storage/disk_model.ts";
import { compareKeys } from "../storage/key_order.ts";
import { decodeTopic, topicIdOfKey, topicsPrefix } from "../storage/keys/topic.ts";
import type { HistoryLine } from "./checker/history_format.ts";
import type { FaultLog } from "./fault_log.ts";
import type { Rng } from "./rng.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimDisk } from "./sim_files.ts";
import type { SimStore, StoredRow } from "./sim_kv.ts";
import { extentPath, isSegmentFile } from "./store_invariants.ts";

/** Of what is repaired before the world heals. */
const REPAIR_MS_MAX = 20_000;
/** Batches that are damaged for good in one run: so many that the rest of the log is still the rule. */
const KEPT_COUNT_MAX = 4;

export interface DamageOptions {
  readonly scheduler: Scheduler;
  readonly rng: Rng;
  readonly faultLog: FaultLog;
  readonly store: SimStore;
  readonly disk: SimDisk;
  /** Whether damaged batches stay so, because the workload can read around them. */
  readonly keepsBatches: boolean;
}

/** Offsets of one batch, under the partition's name as clients know it. */
export interface DamagedBatch {
  readonly partition: string;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

export class Damage {
  readonly #options: DamageOptions;
  readonly #keptRows: KvKey[] = [];
  readonly #keptInFiles = new Map<Inode, Set<number>>();
  #keptCount = 0;

  constructor(options: DamageOptions) {
    this.#options = options;
  }

  /** Flips one bit somewhere. */
  flip(): void {
    const { rng, store, disk, faultLog, scheduler, keepsBatches } = this.#options;
    const random = () => rng.next();
    const files = disk.model.paths.filter(isSegmentFile);
    if (files.length > 0 && rng.chance(0.4)) {
      const mayKeep = keepsBatches && this.#keptCount < KEPT_COUNT_MAX;
      const inode = disk.model.open(rng.pick(files));
      const at = inode.flipBit(random);
      if (at === null) return;
      faultLog.count(mayKeep ? "bitFlipKept" : "bitFlipFile");
      if (!mayKeep) {
        scheduler.schedule(rng.logBetween(100, REPAIR_MS_MAX), null, "repair", () => inode.repair(at));
        return;
      }
      this.#keptCount++;
      this.#keptInFiles.set(inode, (this.#keptInFiles.get(inode) ?? new Set()).add(at));
      return;
    }
    // Each family as often as any other, or there would be nothing but batches.
    const families = Map.groupBy(store.rows(), familyOf);
    if (families.size === 0) return;
    const row = rng.pick(families.get(rng.pick([...families.keys()])) ?? []);
    const isKept = keepsBatches && isOfBatch(row) && this.#keptCount < KEPT_COUNT_MAX;
    if (!store.flipBit(row.key, random)) return;
    faultLog.count(isKept ? "bitFlipKept" : "bitFlipStored");
    if (isKept) {
      this.#keptCount++;
      this.#keptRows.push(row.key);
      return;
    }
    const { versionstamp } = row;
    scheduler.schedule(rng.logBetween(100, REPAIR_MS_MAX), null, "repair", () => {
      store.repair((each) => each.versionstamp === versionstamp && compareKeys(each.key, row.key) === 0);
    });
  }

  /** The world heals: what stays is damaged for good. */
  heal(): void {
    const { store, disk } = this.#options;
    store.repair((row) => !this.#keptRows.some((key) => compareKeys(key, row.key) === 0));
    for (const path of disk.model.paths) {
      const inode = disk.model.open(path);
      for (const at of inode.flippedPositions) {
        if (this.#keptInFiles.get(inode)?.has(at) !== true) inode.repair(at);
      }
    }
  }

  /** Before everything is looked at once more. */
  repairAll(): void {
    const { store, disk } = this.#options;
    store.repair();
    for (const path of disk.model.paths) disk.model.open(path).repair();
  }

  /** What cannot be read now. */
  batches(): DamagedBatch[] {
    const { store, disk } = this.#options;
    const names = topicNames(store);
    const damaged: DamagedBatch[] = [];
    const pieces = new Set<string>();
    for (const { key, damaged } of store.rows()) {
      if (damaged !== undefined && familyOf({ key }) === "p c") pieces.add(key.slice(1, 6).join(" "));
    }
    for (const { key, value, damaged: shown } of store.rows()) {
      if (familyOf({ key }) !== "p i") continue;
      const { lastOffset, place, sizeBytes } = decodeBatchIndex(value);
      const { topicId, partition } = partitionOfKey(key);
      const from = baseOffsetOfKey(key);
      let isDamaged = shown !== undefined;
      if (place.kind === "chunks") {
        isDamaged ||= pieces.has([key[1], key[2], "c", from, place.attempt].join(" "));
      }
      if (place.kind === "extent") {
        const path = extentPath(store, key, place.fileNumber);
        const flipped = path === null ? [] : disk.model.find(path)?.flippedPositions ?? [];
        isDamaged ||= flipped.some((at) => at >= place.position && at < place.position + sizeBytes);
      }
      if (isDamaged) {
        damaged.push({
          partition: `${names.get(topicId) ?? topicId}/${partition}`,
          from,
          to: lastOffset + 1,
        });
      }
    }
    return damaged;
  }
}

/** What clients were refused as damaged although it was not; null when all was right. */
export function falseDamage(
  lines: readonly HistoryLine[],
  batches: readonly DamagedBatch[],
): string | null {
  for (const line of lines) {
    if (line.kind !== "damaged") continue;
    for (let offset = line.from; offset < line.to; offset++) {
      const isDamaged = batches.some(({ partition, from, to }) =>
        partition === line.partition && from <= offset && offset < to
      );
      if (!isDamaged) return `${line.partition}: offset ${offset} cannot be read, although it is whole`;
    }
  }
  return null;
}

function topicNames(store: SimStore): Map<string, string> {
  const names = new Map<string, string>();
  for (const { key, value } of store.rows()) {
    if (key[0] !== FAMILY.metadata || key[1] !== topicsPrefix[1]) continue;
    names.set(topicIdOfKey(key), decodeTopic(value).name);
  }
  return names;
}

/** The kind of a key, as `keyspace.ts` lists them. */
function familyOf({ key }: Pick<StoredRow, "key">): string {
  const [family, second, , fourth] = key;
  if (family === FAMILY.partition) return `p ${String(fourth)}`;
  return `${String(family)} ${typeof second === "string" ? second : ""}`;
}

function isOfBatch(row: StoredRow): boolean {
  const family = familyOf(row);
  return family === "p i" || family === "p c";
}
