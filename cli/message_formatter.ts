/**
 * From a record to a line: the columns and separators of Kafka's DefaultMessageFormatter. Values go through byte for
 * byte. Pure.
 */
import type { ConsumedRecord } from "../client/mod.ts";
import { UsageError, utf8 } from "./command_line.ts";

/** Text of a key or value whose type is named by a deserializer. */
type Deserializer = (bytes: Uint8Array) => Uint8Array;

const COLUMNS = ["timestamp", "partition", "offset", "delivery", "epoch", "headers", "key", "value"] as const;
type Column = typeof COLUMNS[number];

const BYTES: Deserializer = (bytes) => bytes;

/** By the last part of the class name; values that do not have the right size are an error. */
const DESERIALIZERS: Readonly<Record<string, Deserializer>> = {
  StringDeserializer: BYTES,
  ByteArrayDeserializer: BYTES,
  BytesDeserializer: BYTES,
  ByteBufferDeserializer: BYTES,
  LongDeserializer: numberReader(8, (view) => String(view.getBigInt64(0))),
  IntegerDeserializer: numberReader(4, (view) => String(view.getInt32(0))),
  ShortDeserializer: numberReader(2, (view) => String(view.getInt16(0))),
  DoubleDeserializer: numberReader(8, (view) => String(view.getFloat64(0))),
  FloatDeserializer: numberReader(4, (view) => String(view.getFloat32(0))),
};

const SEPARATORS = {
  "key.separator": "\t",
  "line.separator": "\n",
  "headers.separator": ",",
  "null.literal": "null",
} as const;

const INITIAL_BYTES = 64 * 1024;

/** A record, and how often it was delivered where that is counted. */
export type FormattedRecord = ConsumedRecord & { readonly deliveryCount?: number };

export class MessageFormatter {
  readonly #columns: readonly Column[];
  readonly #keySeparator: Uint8Array;
  readonly #lineSeparator: Uint8Array;
  readonly #headersSeparator: Uint8Array;
  readonly #nullLiteral: Uint8Array;
  readonly #keyDeserializer: Deserializer;
  readonly #valueDeserializer: Deserializer;
  readonly #headersDeserializer: Deserializer;
  #buffer = new Uint8Array(INITIAL_BYTES);
  #size = 0;

  /** Throws `UsageError` for a property that it does not know. */
  constructor(properties: ReadonlyMap<string, string>) {
    const left = new Map(properties);
    const take = (name: string) => {
      const value = left.get(name);
      left.delete(name);
      return value;
    };
    this.#columns = COLUMNS.filter((column) => isTrue(take(`print.${column}`) ?? String(column === "value")));
    const separator = (name: keyof typeof SEPARATORS) => utf8(take(name) ?? SEPARATORS[name]);
    this.#keySeparator = separator("key.separator");
    this.#lineSeparator = separator("line.separator");
    this.#headersSeparator = separator("headers.separator");
    this.#nullLiteral = separator("null.literal");
    this.#keyDeserializer = deserializer(take("key.deserializer"));
    this.#valueDeserializer = deserializer(take("value.deserializer"));
    this.#headersDeserializer = deserializer(take("headers.deserializer"));
    const [unknown] = left.keys();
    if (unknown !== undefined) throw new UsageError(`Formatter property "${unknown}" is not known`);
  }

  /** Adds a record's line. Throws, and adds nothing, when a deserializer cannot read it. */
  add(record: FormattedRecord): void {
    const start = this.#size;
    try {
      this.#columns.forEach((column, i) => {
        this.#addColumn(column, record);
        const isLast = i === this.#columns.length - 1;
        this.#add(isLast ? this.#lineSeparator : this.#keySeparator);
      });
    } catch (error) {
      this.#size = start;
      throw error;
    }
  }

  /** What was added, and begins anew. The bytes are valid until the next `add`. */
  take(): Uint8Array {
    const bytes = this.#buffer.subarray(0, this.#size);
    this.#size = 0;
    return bytes;
  }

  #addColumn(column: Column, record: FormattedRecord): void {
    switch (column) {
      case "timestamp":
        return this.#addText(
          record.timestamp < 0 ? "NO_TIMESTAMP" : `${record.timestampType}:${record.timestamp}`,
        );
      case "partition":
        return this.#addText(`Partition:${record.partition}`);
      case "offset":
        return this.#addText(`Offset:${record.offset}`);
      case "delivery":
        return this.#addText(`Delivery:${record.deliveryCount ?? "NOT_PRESENT"}`);
      case "epoch":
        return this.#addText(`Epoch:${record.leaderEpoch < 0 ? "NOT_PRESENT" : record.leaderEpoch}`);
      case "headers":
        return this.#addHeaders(record.headers);
      case "key":
        return this.#add(this.#read(record.key, this.#keyDeserializer));
      case "value":
        return this.#add(this.#read(record.value, this.#valueDeserializer));
    }
  }

  #addHeaders(headers: ConsumedRecord["headers"]): void {
    if (headers.length === 0) return this.#addText("NO_HEADERS");
    headers.forEach((header, i) => {
      if (i > 0) this.#add(this.#headersSeparator);
      this.#addText(`${header.key}:`);
      this.#add(this.#read(header.value, this.#headersDeserializer));
    });
  }

  #read(bytes: Uint8Array | null, read: Deserializer): Uint8Array {
    return bytes === null ? this.#nullLiteral : read(bytes);
  }

  #addText(text: string): void {
    this.#add(utf8(text));
  }

  #add(bytes: Uint8Array): void {
    const end = this.#size + bytes.length;
    if (end > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(end, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#size));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#size);
    this.#size = end;
  }
}

function isTrue(text: string): boolean {
  return text.trim().toLowerCase() === "true";
}

function deserializer(className: string | undefined): Deserializer {
  if (className === undefined) return BYTES;
  const found = DESERIALIZERS[className.split(".").at(-1) ?? ""];
  if (found === undefined) throw new UsageError(`Deserializer "${className}" is not known`);
  return found;
}

function numberReader(sizeInBytes: number, read: (view: DataView) => string): Deserializer {
  return (bytes) => {
    if (bytes.length !== sizeInBytes) {
      throw new UsageError(`Cannot read a number of ${sizeInBytes} bytes: the record has ${bytes.length}`);
    }
    return utf8(read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length)));
  };
}
