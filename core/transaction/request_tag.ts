/**
 * How clients over HTTP number their requests: epoch and number of each, as Durable Streams' Producer-Epoch and
 * Producer-Seq mean them. Whether a request is next, was committed before, or is out of place.
 */
import type { RequestTag } from "./transaction_state.ts";

export type RequestTagDecision =
  | { readonly type: "next" }
  | { readonly type: "duplicate"; readonly epoch: number; readonly lastSeq: number }
  | { readonly type: "staleEpoch"; readonly epoch: number }
  | { readonly type: "epochStart" }
  | { readonly type: "sequenceGap"; readonly expectedSeq: number };

/** `last` is the last request that was committed, null when the producer is unknown (any more). */
export function decideRequestTag(last: RequestTag | null, tag: RequestTag): RequestTagDecision {
  if (last === null) return tag.seq === 0 ? { type: "next" } : { type: "sequenceGap", expectedSeq: 0 };
  if (tag.epoch < last.epoch) return { type: "staleEpoch", epoch: last.epoch };
  if (tag.epoch > last.epoch) return tag.seq === 0 ? { type: "next" } : { type: "epochStart" };
  if (tag.seq <= last.seq) return { type: "duplicate", epoch: last.epoch, lastSeq: last.seq };
  return tag.seq === last.seq + 1 ? { type: "next" } : { type: "sequenceGap", expectedSeq: last.seq + 1 };
}
