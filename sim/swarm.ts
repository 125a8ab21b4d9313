/**
 * What the world of one seed is like: which store, which limits, how often everything goes wrong. Every probability is
 * drawn for the seed, many are zero (swarm testing, as TigerBeetle does it): a world in which everything fails hides the
 * bugs that need a long quiet spell. Pure.
 */
import type { StorageLimits } from "../storage/storage.ts";
import { embeddedLimits } from "../storage/limits.ts";
import type { Rng } from "./rng.ts";

/** `embedded`: what a local file can do. `remote`: all that a store behind a network can do. */
export type StoreProfile = "embedded" | "remote";

/** Probabilities for each call, from 0 to 1. */
export interface KvFaults {
  readonly stall: number;
  readonly stallMsMax: number;
  readonly thrownUnapplied: number;
  readonly thrownApplied: number;
  readonly readThrown: number;
  /** That a watch never tells of anything. */
  readonly watchSilent: number;
  /** Remote only, from here on. */
  readonly refusedApplied: number;
  readonly conflict: number;
  readonly hang: number;
  readonly late: number;
}

/** Probabilities for each call on the disk, from 0 to 1. */
export interface DiskFaults {
  readonly slow: number;
  readonly slowMsMax: number;
  readonly shortWrite: number;
  readonly diskWriteThrown: number;
  readonly diskSyncThrown: number;
  readonly diskReadThrown: number;
  /** Creating, listing, removing, syncing a directory. */
  readonly diskOtherThrown: number;
}

export interface NetFaults {
  readonly latencyMs: readonly [from: number, to: number];
  /** That a write is delivered in pieces. */
  readonly chunk: number;
  readonly shortWrite: number;
  readonly refuse: number;
}

export interface ProcessFaults {
  readonly timerLate: number;
  readonly timerLateMsMax: number;
  /** Wall clock per monotonic clock, less 1. */
  readonly driftMax: number;
}

/** Something that happens from time to time: mean distance in milliseconds; absent: never. */
export interface Nemesis {
  readonly crash?: number;
  readonly crashAtCall?: number;
  readonly replaced?: number;
  readonly paused?: number;
  readonly clientCrash?: number;
  readonly clientPaused?: number;
  readonly clockJump?: number;
  readonly partition?: number;
  readonly oneWayPartition?: number;
  readonly cut?: number;
  readonly kvOutage?: number;
  readonly diskFull?: number;
  readonly powerLoss?: number;
  readonly bitFlip?: number;
  readonly storeExchanged?: number;
}

export type NemesisKind = keyof Nemesis;

export interface Swarm {
  readonly profile: StoreProfile;
  /** Small ones force the paths of large batches, of groups of one and of pages of one. */
  readonly limits: StorageLimits;
  /** Of segment files beside an embedded store: from what size on batches go there, and how large a file grows. */
  readonly segments: { readonly extentBytesMin: number; readonly fileBytesMax: number };
  /** How long the broker waits for an answer of the store before it takes the outcome for unknown. */
  readonly deadlineMs: number;
  /** How long it tries to find out what became of a commit. */
  readonly resolveMs: number;
  readonly kv: KvFaults;
  readonly disk: DiskFaults;
  readonly net: NetFaults;
  readonly process: ProcessFaults;
  readonly nemesis: Nemesis;
  /** At least so long do faults go on, milliseconds. */
  readonly faultMs: number;
}

export const noKvFaults: KvFaults = {
  stall: 0,
  stallMsMax: 0,
  thrownUnapplied: 0,
  thrownApplied: 0,
  readThrown: 0,
  watchSilent: 0,
  refusedApplied: 0,
  conflict: 0,
  hang: 0,
  late: 0,
};

export const noDiskFaults: DiskFaults = {
  slow: 0,
  slowMsMax: 0,
  shortWrite: 0,
  diskWriteThrown: 0,
  diskSyncThrown: 0,
  diskReadThrown: 0,
  diskOtherThrown: 0,
};

export const noProcessFaults: ProcessFaults = { timerLate: 0, timerLateMsMax: 0, driftMax: 0 };

export function calmNet(net: NetFaults): NetFaults {
  return { ...net, chunk: 0, shortWrite: 0, refuse: 0 };
}

/** Kinds that a seed is sure to meet, whatever else was drawn. */
const NEMESIS_COUNT_MIN = 3;

export function drawSwarm(rng: Rng): Swarm {
  const profile: StoreProfile = rng.chance(0.5) ? "embedded" : "remote";
  const isRemote = profile === "remote";
  const rare = (max: number) => rng.chance(0.5) ? 0 : rng.logBetween(max / 50, max);
  return {
    profile,
    limits: drawLimits(rng, isRemote),
    segments: {
      extentBytesMin: rng.pick([1, 1, 500, 32_768]),
      fileBytesMax: rng.pick([1_000, 20_000, 1_000_000]),
    },
    deadlineMs: rng.pick([10_000, 1_000, 300]),
    resolveMs: rng.pick([30_000, 2_000, 300, 300]),
    disk: {
      slow: rare(0.2),
      slowMsMax: rng.logBetween(5, 3_000),
      shortWrite: rare(0.2),
      diskWriteThrown: rare(0.15),
      diskSyncThrown: rare(0.15),
      diskReadThrown: rare(0.15),
      diskOtherThrown: rare(0.15),
    },
    kv: {
      stall: rare(0.2),
      stallMsMax: rng.logBetween(5, 2_000),
      thrownUnapplied: rare(isRemote ? 0.1 : 0.03),
      thrownApplied: rare(isRemote ? 0.1 : 0.03),
      readThrown: rare(0.05),
      watchSilent: 0.2,
      refusedApplied: isRemote ? rare(0.3) : 0,
      conflict: isRemote ? rare(0.1) : 0,
      hang: isRemote ? rare(0.004) : 0,
      late: isRemote ? rare(0.3) : 0,
    },
    net: {
      latencyMs: [0.05, rng.logBetween(0.2, 60)],
      chunk: rare(1),
      shortWrite: rare(0.5),
      refuse: rare(0.2),
    },
    process: { timerLate: rare(0.1), timerLateMsMax: rng.logBetween(5, 3_000), driftMax: rare(0.1) },
    nemesis: drawNemesis(rng, isRemote),
    faultMs: rng.logBetween(8_000, 60_000),
  };
}

/** What stops a broker for many seconds: oftener, and it would do nothing else. */
const RARE: ReadonlySet<NemesisKind> = new Set(["bitFlip", "storeExchanged"]);

function drawNemesis(rng: Rng, isRemote: boolean): Nemesis {
  const kinds: NemesisKind[] = [
    "crash",
    "crashAtCall",
    "paused",
    "clientCrash",
    "clientPaused",
    "clockJump",
    "partition",
    "oneWayPartition",
    "cut",
    "kvOutage",
    "bitFlip",
  ];
  if (isRemote) kinds.push("replaced");
  else kinds.push("diskFull", "powerLoss", "storeExchanged");
  const drawn: { -readonly [K in NemesisKind]?: number } = {};
  const wantedCount = NEMESIS_COUNT_MIN + rng.int(kinds.length - NEMESIS_COUNT_MIN);
  while (Object.keys(drawn).length < wantedCount) {
    const kind = rng.pick(kinds);
    drawn[kind] = RARE.has(kind) ? rng.logBetween(4_000, 40_000) : rng.logBetween(800, 15_000);
  }
  return drawn;
}

function drawLimits(rng: Rng, isRemote: boolean): StorageLimits {
  const limits = { ...embeddedLimits, checksMax: isRemote ? 10 : embeddedLimits.checksMax };
  if (rng.chance(0.4)) return limits;
  const valueBytesMax = rng.pick([1_024, 1_024, 1_024, 4_096, limits.valueBytesMax]);
  return {
    ...limits,
    valueBytesMax,
    // A commit always takes a few values.
    commitBytesMax: Math.min(limits.commitBytesMax, valueBytesMax * rng.pick([8, 20])),
    mutationsMax: rng.pick([450, limits.mutationsMax]),
    checksMax: rng.pick([3, limits.checksMax]),
    listPageMax: rng.pick([2, 7, limits.listPageMax]),
  };
}

/** For people, in a line. */
export function describeSwarm({ profile, limits, kv, disk, net, process, nemesis, faultMs }: Swarm): string {
  const often = Object.entries(nemesis).map(([kind, meanMs]) =>
    `${kind} every ${Math.round(meanMs / 100) / 10} s`
  );
  const chances = Object.entries({ ...kv, ...disk, ...net, ...process })
    .filter(([name, chance]) =>
      typeof chance === "number" && chance > 0 && chance <= 1 && !/Ms|drift/.test(name)
    )
    .map(([name, chance]) => `${name} ${Math.round(Number(chance) * 1_000) / 10} %`);
  return `${
    profile === "embedded" ? "an" : "a"
  } ${profile} store, ${limits.commitBytesMax} bytes a commit, ` +
    `${limits.listPageMax} entries a page; ${often.join(", ")}; of calls: ${
      chances.join(", ") || "all go well"
    }; ` +
    `faults go on for ${Math.round(faultMs / 1_000)} s`;
}
