/** Skeleton; see the exports. */

/** What a transaction marker says. */
export interface EndTransactionMarker {
  type: "ABORT" | "COMMIT";
  coordinatorEpoch: number;
}

/** Builds a control batch of one marker. */
export function buildControlBatch(_options: {
  type: "ABORT" | "COMMIT";
  coordinatorEpoch: number;
  producerId: number;
  producerEpoch: number;
  timestamp: number;
  baseOffset?: number;
  partitionLeaderEpoch?: number;
}): Uint8Array {
  throw new Error("not yet");
}

/** Reads the marker of a control batch; null when the control type is one that clients skip. */
export function readControlBatch(_batch: Uint8Array): EndTransactionMarker | null {
  throw new Error("not yet");
}
