/**
 * `["p", topicId, partition, "s", producerId]`: an idempotent producer's epoch and last batches, written in the commit of
 * the batch that changed it. Absent: the producer is unknown here, or expired. Owner: `log_writer.ts`.
 *
 * Value v1: version, producer epoch (int16), last append (int64, ms), batches as counted (base sequence int32,
 * last sequence int32, base offset int64, timestamp int64). Value v2 adds the coordinator epoch (int32) of the last
 * transaction marker, and is written for producers that got one.
 */
import type { ProducerBatch, ProducerState } from "../../core/partition/producer_state.ts";
import { decodeValue, encodeValue, versionOf } from "./value_codec.ts";

const PLAIN_VERSION = 1;
const MARKED_VERSION = 2;

export function encodeProducer(state: ProducerState): Uint8Array {
  const version = state.coordinatorEpoch === undefined ? PLAIN_VERSION : MARKED_VERSION;
  return encodeValue(version, (writer) => {
    writer.int16(state.producerEpoch);
    writer.int64(state.lastAppendMs);
    writer.arrayLength(state.batches.length);
    for (const batch of state.batches) {
      writer.int32(batch.baseSequence);
      writer.int32(batch.lastSequence);
      writer.int64(batch.baseOffset);
      writer.int64(batch.timestampMs);
    }
    if (state.coordinatorEpoch !== undefined) writer.int32(state.coordinatorEpoch);
  });
}

/** `producerId` comes from the key. */
export function decodeProducer(producerId: number, value: Uint8Array): ProducerState {
  const isMarked = versionOf(value) === MARKED_VERSION;
  return decodeValue("producer state", isMarked ? MARKED_VERSION : PLAIN_VERSION, value, (reader) => {
    const producerEpoch = reader.int16();
    const lastAppendMs = reader.int64();
    const batches: ProducerBatch[] = [];
    const count = reader.arrayLength(24);
    for (let i = 0; i < count; i++) {
      batches.push({
        baseSequence: reader.int32(),
        lastSequence: reader.int32(),
        baseOffset: reader.int64(),
        timestampMs: reader.int64(),
      });
    }
    const marked = isMarked ? { coordinatorEpoch: reader.int32() } : {};
    return { producerId, producerEpoch, lastAppendMs, batches, ...marked };
  });
}
