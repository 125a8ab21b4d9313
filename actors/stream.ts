/**
 * The stream actor (`stream/<streamId>`): the writer of one durable stream. It decides with `core/stream/writer_state.ts` and
 * appends through the partition's actor; what it must remember is noted on the records, so one commit holds both, and the state
 * is read back from the log behind the last snapshot.
 *
 * Appends that arrive while one is on its way go into the next batch. When an append fails nothing behind it is sent, and the
 * actor begins anew from the log: a later request must not overtake an earlier one of the same producer.
 */
import { limits } from "../core/config/limits.ts";
import { decodeNote, encodeNote, type RecordNote } from "../core/stream/record_note.ts";
import {
  applyNote,
  decideStreamAppend,
  emptyWriterState,
  type WriterState,
} from "../core/stream/writer_state.ts";
import {
  buildBatch,
  iterateRecords,
  type KafkaRecord,
  readBatchHeader,
  type RecordInput,
} from "../protocol/records/record_batch.ts";
import type { ShardStore } from "../storage/shard.ts";
import { type StoredWriterSnapshot, WriterSnapshots } from "../storage/stream_store.ts";
import { PARTITION_KIND } from "./kinds.ts";
import type { PartitionMessage } from "./messages/partition.ts";
import type { AppendToStream, StreamAppendResult, StreamMessage } from "./messages/stream.ts";
import { partitionKey } from "./partition.ts";
import type { ActorContext, ActorHost, ActorKind, ActorRef, Reply } from "./runtime/types.ts";

export const STREAM_KIND = "stream";

/** Content of the records of one batch, unless one append alone is larger. */
const BATCH_BYTES_MAX = 1_048_576;
/** What is read back at once. */
const REPLAY_BYTES = 4 * 1_048_576;
/** Room for headers and framing around the largest body. */
const LARGEST_BATCH_BYTES = limits.httpBodyBytesMax + 16 * 1_048_576;

export interface StreamKindOptions {
  readonly shards: ShardStore;
  /** Records behind the last snapshot after which a new one is taken. */
  readonly snapshotRecords?: number;
}

/** One append, decided and not yet durable. */
interface StagedAppend {
  readonly values: readonly Uint8Array[];
  /** Null: nothing to append, the answer only waits for what was staged before it. */
  readonly note: RecordNote | null;
  readonly settle: (tail: number) => void;
}

/** The state at an offset of the log; `closedTail` is where the data of a closed stream ends. */
interface WriterImage {
  readonly state: WriterState;
  closedTail: number | null;
  offset: number;
}

export function streamKind(options: StreamKindOptions): ActorKind<StreamMessage, StagedAppend> {
  const { shards, snapshotRecords = 1_000 } = options;
  return {
    kind: STREAM_KIND,
    async activate(context) {
      const streamId = context.address.key;
      const partition = context.ref<PartitionMessage>(PARTITION_KIND, partitionKey(streamId, 0));
      const snapshots = new WriterSnapshots(shards, streamId);
      const stored = await snapshots.load();
      const durable = await replay(partition, stored);
      const host = new StreamHost({ context, partition, snapshots, snapshotRecords, durable });
      if (durable !== null) await host.snapshotIfDue(stored?.offset ?? 0);
      return host;
    },
  };
}

/** The image at the end of the log; null when there is no such log. */
async function replay(
  partition: ActorRef<PartitionMessage>,
  stored: StoredWriterSnapshot | null,
): Promise<WriterImage | null> {
  const image: WriterImage = {
    state: stored?.state ?? emptyWriterState(),
    closedTail: stored?.closedTail ?? null,
    offset: stored?.offset ?? 0,
  };
  while (true) {
    const result = await partition.ask({
      type: "fetch",
      offset: image.offset,
      maxBytes: REPLAY_BYTES,
      minOneBatch: true,
      isolationLevel: "read_uncommitted",
      currentLeaderEpoch: -1,
    });
    if (result.error === "UNKNOWN_TOPIC_OR_PARTITION") return null;
    if (result.error === "OFFSET_OUT_OF_RANGE" && image.offset < result.logStartOffset) {
      // Someone deleted records through Kafka; what they noted is gone with them.
      image.offset = result.logStartOffset;
      continue;
    }
    if (result.error !== "NONE") throw new Error(`Cannot read the stream back: ${result.error}`);
    for (const batch of result.records) applyBatch(image, batch);
    if (image.offset >= result.highWatermark) return image;
  }
}

function applyBatch(image: WriterImage, batch: Uint8Array): void {
  const { isControl, baseOffset, lastOffsetDelta } = readBatchHeader(batch);
  if (!isControl) {
    for (const record of iterateRecords(batch, { maxDecompressedBytes: limits.decompressedBatchBytesMax })) {
      if (record.offset >= image.offset) applyRecord(image, record);
    }
  }
  image.offset = Math.max(image.offset, baseOffset + lastOffsetDelta + 1);
}

function applyRecord(image: WriterImage, { headers, value, offset }: KafkaRecord): void {
  if (image.state.closed || headers.length === 0) return;
  const note = decodeNote(headers);
  if (note === null) return;
  applyNote(image.state, note);
  if (note.closed) image.closedTail = value === null ? offset : offset + 1;
}

interface StreamHostOptions {
  readonly context: ActorContext<StreamMessage, StagedAppend>;
  readonly partition: ActorRef<PartitionMessage>;
  readonly snapshots: WriterSnapshots;
  readonly snapshotRecords: number;
  readonly durable: WriterImage | null;
}

class StreamHost implements ActorHost<StreamMessage, StagedAppend> {
  readonly #context: ActorContext<StreamMessage, StagedAppend>;
  readonly #partition: ActorRef<PartitionMessage>;
  readonly #snapshots: WriterSnapshots;
  readonly #snapshotRecords: number;
  /** What is in the log; null once the log is gone. */
  #durable: WriterImage | null;
  /** Includes appends on their way. */
  readonly #assigned: WriterState;
  #snapshotOffset = 0;

  constructor({ context, partition, snapshots, snapshotRecords, durable }: StreamHostOptions) {
    this.#context = context;
    this.#partition = partition;
    this.#snapshots = snapshots;
    this.#snapshotRecords = snapshotRecords;
    this.#durable = durable;
    const { producers, ...rest } = durable?.state ?? emptyWriterState();
    this.#assigned = { ...rest, producers: new Map(producers) };
  }

  async receive(message: StreamMessage, reply: Reply<unknown>): Promise<void> {
    switch (message.type) {
      case "append":
        return this.#append(message, reply);
      case "describe":
        return reply.sendNow({ tail: await this.#tail(), closed: this.#durable?.state.closed ?? false });
    }
  }

  /** As many appends as one batch takes. */
  async commit(appends: readonly StagedAppend[]): Promise<number> {
    const { count, records } = this.#nextBatch(appends);
    const chosen = appends.slice(0, count);
    let end = -1;
    if (records.length > 0) {
      const result = await this.#partition.ask({
        type: "produce",
        batch: buildBatch({ records }),
        maxMessageBytes: LARGEST_BATCH_BYTES,
        timestampType: "CreateTime",
        requireKeys: false,
      });
      if (result.error === "UNKNOWN_TOPIC_OR_PARTITION") this.#durable = null;
      else if (result.error !== "NONE") {
        throw new Error(`Cannot append to the stream: ${result.error} ${result.errorMessage ?? ""}`);
      }
      end = result.baseOffset;
    } else if (this.#durable !== null) end = await this.#tail() ?? -1;
    for (const { values, note, settle } of chosen) {
      if (this.#durable !== null && note !== null) {
        end += values.length;
        applyNote(this.#durable.state, note);
        if (note.closed) this.#durable.closedTail = end;
        this.#durable.offset = values.length === 0 ? end + 1 : end;
      }
      settle(this.#durable?.closedTail ?? end);
    }
    if (this.#durable === null) this.#context.passivate();
    else await this.snapshotIfDue(this.#snapshotOffset);
    return count;
  }

  stop(): void {
    this.#snapshots.close();
  }

  inspect(): Record<string, unknown> {
    return {
      producerCount: this.#assigned.producers.size,
      closed: this.#assigned.closed,
      offset: this.#durable?.offset ?? null,
    };
  }

  /** Takes a snapshot when many records lie behind the last one, which went up to `offset`. */
  async snapshotIfDue(offset: number): Promise<void> {
    this.#snapshotOffset = offset;
    const image = this.#durable;
    if (image === null || image.offset - offset < this.#snapshotRecords) return;
    await this.#snapshots.save(image);
    this.#snapshotOffset = image.offset;
  }

  #nextBatch(appends: readonly StagedAppend[]): { count: number; records: RecordInput[] } {
    const timestamp = Math.floor(this.#context.env.now());
    const records: RecordInput[] = [];
    let bytes = 0;
    let count = 0;
    for (const { values, note } of appends) {
      const ownBytes = values.reduce((sum, value) => sum + value.length, 0);
      if (count > 0 && bytes + ownBytes > BATCH_BYTES_MAX) break;
      // Records behind a closing one are nobody's, and an answer without records needs the end of those before it.
      bytes += ownBytes;
      count++;
      if (note === null) continue;
      const headers = encodeNote(note);
      if (values.length === 0) records.push({ key: null, value: null, headers, timestamp });
      for (const [index, value] of values.entries()) {
        records.push({ key: null, value, headers: index === values.length - 1 ? headers : [], timestamp });
      }
    }
    return { count, records };
  }

  #append(message: AppendToStream, reply: Reply<unknown>): void {
    const answer = (result: StreamAppendResult) => reply.sendNow(result);
    if (this.#durable === null) return answer({ type: "absent" });
    const { values, close, contentTypeMatches, producer, streamSeq } = message;
    const decision = decideStreamAppend(this.#assigned, {
      hasData: values.length > 0,
      close,
      contentTypeMatches,
      producer,
      streamSeq,
    });
    const { closed } = this.#assigned;
    const stage = (note: RecordNote | null, toResult: (tail: number) => StreamAppendResult) =>
      this.#context.stage({
        values: note === null ? [] : values,
        note,
        settle: (tail) => answer(this.#durable === null ? { type: "absent" } : toResult(tail)),
      });
    switch (decision.type) {
      case "append": {
        applyNote(this.#assigned, decision.note);
        return stage(decision.note, (tail) => ({
          type: "appended",
          tail,
          closed: close,
          lastSeq: producer?.seq ?? -1,
        }));
      }
      case "duplicate":
        return stage(null, (tail) => ({ type: "duplicate", tail, closed, ...decision.position }));
      case "closedBefore":
        return stage(null, (tail) => ({ type: "appended", tail, closed: true, lastSeq: -1 }));
      default:
        return stage(null, (tail) => ({ type: "refused", refusal: decision, tail }));
    }
  }

  async #tail(): Promise<number | null> {
    if (this.#durable === null) return null;
    if (this.#durable.closedTail !== null) return this.#durable.closedTail;
    const { error, offset } = await this.#partition.ask({
      type: "listOffset",
      timestamp: -1,
      isolationLevel: "read_uncommitted",
      currentLeaderEpoch: -1,
    });
    if (error === "NONE") return offset;
    if (error === "UNKNOWN_TOPIC_OR_PARTITION") this.#durable = null;
    else throw new Error(`Cannot find the end of the stream: ${error}`);
    this.#context.passivate();
    return null;
  }
}
