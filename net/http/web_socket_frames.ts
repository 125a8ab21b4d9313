/**
 * The frames of a WebSocket, bytes to messages and back, pure but for what it is handed. A client's frames are held against the protocol and a
 * bound before their bytes are kept, so that a message is never larger than the bound, in however many fragments it comes.
 *
 * Source: RFC 6455, section 5. No extension is ever agreed on, so every reserved bit is a fault.
 */
import { closeCodes } from "../../lib/server_socket.ts";

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export type ClientFrame =
  /** Null: bytes instead of text. */
  | { readonly type: "message"; readonly text: string | null }
  | { readonly type: "ping"; readonly payload: Uint8Array }
  | { readonly type: "pong" }
  | { readonly type: "close"; readonly code: number };

/** What a client must not send, with the code that it is told. */
export class FrameError extends Error {
  override readonly name = "FrameError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const CONTROL_BYTES_MAX = 125;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

interface Frame {
  readonly isLast: boolean;
  readonly opcode: number;
  readonly mask: Uint8Array;
  readonly payload: Uint8Array;
  filled: number;
}

/** Reads what a client sends, however it is cut. */
export class FrameReader {
  readonly #messageBytesMax: number;
  /** Of a frame's head, up to 14 bytes. */
  #head: number[] = [];
  #frame: Frame | null = null;
  /** Of the message under way; null for none. */
  #fragments: { readonly opcode: number; readonly parts: Uint8Array[]; bytes: number } | null = null;

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** What became whole with these bytes. Throws `FrameError`, and must not be used again then. */
  *push(bytes: Uint8Array): Generator<ClientFrame> {
    for (let at = 0;;) {
      if (this.#frame === null) {
        if (at === bytes.length) return;
        this.#head.push(bytes[at++] ?? 0);
        this.#frame = this.#begin();
        continue;
      }
      const { payload, filled } = this.#frame;
      const part = bytes.subarray(at, at + payload.length - filled);
      payload.set(part, filled);
      this.#frame.filled += part.length;
      at += part.length;
      if (this.#frame.filled < payload.length) return;
      const whole = this.#end(this.#frame);
      this.#frame = null;
      if (whole !== null) yield whole;
    }
  }

  /** The frame of a whole head, held against the protocol; null as long as the head is not whole. */
  #begin(): Frame | null {
    const [first = 0, second] = this.#head;
    if (second === undefined) return null;
    const opcode = first & 0x0f;
    const isLast = (first & 0x80) !== 0;
    if ((first & 0x70) !== 0) throw new FrameError(closeCodes.protocolError, "A reserved bit is set");
    if ((second & 0x80) === 0) throw new FrameError(closeCodes.protocolError, "A frame is not masked");
    this.#checkOpcode(opcode, isLast, second & 0x7f);
    const lengthBytes = (second & 0x7f) === 127 ? 8 : (second & 0x7f) === 126 ? 2 : 0;
    if (this.#head.length < 2 + lengthBytes) return null;
    const length = lengthBytes === 0
      ? second & 0x7f
      : this.#head.slice(2, 2 + lengthBytes).reduce((sum, byte) => sum * 256 + byte, 0);
    const before = opcode < opcodes.close ? this.#fragments?.bytes ?? 0 : 0;
    if (before + length > this.#messageBytesMax && opcode < opcodes.close) {
      throw new FrameError(closeCodes.messageTooBig, `A message has at most ${this.#messageBytesMax} bytes`);
    }
    if (this.#head.length < 2 + lengthBytes + 4) return null;
    const mask = Uint8Array.from(this.#head.slice(-4));
    this.#head = [];
    return { isLast, opcode, mask, payload: new Uint8Array(length), filled: 0 };
  }

  #checkOpcode(opcode: number, isLast: boolean, length: number): void {
    const fault = (why: string) => new FrameError(closeCodes.protocolError, why);
    switch (opcode) {
      case opcodes.continuation:
        if (this.#fragments === null) throw fault("A fragment belongs to no message");
        return;
      case opcodes.text:
      case opcodes.binary:
        if (this.#fragments !== null) throw fault("A message begins within another");
        return;
      case opcodes.close:
      case opcodes.ping:
      case opcodes.pong:
        if (!isLast || length > CONTROL_BYTES_MAX) {
          throw fault("A control frame is too long, or in fragments");
        }
        return;
      default:
        throw fault(`Opcode ${opcode} is not known`);
    }
  }

  /** What a whole frame makes whole. */
  #end({ isLast, opcode, mask, payload }: Frame): ClientFrame | null {
    for (let at = 0; at < payload.length; at++) payload[at] = (payload[at] ?? 0) ^ (mask[at & 3] ?? 0);
    switch (opcode) {
      case opcodes.ping:
        return { type: "ping", payload };
      case opcodes.pong:
        return { type: "pong" };
      case opcodes.close:
        return { type: "close", code: closeCode(payload) };
    }
    const message = this.#fragments ??= { opcode, parts: [], bytes: 0 };
    message.parts.push(payload);
    message.bytes += payload.length;
    // Empty fragments would be many parts of nothing.
    if (payload.length === 0 && message.parts.length > 1) message.parts.pop();
    if (!isLast) return null;
    this.#fragments = null;
    if (message.opcode === opcodes.binary) return { type: "message", text: null };
    return { type: "message", text: textOf(message.parts) };
  }
}

function textOf(parts: readonly Uint8Array[]): string {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  try {
    return utf8.decode(bytes);
  } catch {
    throw new FrameError(closeCodes.invalidData, "A text is not UTF-8");
  }
}

/** The code that a client closes with, to be given back. */
function closeCode(payload: Uint8Array): number {
  if (payload.length === 0) return closeCodes.normal;
  const code = (payload[0] ?? 0) << 8 | (payload[1] ?? 0);
  const isKnown = (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) ||
    (code >= 3000 && code <= 4999);
  if (payload.length === 1 || !isKnown) {
    throw new FrameError(closeCodes.protocolError, "A close has no code, or a wrong one");
  }
  textOf([payload.subarray(2)]);
  return code;
}

/** A frame of the server: whole, and without a mask. */
export function serverFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const headBytes = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = new Uint8Array(headBytes + length);
  const view = new DataView(frame.buffer);
  frame[0] = 0x80 | opcode;
  frame[1] = headBytes === 2 ? length : headBytes === 4 ? 126 : 127;
  if (headBytes === 4) view.setUint16(2, length);
  if (headBytes === 10) view.setBigUint64(2, BigInt(length));
  frame.set(payload, headBytes);
  return frame;
}

export function textFrame(text: string): Uint8Array {
  return serverFrame(opcodes.text, encoder.encode(text));
}

/** A reason that is too long for the frame is cut. */
export function closeFrame(code: number, reason: string): Uint8Array {
  const payload = new Uint8Array(CONTROL_BYTES_MAX);
  new DataView(payload.buffer).setUint16(0, code);
  const { written } = encoder.encodeInto(reason, payload.subarray(2));
  return serverFrame(opcodes.close, payload.subarray(0, 2 + written));
}
