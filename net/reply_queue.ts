/**
 * The replies of one connection: written in the order of the requests, several small ones in one write, while later ones are
 * still being worked on. `full` is what makes the connection stop reading.
 */
import type { Conn } from "../lib/env.ts";

/** Parts up to this size are gathered into one write. */
const GATHERED_BYTES_MAX = 64 * 1024;

export interface ReplyQueueOptions {
  readonly conn: Conn;
  /** Requests taken and not yet answered. */
  readonly requestCountMax: number;
  /** Reply bytes waiting to be written. */
  readonly bytesMax: number;
}

interface Slot {
  /** Null until the reply is known; empty when the request gets none. */
  parts: readonly Uint8Array[] | null;
  bytes: number;
}

export class ReplyQueue {
  readonly #options: ReplyQueueOptions;
  #slots: Slot[] = [];
  #bytes = 0;
  #writing: Promise<void> | null = null;
  #isWriting = false;
  #failure: unknown = null;
  #onRoom: (() => void)[] = [];

  constructor(options: ReplyQueueOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#slots.length;
  }

  get full(): boolean {
    return this.#slots.length >= this.#options.requestCountMax || this.#bytes >= this.#options.bytesMax;
  }

  /** Takes the next place in line and returns how to fill it, which tells how many bytes that were. */
  reserve(): (parts: readonly Uint8Array[]) => number {
    const slot: Slot = { parts: null, bytes: 0 };
    this.#slots.push(slot);
    return (parts) => {
      slot.parts = parts;
      slot.bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
      this.#bytes += slot.bytes;
      if (this.#slots[0] === slot) this.#startWriting();
      return slot.bytes;
    };
  }

  /** Resolves when the queue is no longer full, or at once. Throws when the connection broke. */
  async room(): Promise<void> {
    while (this.full && this.#failure === null) {
      await new Promise<void>((resolve) => this.#onRoom.push(resolve));
    }
    if (this.#failure !== null) throw this.#failure;
  }

  /** Resolves when everything reserved so far is answered and written. Throws when the connection broke. */
  async drained(): Promise<void> {
    while (this.#slots.length > 0 && this.#failure === null) {
      await new Promise<void>((resolve) => this.#onRoom.push(resolve));
    }
    await this.#writing;
    if (this.#failure !== null) throw this.#failure;
  }

  /** Wakes whoever waits: the connection is over. */
  fail(reason: unknown): void {
    this.#failure ??= reason;
    this.#wake();
  }

  #startWriting(): void {
    if (this.#isWriting || this.#failure !== null) return;
    this.#isWriting = true;
    this.#writing = this.#write().catch((error: unknown) => {
      this.#isWriting = false;
      this.fail(error);
    });
  }

  async #write(): Promise<void> {
    for (;;) {
      const { parts, bytes, count } = this.#takeReady();
      if (count === 0) {
        // In the same turn as the look: whoever fills the next slot later must find that nobody writes.
        this.#isWriting = false;
        this.#wake();
        return;
      }
      for (const chunk of gather(parts)) await writeAll(this.#options.conn, chunk);
      this.#bytes -= bytes;
      this.#wake();
    }
  }

  #takeReady(): { parts: Uint8Array[]; bytes: number; count: number } {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    let count = 0;
    for (const slot of this.#slots) {
      if (slot.parts === null) break;
      parts.push(...slot.parts);
      bytes += slot.bytes;
      count += 1;
    }
    if (count > 0) this.#slots = this.#slots.slice(count);
    return { parts, bytes, count };
  }

  #wake(): void {
    const waiting = this.#onRoom;
    this.#onRoom = [];
    for (const wake of waiting) wake();
  }
}

/** Joins runs of small parts; large ones pass as they are. */
function gather(parts: readonly Uint8Array[]): Uint8Array[] {
  const first = parts[0];
  if (first === undefined) return [];
  if (parts.length === 1) return [first];
  const chunks: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  let runBytes = 0;
  const flush = () => {
    if (run.length > 0) {
      chunks.push(run.length === 1 && run[0] !== undefined ? run[0] : joined(run, runBytes));
    }
    run = [];
    runBytes = 0;
  };
  for (const part of parts) {
    if (runBytes + part.byteLength > GATHERED_BYTES_MAX) flush();
    run.push(part);
    runBytes += part.byteLength;
  }
  flush();
  return chunks;
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

async function writeAll(conn: Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) at += await conn.write(bytes.subarray(at));
}
