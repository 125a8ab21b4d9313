/**
 * What decides whether a stream takes an append: its producers' positions, the last `Stream-Seq`, and whether it is
 * closed. Pure; `decideStreamAppend` looks, `applyNote` changes, live and when the log is read again.
 *
 * Source: PROTOCOL.md §5.2 and §5.2.1 of Durable Streams; the producers' rules are those of Kafka's KIP-98 with epochs that
 * the client declares.
 */
import { limits } from "../config/limits.ts";
import type { ProducerTag, RecordNote } from "./record_note.ts";

export interface ProducerPosition {
  readonly epoch: number;
  readonly lastSeq: number;
}

export interface WriterState {
  /** The one that wrote last comes last. */
  readonly producers: Map<string, ProducerPosition>;
  streamSeq: string | null;
  closed: boolean;
  /** Who closed it, when a producer did. */
  closedBy: ProducerTag | null;
}

export function emptyWriterState(): WriterState {
  return { producers: new Map(), streamSeq: null, closed: false, closedBy: null };
}

export interface AppendWish {
  readonly hasData: boolean;
  readonly close: boolean;
  /** Whether the Content-Type is the stream's. */
  readonly contentTypeMatches: boolean;
  readonly producer: ProducerTag | null;
  readonly streamSeq: string | null;
}

export type AppendDecision =
  | { readonly type: "append"; readonly note: RecordNote }
  /** The producer sent this before; its position now. */
  | { readonly type: "duplicate"; readonly position: ProducerPosition }
  /** A close of what is closed. */
  | { readonly type: "closedBefore" }
  | { readonly type: "refusedClosed" }
  | { readonly type: "contentTypeMismatch" }
  | { readonly type: "staleEpoch"; readonly epoch: number }
  | { readonly type: "epochStart" }
  | { readonly type: "sequenceGap"; readonly expectedSeq: number }
  | { readonly type: "streamSeqRegression"; readonly lastStreamSeq: string };

export function decideStreamAppend(state: WriterState, wish: AppendWish): AppendDecision {
  const { producer, streamSeq, close, hasData } = wish;
  if (state.closed) return decideOnClosed(state, wish);
  if (hasData && !wish.contentTypeMatches) return { type: "contentTypeMismatch" };
  if (producer !== null) {
    const refusal = refuseProducer(state.producers.get(producer.id), producer);
    if (refusal !== null) return refusal;
  }
  if (streamSeq !== null && state.streamSeq !== null && !isAfter(streamSeq, state.streamSeq)) {
    return { type: "streamSeqRegression", lastStreamSeq: state.streamSeq };
  }
  return { type: "append", note: { producer, streamSeq, closed: close } };
}

function decideOnClosed({ closedBy, producers }: WriterState, wish: AppendWish): AppendDecision {
  const { producer } = wish;
  if (producer !== null && closedBy !== null) {
    const { id, epoch, seq } = closedBy;
    if (producer.id === id && producer.epoch === epoch && producer.seq === seq) {
      return { type: "duplicate", position: producers.get(id) ?? { epoch, lastSeq: seq } };
    }
  }
  return wish.close && !wish.hasData ? { type: "closedBefore" } : { type: "refusedClosed" };
}

function refuseProducer(known: ProducerPosition | undefined, tag: ProducerTag): AppendDecision | null {
  if (known === undefined) return tag.seq === 0 ? null : { type: "sequenceGap", expectedSeq: 0 };
  if (tag.epoch < known.epoch) return { type: "staleEpoch", epoch: known.epoch };
  if (tag.epoch > known.epoch) return tag.seq === 0 ? null : { type: "epochStart" };
  if (tag.seq <= known.lastSeq) return { type: "duplicate", position: known };
  return tag.seq === known.lastSeq + 1 ? null : { type: "sequenceGap", expectedSeq: known.lastSeq + 1 };
}

/** Byte order of UTF-8, which is the order of code points. */
function isAfter(a: string, b: string): boolean {
  const left = [...a];
  const right = [...b];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const difference = (left[index]?.codePointAt(0) ?? 0) - (right[index]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return left.length > right.length;
}

/** Takes over what a record says. Beyond `limits.streamProducersMax` the producer that was silent longest is forgotten. */
export function applyNote(state: WriterState, { producer, streamSeq, closed }: RecordNote): void {
  if (producer !== null) {
    state.producers.delete(producer.id);
    state.producers.set(producer.id, { epoch: producer.epoch, lastSeq: producer.seq });
    if (state.producers.size > limits.streamProducersMax) {
      const [oldest] = state.producers.keys();
      if (oldest !== undefined) state.producers.delete(oldest);
    }
  }
  if (streamSeq !== null) state.streamSeq = streamSeq;
  if (closed) {
    state.closed = true;
    state.closedBy = producer;
  }
}
