/**
 * Cuts a byte stream into lines, without looking at what the bytes mean. Pure.
 */

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** A line that is longer than the splitter was told to accept. */
export class LineTooLongError extends Error {
  override readonly name = "LineTooLongError";
}

/** Takes chunks, gives lines: views of the chunks where a line lies in one, without `\n` or `\r\n`. */
export class LineSplitter {
  readonly #lineBytesMax: number;
  /** The beginning of a line whose end has not come yet. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** The lines that the chunk completes. The chunk must not be changed afterwards. Throws `LineTooLongError`. */
  push(chunk: Uint8Array): Uint8Array[] {
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      lines.push(withoutCarriageReturn(this.#complete(chunk.subarray(start, end))));
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
    return lines;
  }

  /** The last line, if the stream did not end with a line feed. */
  end(): Uint8Array[] {
    return this.#pieces.length === 0 ? [] : [withoutCarriageReturn(this.#complete(new Uint8Array(0)))];
  }

  #keep(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
    if (this.#pieceBytes > this.#lineBytesMax) {
      throw new LineTooLongError(`Line of more than ${this.#lineBytesMax} bytes`);
    }
  }

  #complete(last: Uint8Array): Uint8Array {
    if (this.#pieces.length === 0) return last;
    const line = new Uint8Array(this.#pieceBytes + last.length);
    let at = 0;
    for (const piece of [...this.#pieces, last]) {
      line.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [];
    this.#pieceBytes = 0;
    return line;
  }
}

function withoutCarriageReturn(line: Uint8Array): Uint8Array {
  return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
}
