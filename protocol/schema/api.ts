/**
 * An API: the pair of messages under one key, as one declaration. Pure.
 */
import type { ByteReader } from "../../lib/bytes.ts";
import { invariant } from "../../lib/invariant.ts";
import { type Fields, type InputOf, type Struct, struct, type ValueOf } from "./fields.ts";
import { encodeParts, Message } from "./message.ts";
import { contains } from "./version_range.ts";

export interface Api<Q extends Fields = Fields, R extends Fields = Fields> {
  readonly key: number;
  /** Kafka's name, e.g. `Heartbeat`. */
  readonly name: string;
  readonly minVersion: number;
  readonly maxVersion: number;
  /** First version that ApiVersions names; below `minVersion` where clients need that without ever being served it. */
  readonly advertisedMin: number;
  readonly request: Message<Struct<Q>>;
  readonly response: Message<Struct<R>>;
}

/** The decoded request: every field, those that the version lacks with their defaults. */
export type RequestOf<A extends Api> = ValueOf<A["request"]["struct"]>;
/** The decoded response. */
export type ResponseOf<A extends Api> = ValueOf<A["response"]["struct"]>;
/** What encoding takes for a request: fields with a default, or not in all versions, may be left out. */
export type RequestInput<A extends Api> = InputOf<A["request"]["struct"]>;
/** What encoding takes for a response. */
export type ResponseInput<A extends Api> = InputOf<A["response"]["struct"]>;

export interface ApiOptions<Q extends Fields, R extends Fields> {
  readonly key: number;
  readonly name: string;
  /** Versions that can be decoded and encoded, e.g. `"0-4"`. */
  readonly versions: string;
  /** First flexible version, e.g. `"4+"`. */
  readonly flexible: string;
  readonly advertisedMin?: number;
  /** The fields in wire order; asked for once, on first use. */
  readonly request: () => Q;
  readonly response: () => R;
}

/** Declares an API. */
export function api<const Q extends Fields, const R extends Fields>(options: ApiOptions<Q, R>): Api<Q, R> {
  const { key, name, versions, flexible } = options;
  const range = { versions, flexible };
  const request = new Message({ ...range, name: `${name}Request`, struct: () => struct(options.request()) });
  const response = new Message({
    ...range,
    name: `${name}Response`,
    struct: () => struct(options.response()),
  });
  const { min, max } = request.versions;
  invariant(Number.isFinite(max), `Versions of ${name} have no end`);
  return {
    key,
    name,
    minVersion: min,
    maxVersion: max,
    advertisedMin: options.advertisedMin ?? min,
    request,
    response,
  };
}

/** Whether the table covers the version. */
export function supportsVersion(api: Api, version: number): boolean {
  return version >= api.minVersion && version <= api.maxVersion;
}

/** Whether the version uses compact lengths and tagged fields (KIP-482). */
export function isFlexible(api: Api, version: number): boolean {
  return contains(api.request.flexibleVersions, version);
}

// The version must be one that the table covers: ask `supportsVersion` first.

/** The body of a request, in parts. Throws `EncodeError`. */
export function encodeRequest<A extends Api>(api: A, version: number, value: RequestInput<A>): Uint8Array[] {
  return encodeParts((writer) => api.request.encode(writer, version, value));
}

/**
 * Reads `reader` as a request body. Bytes behind the last field are left unread, as Kafka leaves them: librdkafka sends
 * three of them when it asks Metadata for all topics. Throws `DecodeError`.
 */
export function decodeRequest<A extends Api>(api: A, version: number, reader: ByteReader): RequestOf<A> {
  return api.request.decode(reader, version) as RequestOf<A>;
}

/** The body of a response, in parts. Throws `EncodeError`. */
export function encodeResponse<A extends Api>(
  api: A,
  version: number,
  value: ResponseInput<A>,
): Uint8Array[] {
  return encodeParts((writer) => api.response.encode(writer, version, value));
}

/** Reads the rest of `reader` as a response body. Throws `DecodeError`, also when bytes are left over. */
export function decodeResponse<A extends Api>(api: A, version: number, reader: ByteReader): ResponseOf<A> {
  const value = api.response.decode(reader, version);
  reader.end();
  return value as ResponseOf<A>;
}
