/**
 * What the embedded store takes, as measured on Deno 2.9.6 (`storage_suite.ts` commits at the very edges). A little is
 * left below each size, so that an encoding that grows by some bytes in a later Deno is no outage.
 */
import type { StorageLimits } from "./storage.ts";

const COMMIT_BYTES_MARGIN = 1_024;

export const embeddedLimits: StorageLimits = {
  valueBytesMax: 65_536,
  // 2,048 less one byte at each end of a range.
  keyBytesMax: 2_046,
  checksMax: 100,
  mutationsMax: 1_000,
  commitBytesMax: 819_200 - COMMIT_BYTES_MARGIN,
  commitKeyBytesMax: 81_920 - COMMIT_BYTES_MARGIN,
  getManyMax: 10,
  listPageMax: 1_000,
};

/** What denokv and the managed Deno KV take. */
export const remoteLimits: StorageLimits = { ...embeddedLimits, checksMax: 10 };
