/**
 * Profiles: what a workload was promised, and so which findings are fatal.
 *
 * Pure data. A workload names its profile in the header of its history.
 */

import type { Severity } from "./rule.ts";

export interface Profile {
  readonly name: string;
  /** Producers are idempotent: no value may appear twice. */
  readonly idempotent: boolean;
  /** The topics are compacted: superseded records may vanish. */
  readonly compaction: boolean;
  /** Of compacted topics: tombstones stay for longer than the history lasts. */
  readonly tombstonesStay: boolean;
  /** ListOffsets(latest) is served by a strong read. */
  readonly strongListOffsets: boolean;
  /** Records may come from writers outside the history. */
  readonly externalWriters: boolean;
  /** Consumers must take each record once (the EOS copy job). */
  readonly exactlyOnce: boolean;
  /** Ceiling of `realtime-lag`; null to measure only. */
  readonly realtimeLagMaxMs: number | null;
  /** Rules to judge otherwise than they would themselves. */
  readonly overrides: Readonly<Record<string, Severity | "off">>;
}

const BASE: Profile = {
  name: "idempotent",
  idempotent: true,
  compaction: false,
  tombstonesStay: false,
  strongListOffsets: true,
  externalWriters: false,
  exactlyOnce: false,
  realtimeLagMaxMs: null,
  overrides: {},
};

/** All profiles by name; `idempotent` is the default. */
export const profiles = {
  /** Idempotent producers, with or without transactions. */
  idempotent: BASE,
  /** Producers without idempotence: retries may duplicate and reorder. */
  plain: {
    ...BASE,
    name: "plain",
    idempotent: false,
    overrides: { "nonmonotonic-send": "report", "int-nonmonotonic-send": "report" },
  },
  /** Compacted topics; sends name their keys. */
  compacted: { ...BASE, name: "compacted", compaction: true },
  /** The same, with a `delete.retention.ms` beyond the history's end. */
  "compacted-tombstones-stay": {
    ...BASE,
    name: "compacted-tombstones-stay",
    compaction: true,
    tombstonesStay: true,
  },
  /** Consume, transform, produce in transactions; the header names the topics under `copy`. */
  "eos-copy": { ...BASE, name: "eos-copy", exactlyOnce: true },
} as const satisfies Record<string, Profile>;

/** The profile of that name, or null. */
export function profileNamed(name: string): Profile | null {
  return Object.hasOwn(profiles, name) ? profiles[name as keyof typeof profiles] : null;
}
