/**
 * The file of `kavka backup`: a copy of topics as frames, each with a length and a checksum of its own, so that a file that was cut
 * short or changed is told from a whole one. What a restore needs to know comes first, and the last frame counts the others.
 *
 * ```
 * file:  magic "KAVKABK1" | frames
 * frame: type u8 | payload length u32 | payload | CRC-32C u32 of everything before it in the frame
 * type   1 HEADER   JSON, `BackupHeader`
 *        2 BATCHES  topic index u32 | partition u32 | stored record batches, whole, in the order of the log
 *        3 GROUP    JSON, `BackupGroup`
 *        4 END      JSON, `BackupEnd`
 *        5 FAILED   JSON string: why the server could not go on
 * ```
 * A new version of the format has another magic. Readers skip frames of types that they do not know.
 */
import { crc32c } from "../../lib/crc32c.ts";

export interface BackupTopic {
  readonly name: string;
  /** What was set for the topic itself, by Kafka's names. */
  readonly configs: Readonly<Record<string, string>>;
  /** In order; the copy holds what lies from log start to end. */
  readonly partitions: readonly { readonly logStartOffset: number; readonly endOffset: number }[];
}

export interface BackupHeader {
  readonly clusterId: string | null;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  readonly topics: readonly BackupTopic[];
  /** About how large the file becomes, for a progress bar. */
  readonly estimatedBytes: number;
}

export interface BackupGroup {
  readonly groupId: string;
  readonly offsets: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
    readonly metadata: string;
  }[];
}

export interface BackupEnd {
  readonly batchFrames: number;
  readonly batchBytes: number;
  readonly groups: number;
}

export type BackupFrame =
  | { readonly type: "header"; readonly header: BackupHeader }
  | {
    readonly type: "batches";
    readonly topicIndex: number;
    readonly partition: number;
    readonly bytes: Uint8Array;
  }
  | { readonly type: "group"; readonly group: BackupGroup }
  | { readonly type: "end"; readonly end: BackupEnd }
  | { readonly type: "failed"; readonly why: string };

/** The file is no backup, was cut short or changed, or says itself that it is none. */
export class BackupFormatError extends Error {
  override readonly name = "BackupFormatError";
}

const MAGIC = "KAVKABK1";
const TYPE = { header: 1, batches: 2, group: 3, end: 4, failed: 5 } as const;
const FRAME_HEAD_BYTES = 5;
const CRC_BYTES = 4;
const BATCHES_HEAD_BYTES = 8;
/** A batch of the largest size that a request can bring, and a header that names very many partitions. */
export const BACKUP_FRAME_BYTES_MAX = 128 * 1_024 * 1_024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What a file begins with. */
export function backupMagic(): Uint8Array {
  return encoder.encode(MAGIC);
}

/** One frame, ready to be written. */
export function encodeBackupFrame(frame: BackupFrame): Uint8Array {
  switch (frame.type) {
    case "header":
      return encodeJson(TYPE.header, frame.header);
    case "group":
      return encodeJson(TYPE.group, frame.group);
    case "end":
      return encodeJson(TYPE.end, frame.end);
    case "failed":
      return encodeJson(TYPE.failed, frame.why);
    case "batches": {
      const payload = new Uint8Array(BATCHES_HEAD_BYTES + frame.bytes.length);
      const view = new DataView(payload.buffer);
      view.setUint32(0, frame.topicIndex);
      view.setUint32(4, frame.partition);
      payload.set(frame.bytes, BATCHES_HEAD_BYTES);
      return encodeFrame(TYPE.batches, payload);
    }
  }
}

function encodeJson(type: number, value: unknown): Uint8Array {
  return encodeFrame(type, encoder.encode(JSON.stringify(value)));
}

function encodeFrame(type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEAD_BYTES + payload.length + CRC_BYTES);
  const view = new DataView(frame.buffer);
  view.setUint8(0, type);
  view.setUint32(1, payload.length);
  frame.set(payload, FRAME_HEAD_BYTES);
  const end = FRAME_HEAD_BYTES + payload.length;
  view.setUint32(end, crc32c(frame.subarray(0, end)));
  return frame;
}

/**
 * Reads a backup that comes in pieces of any size. Throws `BackupFormatError` for anything that is not a whole backup, as soon
 * as it shows, at the latest in `finish`.
 */
export class BackupReader {
  #pieces: Uint8Array[] = [];
  #pending = 0;
  /** Bytes before the pending ones. */
  #position = 0;
  #hasMagic = false;
  #hasHeader = false;
  #isEnded = false;
  #batchFrames = 0;
  #batchBytes = 0;
  #groups = 0;

  /** The frames that the piece completes, in order. Keep no piece longer than its frames. */
  push(piece: Uint8Array): BackupFrame[] {
    this.#pieces.push(piece);
    this.#pending += piece.length;
    const frames: BackupFrame[] = [];
    if (!this.#hasMagic) {
      const magic = this.#take(MAGIC.length);
      if (magic === null) return frames;
      if (decoder.decode(magic) !== MAGIC) {
        throw new BackupFormatError("It is no backup of Kavka, or one of a newer Kavka");
      }
      this.#hasMagic = true;
    }
    while (true) {
      const payload = this.#nextPayload();
      if (payload === null) break;
      const frame = decodeFrame(payload.type, payload.bytes);
      if (frame === null) continue;
      this.#check(frame);
      frames.push(frame);
    }
    if (this.#isEnded && this.#pending > 0) throw new BackupFormatError("Something follows its end");
    return frames;
  }

  /** To be called when nothing more comes. */
  finish(): void {
    if (this.#isEnded) return;
    throw new BackupFormatError(`It was cut short, at byte ${this.#position + this.#pending}`);
  }

  #check(frame: BackupFrame): void {
    if (this.#isEnded) throw new BackupFormatError("Something follows its end");
    if (frame.type === "failed") throw new BackupFormatError(`It was never finished: ${frame.why}`);
    if (this.#hasHeader === (frame.type === "header")) {
      throw new BackupFormatError("Its header is not where it should be");
    }
    this.#hasHeader = true;
    if (frame.type === "batches") {
      this.#batchFrames++;
      this.#batchBytes += frame.bytes.length;
    } else if (frame.type === "group") this.#groups++;
    if (frame.type !== "end") return;
    const { batchFrames, batchBytes, groups } = frame.end;
    if (batchFrames !== this.#batchFrames || batchBytes !== this.#batchBytes || groups !== this.#groups) {
      throw new BackupFormatError("Parts of it are missing");
    }
    this.#isEnded = true;
  }

  /** Null while the next frame is not complete. */
  #nextPayload(): { readonly type: number; readonly bytes: Uint8Array } | null {
    const head = this.#peek(FRAME_HEAD_BYTES);
    if (head === null) return null;
    const length = new DataView(head.buffer, head.byteOffset).getUint32(1);
    if (length > BACKUP_FRAME_BYTES_MAX) {
      throw new BackupFormatError(`It is damaged at byte ${this.#position}`);
    }
    const at = this.#position;
    const frame = this.#take(FRAME_HEAD_BYTES + length + CRC_BYTES);
    if (frame === null) return null;
    const end = FRAME_HEAD_BYTES + length;
    const crc = new DataView(frame.buffer, frame.byteOffset).getUint32(end);
    if (crc32c(frame, 0, end) !== crc) throw new BackupFormatError(`It is damaged at byte ${at}`);
    return { type: frame[0] ?? 0, bytes: frame.subarray(FRAME_HEAD_BYTES, end) };
  }

  #take(length: number): Uint8Array | null {
    const taken = this.#peek(length);
    if (taken === null) return null;
    this.#pending -= length;
    this.#position += length;
    this.#pieces = this.#pending === 0
      ? []
      : [(this.#pieces[0] ?? taken).subarray(length), ...this.#pieces.slice(1)];
    return taken;
  }

  /** The next bytes, as one piece; null when there are not so many yet. */
  #peek(length: number): Uint8Array | null {
    if (this.#pending < length) return null;
    const [first] = this.#pieces;
    if (first !== undefined && first.length >= length) return first.subarray(0, length);
    const whole = joined(this.#pieces, this.#pending);
    this.#pieces = [whole];
    return whole.subarray(0, length);
  }
}

function decodeFrame(type: number, payload: Uint8Array): BackupFrame | null {
  const json = () => JSON.parse(decoder.decode(payload));
  switch (type) {
    case TYPE.header:
      return { type: "header", header: json() };
    case TYPE.group:
      return { type: "group", group: json() };
    case TYPE.end:
      return { type: "end", end: json() };
    case TYPE.failed:
      return { type: "failed", why: json() };
    case TYPE.batches: {
      if (payload.length < BATCHES_HEAD_BYTES) throw new BackupFormatError("A frame of batches is too short");
      const view = new DataView(payload.buffer, payload.byteOffset);
      return {
        type: "batches",
        topicIndex: view.getUint32(0),
        partition: view.getUint32(4),
        bytes: payload.subarray(BATCHES_HEAD_BYTES),
      };
    }
    default:
      return null;
  }
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
