/**
 * `["p", topicId, partition, "s", producerId]`: an idempotent producer's epoch and last batches, written in the commit of
 * the batch that changed it. Absent: the producer is unknown here, or expired. Owner: `log_writer.ts`.
 *
 * Value v1: version, producer epoch (int16), last append (int64, ms), batches as counted (base sequence int32,
 * last sequence int32, base offset int64, timestamp int64).
 */
import type { ProducerBatch, ProducerState } from "../../core/partition/producer_state.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

const VERSION = 1;

export function encodeProducer(state: ProducerState): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.int16(state.producerEpoch);
    writer.int64(state.lastAppendMs);
    writer.arrayLength(state.batches.length);
    for (const batch of state.batches) {
      writer.int32(batch.baseSequence);
      writer.int32(batch.lastSequence);
      writer.int64(batch.baseOffset);
      writer.int64(batch.timestampMs);
    }
  });
}

/** `producerId` comes from the key. */
export function decodeProducer(producerId: number, value: Uint8Array): ProducerState {
  return decodeValue("producer state", VERSION, value, (reader) => {
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
    return { producerId, producerEpoch, lastAppendMs, batches };
  });
}
