/**
 * How far a consumer that lives on the server has got in one partition. Three offsets, in this order: what is committed, what
 * its client has received, what it was given. A client says that it received an answer by asking for more. Pure.
 */
import type { TopicPartition } from "./rest_consumer.ts";

export interface Place {
  /** Of the next record to be given. Moves only when an answer leaves. */
  position: number;
  /** Up to where the client came back for more: what is committed without being asked. */
  received: number;
  /** Up to where it was committed by this consumer, or found committed; -1 when nothing was. */
  committed: number;
}

/** A partition that is read, and where. */
export interface Reading extends TopicPartition {
  readonly topicId: string;
  /** Null until it is known. */
  place: Place | null;
  /** Where it was under the assignment before; counts as long as nobody else committed meanwhile. */
  readonly before: Place | null;
}

/** What an answer moves on. */
export interface Move {
  readonly place: Place;
  readonly from: number;
  readonly to: number;
}

/** A position that was set leaves nothing behind it to be received. */
export function setPosition(reading: Reading, position: number): void {
  const committed = (reading.place ?? reading.before)?.committed ?? -1;
  reading.place = { position, received: position, committed };
}

/** Where to begin, by what the group has committed; false when nothing says. */
export function placeAtCommitted(reading: Reading, committed: number): boolean {
  const { before } = reading;
  if (before !== null && before.committed === committed) reading.place = { ...before };
  else if (committed >= 0) reading.place = { position: committed, received: committed, committed };
  return reading.place !== null;
}

/** The client asks for more, or says goodbye: it has what it was given. */
export function markReceived(readings: Iterable<Reading>): void {
  for (const { place, before } of readings) {
    const current = place ?? before;
    if (current !== null) current.received = current.position;
  }
}

/** The answer leaves. A position that was set meanwhile stays. */
export function moveOn(moves: readonly Move[]): void {
  for (const { place, from, to } of moves) if (place.position === from) place.position = to;
}
