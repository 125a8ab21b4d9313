/**
 * What a stream's writer state is made of, kept on the records themselves: the header `kavka-stream` on the last record of
 * an append says which producer sent it, its `Stream-Seq`, and whether it closed the stream. So the state changes in the very
 * commit that holds the data, and reading the log again gives the same state (docs/adr/010-durable-streams.md).
 *
 * JSON, so that Kafka clients can read it: `{"producer":["id",epoch,seq],"seq":"…","closed":true}`, each member optional.
 */
import type { RecordHeader } from "../../protocol/records/record_batch.ts";

export const NOTE_HEADER = "kavka-stream";

/** One request of an idempotent producer. */
export interface ProducerTag {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
}

export interface RecordNote {
  readonly producer: ProducerTag | null;
  readonly streamSeq: string | null;
  readonly closed: boolean;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** No header where there is nothing to note. */
export function encodeNote({ producer, streamSeq, closed }: RecordNote): RecordHeader[] {
  if (producer === null && streamSeq === null && !closed) return [];
  const text = JSON.stringify({
    ...(producer === null ? {} : { producer: [producer.id, producer.epoch, producer.seq] }),
    ...(streamSeq === null ? {} : { seq: streamSeq }),
    ...(closed ? { closed } : {}),
  });
  return [{ key: NOTE_HEADER, value: encoder.encode(text) }];
}

/** Null for a record without a note, and for a header of that name that is none: Kafka clients may write what they like. */
export function decodeNote(headers: readonly RecordHeader[]): RecordNote | null {
  const header = headers.findLast(({ key }) => key === NOTE_HEADER);
  if (header === undefined || header.value === null) return null;
  try {
    return noteOf(JSON.parse(decoder.decode(header.value)));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function noteOf(value: unknown): RecordNote | null {
  if (typeof value !== "object" || value === null) return null;
  const { producer, seq, closed } = value as Record<string, unknown>;
  return {
    producer: producerOf(producer),
    streamSeq: typeof seq === "string" ? seq : null,
    closed: closed === true,
  };
}

function producerOf(value: unknown): ProducerTag | null {
  if (!Array.isArray(value)) return null;
  const [id, epoch, seq] = value as unknown[];
  if (typeof id !== "string" || !isCount(epoch) || !isCount(seq)) return null;
  return { id, epoch, seq };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
