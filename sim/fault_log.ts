/** The kinds of fault, and how often each was done to a run: coverage, and a seed's claim to have been hard. */

/** Every kind with what it means; `kv` ones happen to calls, the others to processes, links and clocks. */
export const FAULTS = {
  crash: "process killed between two steps",
  crashAtCall: "process killed in the middle of a step, at one of its calls",
  replaced: "a second process of the same broker started while the first was stopped",
  paused: "process stopped for a while, its clocks going on",
  clientCrash: "client process killed",
  clientPaused: "client process stopped for a while",
  clockJump: "wall clock jumped",
  clockDrift: "wall clock goes faster or slower",
  timerLate: "timer fired late",
  partition: "no bytes between two hosts, in both directions",
  oneWayPartition: "no bytes in one direction",
  cut: "connection cut at any byte",
  refused: "connection refused",
  shortWrite: "a write took only some of the bytes",
  kvStall: "the store answered late",
  kvThrownUnapplied: "commit threw and was not applied",
  kvThrownApplied: "commit threw and was applied",
  kvRefusedApplied: "commit was applied, its answer lost, and its repetition refused",
  kvTwice: "commit without a check was applied twice",
  kvConflict: "commit was refused without a reason",
  kvHang: "call was never answered",
  kvLate: "commit was applied long after its caller gave up",
  kvReadThrown: "read threw",
  kvOutage: "the store was away for a while",
  kvTorn: "other commits fell between two pages of a list",
  diskSlow: "the disk answered late",
  diskShortWrite: "a write took only some of the bytes",
  diskWriteThrown: "a write failed, having written some part",
  diskSyncThrown: "fdatasync failed; what it was for is lost, or not",
  diskReadThrown: "a read of a file failed",
  diskOtherThrown: "creating, opening, listing or removing a file failed, or syncing a directory",
  diskFull: "the disk was full for a while",
  diskFullThrown: "a write or a new file found the disk full",
  powerLoss: "power failed: what was not synced is lost or torn",
  powerLossTorn: "power failed while bytes or names were not synced",
  bitFlipStored: "a bit of a stored value flipped, for a while",
  bitFlipFile: "a bit of a segment file flipped, for a while",
  bitFlipKept: "a bit of a stored batch flipped, for good",
  storeEmptied: "the store's file was gone at a start, for a while",
  storeRestored: "the store's file was an older copy at a start, for a while",
  crashedCommitApplied: "commit in flight at a crash was applied",
  crashedCommitLost: "commit in flight at a crash was lost",
  crashedCommitLate: "commit in flight at a crash was applied long after",
} as const;

export type FaultKind = keyof typeof FAULTS;

export class FaultLog {
  readonly #counts = new Map<FaultKind, number>();

  count(kind: FaultKind, count = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count);
  }

  of(kind: FaultKind): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** How often each kind was done; those that were not are absent. */
  get counts(): [FaultKind, number][] {
    return [...this.#counts];
  }

  get kinds(): FaultKind[] {
    return [...this.#counts.keys()];
  }
}
