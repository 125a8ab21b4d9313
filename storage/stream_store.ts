/**
 * Streams in the store: the registry (all streams under one head, kept in memory by its actor), and snapshots of the
 * writers' states, so that opening a stream reads a bounded part of its log. The boundary between `core/stream` and keys.
 */
import type { StreamRecord } from "../core/stream/stream_record.ts";
import { concat } from "../lib/bytes.ts";
import { invariant } from "../lib/invariant.ts";
import { CorruptStorageError } from "./errors.ts";
import { splitIntoChunks } from "./keys/chunk.ts";
import { below } from "./keys/keyspace.ts";
import { decodeShardHead } from "./keys/shard_head.ts";
import {
  decodeSnapshotHead,
  decodeStreamRecord,
  decodeWriterSnapshot,
  encodeSnapshotHead,
  encodeStreamRecord,
  encodeWriterSnapshot,
  streamGarbageKey,
  streamGarbagePrefix,
  streamGarbageValue,
  streamIdOfGarbageKey,
  streamRecordKey,
  streamRecordsPrefix,
  streamRegistryHeadKey,
  writerHeadKey,
  writerPieceKey,
  writerPrefix,
  type WriterSnapshot,
} from "./keys/stream.ts";
import { scan } from "./scan.ts";
import type { Shard, ShardStore } from "./shard.ts";
import type { Mutation, StoredEntry } from "./storage.ts";

/** One change of the registry. */
export type StreamChange =
  | { readonly type: "put"; readonly record: StreamRecord }
  | { readonly type: "remove"; readonly path: string }
  /** The stream's data is nobody's and must be deleted, also after a crash. */
  | { readonly type: "addGarbage"; readonly streamId: string }
  | { readonly type: "removeGarbage"; readonly streamId: string };

/** The registry's shard. One writer. */
export class StreamStore {
  readonly records: readonly StreamRecord[];
  /** Ids of streams whose data is still to be deleted. */
  readonly garbage: readonly string[];
  readonly #shard: Shard;

  private constructor(shard: Shard, records: readonly StreamRecord[], garbage: readonly string[]) {
    this.#shard = shard;
    this.records = records;
    this.garbage = garbage;
  }

  /** Fences older writers and reads everything. Throws what `openShard` throws, and `CorruptStorageError`. */
  static async open(shards: ShardStore): Promise<StreamStore> {
    const shard = await shards.openShard(streamRegistryHeadKey);
    const records: StreamRecord[] = [];
    for await (const { key, value } of scan(shards.storage, below(streamRecordsPrefix))) {
      records.push(decodeStreamRecord(key[2] as string, value));
    }
    const garbage: string[] = [];
    for await (const { key } of scan(shards.storage, below(streamGarbagePrefix))) {
      garbage.push(streamIdOfGarbageKey(key));
    }
    return new StreamStore(shard, records, garbage);
  }

  /** One atomic commit. Throws `FencedError`, `StorageUnavailableError`. */
  async commit(changes: readonly StreamChange[]): Promise<void> {
    await this.#shard.commit({ mutations: changes.map(mutationOf) });
  }

  close(): void {
    this.#shard.close();
  }
}

function mutationOf(change: StreamChange): Mutation {
  switch (change.type) {
    case "put":
      return {
        type: "set",
        key: streamRecordKey(change.record.path),
        value: encodeStreamRecord(change.record),
      };
    case "remove":
      return { type: "delete", key: streamRecordKey(change.path) };
    case "addGarbage":
      return { type: "set", key: streamGarbageKey(change.streamId), value: streamGarbageValue };
    case "removeGarbage":
      return { type: "delete", key: streamGarbageKey(change.streamId) };
  }
}

/** The writer state of one stream up to an offset of its log. */
export interface StoredWriterSnapshot extends WriterSnapshot {
  readonly offset: number;
}

/** Snapshots of one stream; its actor is the only writer. */
export class WriterSnapshots {
  readonly #shards: ShardStore;
  readonly #streamId: string;
  #shard: Shard | null = null;
  #pieceCount = 0;

  constructor(shards: ShardStore, streamId: string) {
    this.#shards = shards;
    this.#streamId = streamId;
  }

  /** Null for a stream that is too young for one. Throws `CorruptStorageError`. */
  async load(): Promise<StoredWriterSnapshot | null> {
    const { storage } = this.#shards;
    const found = await storage.get(writerHeadKey(this.#streamId));
    const payload = found === null ? null : decodeShardHead(found.value).payload;
    if (payload === null) return null;
    const { offset, pieceCount } = decodeSnapshotHead(payload);
    const keys = Array.from({ length: pieceCount }, (_, k) => writerPieceKey(this.#streamId, k));
    const pieces = (await storage.getMany(keys)).filter((piece): piece is StoredEntry => piece !== null);
    if (pieces.length !== pieceCount) {
      throw new CorruptStorageError(
        `Cannot read the snapshot of stream ${this.#streamId}: pieces are missing`,
      );
    }
    this.#pieceCount = pieceCount;
    return { ...decodeWriterSnapshot(concat(pieces.map(({ value }) => value))), offset };
  }

  /** Replaces the snapshot in one commit. Throws `FencedError`, `StorageUnavailableError`. */
  async save({ offset, ...snapshot }: StoredWriterSnapshot): Promise<void> {
    const { limits } = this.#shards.storage;
    const pieces = splitIntoChunks(encodeWriterSnapshot(snapshot), limits.valueBytesMax);
    invariant(pieces.length <= limits.getManyMax, "A snapshot is read back in one go");
    const mutations: Mutation[] = pieces.map((value, k) => ({
      type: "set",
      key: writerPieceKey(this.#streamId, k),
      value,
    }));
    for (let k = pieces.length; k < this.#pieceCount; k++) {
      mutations.push({ type: "delete", key: writerPieceKey(this.#streamId, k) });
    }
    this.#shard ??= await this.#shards.openShard(writerHeadKey(this.#streamId));
    await this.#shard.commit({
      mutations,
      payload: encodeSnapshotHead({ offset, pieceCount: pieces.length }),
    });
    this.#pieceCount = pieces.length;
  }

  close(): void {
    this.#shard?.close();
    this.#shard = null;
  }
}

/** Deletes a stream's snapshot; the topic with its data goes another way. May be repeated. */
export async function removeWriterSnapshot(shards: ShardStore, streamId: string): Promise<void> {
  const mutations: Mutation[] = [];
  for await (const { key } of scan(shards.storage, below(writerPrefix(streamId)))) {
    mutations.push({ type: "delete", key });
  }
  if (mutations.length > 0) await shards.commitLoose(mutations);
}
