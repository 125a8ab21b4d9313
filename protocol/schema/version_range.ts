/** Version ranges as the tables write them: `"3+"`, `"0-2"`, `"7"`. Pure. */
import { invariant } from "../../lib/invariant.ts";

/** First and last version, both inclusive; an open end is Infinity. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

/** The range that holds no version. */
export const NO_VERSIONS: VersionRange = { min: Infinity, max: -Infinity };

/** Parses a range; a malformed one is a bug in a table. `"none"` holds no version. */
export function versionRange(text: string): VersionRange {
  if (text === "none") return NO_VERSIONS;
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text);
  invariant(match, `Malformed version range: "${text}"`);
  const min = Number(match[1]);
  const max = match[2] ? Infinity : match[3] ? Number(match[3]) : min;
  invariant(min <= max, `Empty version range: "${text}"`);
  return { min, max };
}

export function contains(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max;
}
