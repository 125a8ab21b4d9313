/**
 * Plans one commit of compaction: from decisions about batches that follow each other to the mutations that put new index entries in
 * the place of old ones. Batches removed one behind the other become one hole. The boundary between what should stay and
 * where its bytes lie.
 */
import type { BatchDecision } from "../core/partition/compaction.ts";
import type { LogHead } from "../core/partition/log_head.ts";
import type { ProducerState } from "../core/partition/producer_state.ts";
import type { AbortedTransaction } from "../core/partition/transactions.ts";
import { invariant } from "../lib/invariant.ts";
import { mutant } from "../lib/mutants.ts";
import { readBatchHeader } from "../protocol/records/record_batch.ts";
import { addSizes, type CommitSize, emptyCommitSize, sizeOfMutations } from "./commit_size.ts";
import {
  BATCH_INDEX_OVERHEAD_BYTES,
  type BatchIndexEntry,
  type BatchPlace,
  encodeBatchIndex,
  type NewBatchIndexEntry,
} from "./keys/batch_index.ts";
import type { PartitionKeys } from "./keys/partition.ts";
import type { LocatedBatch } from "./log_reader.ts";
import type { TrimPlan } from "./log_trim.ts";
import type { Extent } from "./segment_writer.ts";
import type { Mutation, Storage } from "./storage.ts";
import { storedCrc } from "./stored_crc.ts";

/** What compaction needs of a log. */
export interface LogRewriter {
  readonly storage: Storage;
  readonly keys: PartitionKeys;
  readonly head: LogHead;
  /** The segment file that appends go to; null when there is none. */
  readonly currentFile: number | null;
  window(
    from: number,
    upTo: number,
    options: { readonly maxBytes: number; readonly maxCount: number },
  ): Promise<LocatedBatch[]>;
  abortedTransactions(from: number, upTo: number): Promise<AbortedTransaction[]>;
  producerState(producerId: number): Promise<ProducerState | null>;
  /** Whether one commit takes that much. */
  fits(size: CommitSize): boolean;
  /** Null when the bytes belong into the store. */
  writeExtent(bytes: Uint8Array): Promise<Extent | null>;
  /** Writes the pieces of a batch that the store takes only so; gives the attempt that names them. */
  writePieces(baseOffset: number, bytes: Uint8Array): Promise<string>;
}

/** A batch's new place in the index, once its bytes lie somewhere. */
interface Rewritten {
  readonly baseOffset: number;
  readonly old: BatchIndexEntry;
  readonly bytes: Uint8Array;
  readonly maxTimestamp: number;
  readonly deleteHorizonMs: number;
}

interface Hole {
  readonly baseOffset: number;
  readonly first: BatchIndexEntry;
  lastOffset: number;
  chainCrc: number;
  /** Whether this step changed it. */
  isNew: boolean;
}

/** At most this share of a commit is planned, so that a large batch at the end has room. */
const ROOM_SHARE = 2;
/** Of a place in an entry, with an attempt's name. */
const PLACE_BYTES_MAX = 64;
/** Of a piece's key beyond that of the entry. */
const PIECE_KEY_BYTES = 64;

export class RewritePlanner {
  readonly #log: LogRewriter;
  readonly #movesExtents: boolean;
  /** The hole that the last batch of the step before ended in: the next removed batch enlarges it. */
  #hole: Hole | null = null;
  #holes: Hole[] = [];
  #rewritten: Rewritten[] = [];
  #mutations: Mutation[] = [];
  #size: CommitSize = emptyCommitSize;
  /** At most what `end` adds to it, for the holes and the batches written anew. */
  #pendingSize: CommitSize = emptyCommitSize;
  #entryCount = 0;
  #upTo = 0;
  #freedEntries = 0;
  #freedBytes = new Map<number, number>();
  #freedSize = 0;

  /** `movesExtents`: batches in segment files are written anew even if they stay as they are, so that old files become free. */
  constructor(log: LogRewriter, { movesExtents }: { readonly movesExtents: boolean }) {
    this.#log = log;
    this.#movesExtents = movesExtents;
  }

  /** What lies before the next batch was deleted meanwhile. */
  forgetHole(): void {
    this.#hole = null;
  }

  begin(): void {
    this.#holes = [];
    this.#rewritten = [];
    this.#mutations = [];
    this.#size = emptyCommitSize;
    this.#pendingSize = emptyCommitSize;
    this.#entryCount = 0;
    this.#freedEntries = 0;
    this.#freedBytes = new Map();
    this.#freedSize = 0;
    if (this.#hole !== null) this.#hole.isNew = false;
  }

  /** Whether the step's commit has room for whatever becomes of the batch. Always true for the first one. */
  hasRoomFor({ baseOffset, entry }: LocatedBatch): boolean {
    if (this.#entryCount === 0) return true;
    const worst = addSizes(addSizes(this.#size, this.#pendingSize), this.#worstOf(baseOffset, entry));
    return this.#log.fits({
      bytes: worst.bytes * ROOM_SHARE,
      keyBytes: worst.keyBytes * ROOM_SHARE,
      mutations: worst.mutations * ROOM_SHARE,
      checks: worst.checks,
    });
  }

  /** False when the batch stays as it is, because no commit has room for what was decided. */
  add(located: LocatedBatch, decision: BatchDecision): boolean {
    const { baseOffset, entry, bytes } = located;
    this.#entryCount++;
    this.#upTo = entry.lastOffset + 1;
    if (bytes !== null && !this.#log.fits(this.#worstOf(baseOffset, entry))) {
      // More pieces than one commit deletes.
      this.#hole = null;
      return false;
    }
    if (decision.type === "remove") this.#remove(baseOffset, entry, bytes);
    else this.#keep(located, decision);
    return true;
  }

  #keep(
    { baseOffset, entry, bytes }: LocatedBatch,
    decision: Exclude<BatchDecision, { type: "remove" }>,
  ): void {
    this.#hole = null;
    invariant(bytes !== null, "A hole is never kept as a batch");
    const { deleteHorizonMs } = decision;
    if (decision.type === "replace") {
      const { maxTimestamp } = decision;
      // An emptied marker ends nothing: readers that hear of its transaction would take the producer's next one for it.
      if (!mutant("emptied-marker-told")) this.#dropMarker(baseOffset, bytes);
      return this.#rewrite({ baseOffset, old: entry, bytes: decision.bytes, maxTimestamp, deleteHorizonMs });
    }
    const { place, maxTimestamp } = entry;
    const isMoved = this.#movesExtents && place.kind === "extent" &&
      place.fileNumber !== this.#log.currentFile;
    if (isMoved) return this.#rewrite({ baseOffset, old: entry, bytes, maxTimestamp, deleteHorizonMs });
    if (deleteHorizonMs === entry.deleteHorizonMs) return;
    this.#set(baseOffset, { ...entry, deleteHorizonMs });
  }

  /** Writes the bytes that need a place; then the commit may name them. Null: nothing changes. */
  async end(): Promise<TrimPlan | null> {
    for (const hole of this.#holes) {
      const { first, baseOffset, lastOffset, chainCrc } = hole;
      this.#set(baseOffset, {
        ...first,
        lastOffset,
        maxTimestamp: -1,
        sizeBytes: 0,
        crc: 0,
        chainCrc,
        deleteHorizonMs: -1,
        appendedMs: -1,
        place: { kind: "hole" },
      });
    }
    const extents: { readonly extent: Extent; readonly sizeBytes: number }[] = [];
    // Together, so that they share the way to the disk.
    const places = await Promise.all(this.#rewritten.map((each) => this.#placeOf(each)));
    for (const [i, each] of this.#rewritten.entries()) {
      const { place, extent } = places[i] as { place: BatchPlace; extent: Extent | null };
      if (extent !== null) extents.push({ extent, sizeBytes: each.bytes.length });
      this.#setRewritten(each, place);
    }
    if (this.#mutations.length === 0) return null;
    return {
      mutations: this.#mutations,
      batchCount: this.#freedEntries,
      sizeBytes: this.#freedSize,
      freedBytes: this.#freedBytes,
      rewritten: { extents, upTo: this.#upTo },
    };
  }

  #remove(baseOffset: number, entry: BatchIndexEntry, bytes: Uint8Array | null): void {
    const hole = this.#hole;
    if (hole === null) {
      const isOld = bytes === null;
      const { lastOffset, chainCrc } = entry;
      this.#hole = { baseOffset, first: entry, lastOffset, chainCrc, isNew: !isOld };
      // A hole that nothing is added to stays as it is.
      if (isOld) return;
      this.#addHole(this.#hole);
    } else {
      this.#delete(this.#log.keys.index(baseOffset));
      this.#freedEntries++;
      hole.lastOffset = entry.lastOffset;
      hole.chainCrc = entry.chainCrc;
      if (!hole.isNew) this.#addHole(hole);
      hole.isNew = true;
    }
    this.#free(baseOffset, entry);
    if (bytes !== null) this.#dropMarker(baseOffset, bytes);
  }

  #addHole(hole: Hole): void {
    this.#holes.push(hole);
    this.#expectEntry(hole.baseOffset, 0);
  }

  /** An entry that `end` writes, with bytes in it, and a registration that it deletes. */
  #expectEntry(baseOffset: number, inlineBytes: number): void {
    const size = sizeOfMutations([{
      type: "set",
      key: this.#log.keys.index(baseOffset),
      value: new Uint8Array(),
    }]);
    this.#pendingSize = addSizes(this.#pendingSize, {
      bytes: size.bytes + BATCH_INDEX_OVERHEAD_BYTES + PLACE_BYTES_MAX + inlineBytes + size.keyBytes +
        PIECE_KEY_BYTES,
      keyBytes: 2 * size.keyBytes + PIECE_KEY_BYTES,
      mutations: 2,
      checks: 0,
    });
  }

  /** With its marker gone nobody needs to know of an aborted transaction; for other batches nothing happens. */
  #dropMarker(baseOffset: number, bytes: Uint8Array): void {
    const { isControl, producerId } = readBatchHeader(bytes);
    if (isControl) this.#delete(this.#log.keys.abortedTransaction(baseOffset, producerId));
  }

  #rewrite(rewritten: Rewritten): void {
    this.#rewritten.push(rewritten);
    const { valueBytesMax } = this.#log.storage.limits;
    this.#expectEntry(rewritten.baseOffset, Math.min(rewritten.bytes.length, valueBytesMax));
    this.#free(rewritten.baseOffset, rewritten.old);
    this.#freedSize -= rewritten.bytes.length;
  }

  async #placeOf(
    { baseOffset, bytes }: Rewritten,
  ): Promise<{ readonly place: BatchPlace; readonly extent: Extent | null }> {
    const extent = await this.#log.writeExtent(bytes);
    if (extent !== null) {
      const { file: { number }, position } = extent;
      return { place: { kind: "extent", fileNumber: number, position }, extent };
    }
    const chunkBytes = this.#log.storage.limits.valueBytesMax;
    if (bytes.length + BATCH_INDEX_OVERHEAD_BYTES <= chunkBytes) {
      return { place: { kind: "inline", bytes }, extent: null };
    }
    // Pieces of their own name: those of the batch as it was have the same offset.
    const attempt = await this.#log.writePieces(baseOffset, bytes);
    const chunkCount = Math.ceil(bytes.length / chunkBytes);
    return { place: { kind: "chunks", chunkBytes, chunkCount, attempt }, extent: null };
  }

  #setRewritten(
    { baseOffset, old, bytes, maxTimestamp, deleteHorizonMs }: Rewritten,
    place: BatchPlace,
  ): void {
    const crc = storedCrc(bytes);
    this.#set(baseOffset, { ...old, maxTimestamp, sizeBytes: bytes.length, crc, deleteHorizonMs, place });
    if (place.kind === "chunks") this.#delete(this.#log.keys.attempt(place.attempt));
  }

  /** Frees what the old entry named. */
  #free(baseOffset: number, { place, sizeBytes }: BatchIndexEntry): void {
    this.#freedSize += sizeBytes;
    if (place.kind === "extent") {
      this.#freedBytes.set(place.fileNumber, (this.#freedBytes.get(place.fileNumber) ?? 0) + sizeBytes);
    }
    for (let k = 0; place.kind === "chunks" && k < place.chunkCount; k++) {
      this.#delete(this.#log.keys.chunk(baseOffset, place.attempt, k));
    }
  }

  #set(baseOffset: number, entry: NewBatchIndexEntry): void {
    this.#push({ type: "set", key: this.#log.keys.index(baseOffset), value: encodeBatchIndex(entry) });
  }

  #delete(key: Mutation["key"]): void {
    this.#push({ type: "delete", key });
  }

  #push(mutation: Mutation): void {
    this.#mutations.push(mutation);
    this.#size = addSizes(this.#size, sizeOfMutations([mutation]));
  }

  /** Size of the mutations for one batch, whatever is decided: its bytes may be written into its entry. */
  #worstOf(baseOffset: number, { place, sizeBytes }: BatchIndexEntry): CommitSize {
    const key = this.#log.keys.index(baseOffset);
    const inlineBytes = Math.min(sizeBytes, this.#log.storage.limits.valueBytesMax);
    const size = sizeOfMutations([{ type: "set", key, value: new Uint8Array() }]);
    const pieces = place.kind === "chunks" ? place.chunkCount + 1 : 0;
    const pieceKey = size.keyBytes + PIECE_KEY_BYTES;
    return {
      bytes: size.bytes + inlineBytes + BATCH_INDEX_OVERHEAD_BYTES + PLACE_BYTES_MAX +
        (1 + pieces) * pieceKey,
      keyBytes: 2 * size.keyBytes + (1 + pieces) * pieceKey,
      mutations: 2 + pieces,
      checks: 0,
    };
  }
}
