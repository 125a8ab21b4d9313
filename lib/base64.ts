/**
 * Base64 (RFC 4648 §4) to bytes and back. Uses the engine's own functions (from V8 13.3 on) and otherwise node:buffer.
 */
import { Buffer } from "node:buffer";

interface Native {
  fromBase64?: (text: string) => Uint8Array;
}

const native = Uint8Array as unknown as Native;

/** Strict: null for foreign characters or a wrong length. Padding may be absent, white space is skipped. */
export function decodeBase64(text: string): Uint8Array | null {
  if (native.fromBase64 !== undefined) {
    try {
      return native.fromBase64(text);
    } catch (error) {
      if (error instanceof SyntaxError) return null;
      throw error;
    }
  }
  return decodeWithBuffer(text);
}

/** The way for engines without `Uint8Array.fromBase64`; exported for its test. */
export function decodeWithBuffer(text: string): Uint8Array | null {
  const compact = text.replace(/[\t\n\f\r ]/g, "");
  const match = /^([A-Za-z0-9+/]*)(={0,2})$/.exec(compact);
  const [, digits = "", padding = ""] = match ?? [];
  if (match === null || digits.length % 4 === 1) return null;
  if (padding !== "" && (digits.length + padding.length) % 4 !== 0) return null;
  const decoded = Buffer.from(digits, "base64");
  return new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.byteLength);
}

export function encodeBase64(bytes: Uint8Array): string {
  const encode = (bytes as Uint8Array & { toBase64?: () => string }).toBase64;
  if (encode !== undefined) return encode.call(bytes);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
