/**
 * A message: one struct in a range of versions. The struct and the codec of each version are made on first use. Pure,
 * apart from these caches and one warm buffer, none of which can be seen from outside.
 */
import { ByteReader, ByteWriter } from "../../lib/bytes.ts";
import { invariant } from "../../lib/invariant.ts";
import { closureCodec } from "./closures.ts";
import { compileCodec } from "./compile.ts";
import type { Fields, InputOf, Struct, ValueOf } from "./fields.ts";
import { planStruct } from "./plan.ts";
import { contains, type VersionRange, versionRange } from "./version_range.ts";

/** Encoder and decoder of one struct in one version. */
export interface Codec {
  encode(writer: ByteWriter, value: unknown): void;
  decode(reader: ByteReader): unknown;
}

export class Message<S extends Struct = Struct> {
  readonly name: string;
  readonly versions: VersionRange;
  /** Versions with compact lengths and tagged fields (KIP-482). */
  readonly flexibleVersions: VersionRange;
  readonly #makeStruct: () => S;
  #struct: S | undefined;
  readonly #codecs: Codec[] = [];

  constructor(options: { name: string; versions: string; flexible: string; struct: () => S }) {
    this.name = options.name;
    this.#makeStruct = options.struct;
    this.versions = versionRange(options.versions);
    this.flexibleVersions = versionRange(options.flexible);
  }

  /** Not made before somebody asks: a program loads the tables of all APIs and uses few of them. */
  get struct(): S {
    return this.#struct ??= this.#makeStruct();
  }

  /** Appends a value. Throws `EncodeError` when it does not fit the table. */
  encode(writer: ByteWriter, version: number, value: InputOf<S>): void {
    this.#codec(version).encode(writer, value);
  }

  /** Reads a value; leaves what follows it unread. Throws `DecodeError`. */
  decode(reader: ByteReader, version: number): ValueOf<S> {
    return this.#codec(version).decode(reader) as ValueOf<S>;
  }

  #codec(version: number): Codec {
    const known = this.#codecs[version];
    if (known !== undefined) return known;
    invariant(
      Number.isInteger(version) && contains(this.versions, version),
      `${this.name} has no version ${version}`,
    );
    const codec = makeCodec(this, version);
    this.#codecs[version] = codec;
    return codec;
  }
}

/** `codegen: "never"` gives the closures: for tests, and where code generation is forbidden. */
export function makeCodec(
  message: Message,
  version: number,
  codegen: "if allowed" | "never" = "if allowed",
): Codec {
  const plan = planStruct(message.struct, version, contains(message.flexibleVersions, version));
  return (codegen === "never" ? null : compileCodec(plan)) ?? closureCodec(plan);
}

/** A message that stands alone, such as a payload inside another message. */
export function message<const F extends Fields>(options: {
  name: string;
  versions: string;
  flexible: string;
  struct: Struct<F>;
}): Message<Struct<F>> {
  const { struct, ...rest } = options;
  return new Message({ ...rest, struct: () => struct });
}

// Encoding runs to its end without a pause, so one buffer serves all messages.
const shared = new ByteWriter(16 * 1024);

/** Runs `write` on a shared, empty writer and returns what it wrote. Must not be nested. */
export function encodeParts(write: (writer: ByteWriter) => void): Uint8Array[] {
  // What an earlier failure left behind goes first.
  shared.reset();
  write(shared);
  return shared.finish();
}
