/**
 * Gathers bytes that come in pieces into one buffer, which doubles: a million pieces of a byte cost a million bytes, not a million
 * arrays. Pure.
 */
const KEPT_BYTES_MAX = 64 * 1024;
const BYTES_MIN = 1_024;

const noBytes = new Uint8Array(0);

export class ByteGatherer {
  #buffer: Uint8Array<ArrayBuffer> = noBytes;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(piece: Uint8Array): void {
    const length = this.#length + piece.byteLength;
    if (length > this.#buffer.byteLength) {
      const larger = new Uint8Array(Math.max(length, this.#buffer.byteLength * 2, BYTES_MIN));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = length;
  }

  /** All that was gathered, as a view that the next `push` may write over; begins anew. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    if (this.#buffer.byteLength > KEPT_BYTES_MAX) this.#buffer = noBytes;
    return taken;
  }
}
