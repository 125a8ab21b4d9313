/**
 * Cuts a byte stream into Kafka frames: a 4-byte size, then that many bytes. A frame gets a buffer of its own, because
 * record batches in it live on in commits and in the tail cache; large frames are read straight into it, and its
 * buffer grows with the bytes that arrive, never from the size field alone.
 */
import type { Conn } from "../lib/env.ts";

/** The stream is not Kafka's protocol, or breaks a bound: the connection is closed. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/** Bytes asked of the socket at a time for small frames: few for a connection that says little, more once it fills them. */
const STAGING_BYTES_MIN = 2 * 1024;
const STAGING_BYTES_MAX = 64 * 1024;
/** A frame's buffer is so many times what has arrived of it, up to the size below, and twice as much beyond. */
const TRUST = 16;
const TRUSTED_BYTES = 1024 * 1024;
/** The smallest request header: key, version, correlation id, client id length. */
const FRAME_BYTES_MIN = 8;

export class FrameReader {
  readonly #conn: Conn;
  readonly #frameBytesMax: number;
  #staging = new Uint8Array(STAGING_BYTES_MIN);
  #start = 0;
  #end = 0;
  /** The last read filled it to its end: more was waiting. */
  #filled = false;

  constructor(conn: Conn, frameBytesMax: number) {
    this.#conn = conn;
    this.#frameBytesMax = frameBytesMax;
  }

  /** The next frame without its size; null at the end of the stream. Throws `FrameError`. */
  async next(): Promise<Uint8Array | null> {
    while (this.#end - this.#start < 4) {
      if (!await this.#fillStaging()) {
        if (this.#end === this.#start) return null;
        throw new FrameError("The stream ended inside a frame's size");
      }
    }
    const size = new DataView(this.#staging.buffer, this.#start, 4).getInt32(0);
    if (size < FRAME_BYTES_MIN || size > this.#frameBytesMax) {
      throw new FrameError(
        `Frame size ${size} is outside ${FRAME_BYTES_MIN} to ${this.#frameBytesMax} bytes`,
      );
    }
    this.#start += 4;
    return await this.#body(size);
  }

  async #body(size: number): Promise<Uint8Array> {
    let filled = Math.min(size, this.#end - this.#start);
    let frame = new Uint8Array(roomFor(filled, size));
    frame.set(this.#staging.subarray(this.#start, this.#start + filled));
    this.#start += filled;
    while (filled < size) {
      if (filled === frame.byteLength) frame = grown(frame, size);
      const count = await this.#conn.read(frame.subarray(filled));
      if (count === null) throw new FrameError(`The stream ended after ${filled} of a frame's ${size} bytes`);
      filled += count;
    }
    return frame;
  }

  async #fillStaging(): Promise<boolean> {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    const grows = this.#filled && this.#staging.byteLength < STAGING_BYTES_MAX;
    if (grows || this.#start > this.#staging.byteLength - 4) {
      const left = this.#staging.subarray(this.#start, this.#end);
      if (grows) this.#staging = new Uint8Array(STAGING_BYTES_MAX);
      this.#staging.set(left);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const count = await this.#conn.read(this.#staging.subarray(this.#end));
    if (count === null) return false;
    this.#end += count;
    this.#filled = this.#end === this.#staging.byteLength;
    return true;
  }
}

/** Silence behind a size must not cost its bytes: a buffer that nobody has written to may still be resident memory. */
function roomFor(arrivedBytes: number, size: number): number {
  const trusted = Math.min(arrivedBytes * TRUST, TRUSTED_BYTES);
  return Math.min(size, Math.max(STAGING_BYTES_MIN, trusted, arrivedBytes * 2));
}

function grown(frame: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(roomFor(frame.byteLength, size));
  larger.set(frame);
  return larger;
}
