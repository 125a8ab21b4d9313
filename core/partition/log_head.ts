/** What the head of a partition's log says; stored with every commit, so that opening a log reads O(1) keys. */

export interface LeaderEpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

export interface LogHead {
  readonly logStartOffset: number;
  /** The offset that the next record gets. */
  readonly logEndOffset: number;
  readonly leaderEpoch: number;
  /** Lineage: entered at the first append of each epoch (KIP-101). */
  readonly epochs: readonly LeaderEpochStart[];
  /** Largest record timestamp, -1 while the log is empty. */
  readonly maxTimestamp: number;
  /** Last offset of the batch that holds it, -1 while the log is empty. */
  readonly maxTimestampOffset: number;
  /** Stored batch bytes between log start and log end. */
  readonly sizeBytes: number;
}

export const emptyLogHead: LogHead = {
  logStartOffset: 0,
  logEndOffset: 0,
  leaderEpoch: 0,
  epochs: [],
  maxTimestamp: -1,
  maxTimestampOffset: -1,
  sizeBytes: 0,
};
