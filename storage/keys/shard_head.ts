/**
 * The value under every shard's head key: whose the shard is, the token of its last commit, and a payload of the shard's
 * kind. Every commit overwrites it and checks it, so that a commit can apply only once. Absent: no such shard.
 * Owner: `shard.ts`.
 *
 * Value v1: version, token, fenced token, 1 byte whether there is a payload, payload.
 * Token: incarnation (UUID), opening (int32), n (int64).
 */
import type { ByteReader, ByteWriter } from "../../lib/bytes.ts";
import { ZERO_UUID } from "../../lib/bytes.ts";
import { decodeValue, encodeValue, SEAL_BYTES } from "./value_codec.ts";

/** Names one commit of one writer. A writer is one opening of the shard by one incarnation of a broker. */
export interface CommitToken {
  readonly incarnation: string;
  /** Rises with each opening of any shard by the incarnation. */
  readonly opening: number;
  /** Rises with each commit call of the writer; 0 is the opening itself. */
  readonly n: number;
}

export interface ShardHead {
  readonly token: CommitToken;
  /** The last token of the writer before this one: its evidence of what became of its last commit. */
  readonly fencedToken: CommitToken;
  readonly payload: Uint8Array | null;
}

export const noToken: CommitToken = { incarnation: ZERO_UUID, opening: 0, n: 0 };

export const TOKEN_BYTES = 28;
/** Bytes of the value beside the payload. */
export const SHARD_HEAD_OVERHEAD_BYTES = 2 + 2 * TOKEN_BYTES + SEAL_BYTES;

const VERSION = 1;

export function isSameWriter(a: CommitToken, b: CommitToken): boolean {
  return a.incarnation === b.incarnation && a.opening === b.opening;
}

export function writeToken(writer: ByteWriter, token: CommitToken): void {
  writer.uuid(token.incarnation);
  writer.int32(token.opening);
  writer.int64(token.n);
}

export function readToken(reader: ByteReader): CommitToken {
  return { incarnation: reader.uuid(), opening: reader.int32(), n: reader.int64() };
}

export function encodeShardHead(head: ShardHead): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writeToken(writer, head.token);
    writeToken(writer, head.fencedToken);
    writer.bool(head.payload !== null);
    if (head.payload !== null) writer.bytes(head.payload);
  });
}

export function decodeShardHead(value: Uint8Array): ShardHead {
  return decodeValue("shard head", VERSION, value, (reader) => {
    const token = readToken(reader);
    const fencedToken = readToken(reader);
    const hasPayload = reader.bool();
    return { token, fencedToken, payload: hasPayload ? reader.bytes(reader.remaining) : null };
  });
}
