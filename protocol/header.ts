/**
 * Request and response headers, and whole frames with their 4-byte size in front.
 *
 * Request header version 1 has key, version, correlation id and client id; version 2 adds tagged fields (KIP-482) and
 * goes with flexible request versions. Response header 0 is the correlation id; 1 adds tagged fields. Two exceptions keep
 * the first exchange readable whatever versions the peers have: the client id is never compact, and the response to
 * ApiVersions always has header 0 (KIP-511). Source: Kafka's RequestHeader and ResponseHeader. Pure.
 */
import type { ByteReader, ByteWriter } from "../lib/bytes.ts";
import { API_VERSIONS_KEY, apiByKey } from "./messages/all.ts";
import { type Api, isFlexible, type RequestInput, type ResponseInput } from "./schema/api.ts";
import { encodeParts } from "./schema/message.ts";

export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  /** Null when the client does not name itself. */
  readonly clientId: string | null;
}

/** Header version of a request: 1 or 2. */
export function requestHeaderVersion(api: Api, apiVersion: number): 1 | 2 {
  return isFlexible(api, apiVersion) ? 2 : 1;
}

/** Header version of a response: 0 or 1. */
export function responseHeaderVersion(api: Api, apiVersion: number): 0 | 1 {
  return api.key !== API_VERSIONS_KEY && isFlexible(api, apiVersion) ? 1 : 0;
}

/**
 * Reads a request's header. Of an API without a table the form of the rest is unknown: then the reader stands
 * after the client id, and the body cannot be read. Throws `DecodeError`.
 */
export function decodeRequestHeader(reader: ByteReader): RequestHeader {
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const clientId = reader.nullableString();
  const api = apiByKey.get(apiKey);
  if (api !== undefined && requestHeaderVersion(api, apiVersion) === 2) skipTaggedFields(reader);
  return { apiKey, apiVersion, correlationId, clientId };
}

/** Reads a response's header and returns the correlation id. Throws `DecodeError`. */
export function decodeResponseHeader(api: Api, apiVersion: number, reader: ByteReader): number {
  const correlationId = reader.int32();
  if (responseHeaderVersion(api, apiVersion) === 1) skipTaggedFields(reader);
  return correlationId;
}

/** A whole request with its size, in parts ready to be sent. Throws `EncodeError`. */
export function encodeRequestFrame<A extends Api>(
  api: A,
  apiVersion: number,
  correlationId: number,
  clientId: string | null,
  value: RequestInput<A>,
): Uint8Array[] {
  return encodeFrame((writer) => {
    writer.int16(api.key);
    writer.int16(apiVersion);
    writer.int32(correlationId);
    writer.nullableString(clientId);
    if (requestHeaderVersion(api, apiVersion) === 2) writer.unsignedVarint(0);
    api.request.encode(writer, apiVersion, value);
  });
}

/** A whole response with its size, in parts ready to be sent. Throws `EncodeError`. */
export function encodeResponseFrame<A extends Api>(
  api: A,
  apiVersion: number,
  correlationId: number,
  value: ResponseInput<A>,
): Uint8Array[] {
  return encodeFrame((writer) => {
    writer.int32(correlationId);
    if (responseHeaderVersion(api, apiVersion) === 1) writer.unsignedVarint(0);
    api.response.encode(writer, apiVersion, value);
  });
}

function encodeFrame(write: (writer: ByteWriter) => void): Uint8Array[] {
  return encodeParts((writer) => {
    const sizeAt = writer.reserveInt32();
    write(writer);
    writer.patchInt32(sizeAt, writer.size - 4);
  });
}

function skipTaggedFields(reader: ByteReader): void {
  for (let count = reader.unsignedVarint(); count > 0; count--) {
    reader.unsignedVarint();
    reader.skip(reader.unsignedVarint());
  }
}
