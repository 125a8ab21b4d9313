/**
 * `["m", "k", id]` -> a key of the HTTP door. Owner: `metadata_store.ts`.
 *
 * Value v1: version, name, scopes as counted strings, SHA-256 of the secret, creation and end in milliseconds (int64, -1 for no end).
 */
import type { ApiKey } from "../../core/access/api_key.ts";
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

const VERSION = 1;

export const apiKeysPrefix: KvKey = [FAMILY.metadata, "k"];

export function apiKeyKey(id: string): KvKey {
  return [...apiKeysPrefix, id];
}

export function encodeApiKey({ name, scopes, secretHash, createdMs, expiresMs }: ApiKey): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.compactString(name);
    writer.arrayLength(scopes.length);
    for (const scope of scopes) writer.compactString(scope);
    writer.sizedBytes(secretHash);
    writer.int64(createdMs);
    writer.int64(expiresMs ?? -1);
  });
}

export function decodeApiKey(id: string, value: Uint8Array): ApiKey {
  return decodeValue("API key", VERSION, value, (reader) => {
    const name = reader.compactString();
    const scopes: string[] = [];
    const count = reader.arrayLength(1);
    for (let i = 0; i < count; i++) scopes.push(reader.compactString());
    const secretHash = reader.sizedBytes().slice();
    const createdMs = reader.int64();
    const expiresMs = reader.int64();
    return { id, name, scopes, secretHash, createdMs, expiresMs: expiresMs === -1 ? null : expiresMs };
  });
}
