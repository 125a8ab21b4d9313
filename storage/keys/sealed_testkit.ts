/** For tests: stored values with and without today's seal, so that layouts stay written down once. */
import { SEAL_BYTES, SEALED, writeSeal } from "./value_codec.ts";

/** Both in hexadecimal digits. */
export function sealed(golden: string): string {
  const value = Uint8Array.fromHex(golden + "00".repeat(SEAL_BYTES));
  value[0] = (value[0] ?? 0) | SEALED;
  writeSeal(value, value.length - SEAL_BYTES);
  return value.toHex();
}

/** As a value was written before there were seals. */
export function unsealed(value: Uint8Array): Uint8Array {
  const bytes = value.slice(0, -SEAL_BYTES);
  bytes[0] = (bytes[0] ?? 0) & ~SEALED;
  return bytes;
}
