/**
 * Offsets of a stream as its readers see them: `0000000000000042_0000000000000000`.
 *
 * The first half counts records, as Kafka's offsets do; the second is kept for positions inside a record and is zero.
 * Equal lengths make text order the order of the log. Source: PROTOCOL.md §8 of Durable Streams.
 */

const DIGITS = 16;
const INSIDE = "0".repeat(DIGITS);
const shape = new RegExp(`^(\\d{${DIGITS}})_${INSIDE}$`);

export function formatStreamOffset(offset: number): string {
  return `${String(offset).padStart(DIGITS, "0")}_${INSIDE}`;
}

/** The number of records before the offset; null for text that this server never made. */
export function parseStreamOffset(text: string): number | null {
  const digits = shape.exec(text)?.[1];
  if (digits === undefined) return null;
  const offset = Number(digits);
  return Number.isSafeInteger(offset) ? offset : null;
}
