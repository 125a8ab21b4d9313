/**
 * The answers that are kept for Idempotency-Keys, in the transaction shard of the transactional id that wrote them:
 *
 * ```
 * ["t", shardIndex, "k", transactionalId, keyHash]   one answer
 * ["t", shardIndex, "n", transactionalId, number]    the same answers by age: numbers without gaps
 * ```
 * Answer v1: version, number (int64), wall clock (int64), fingerprint (32 bytes), time of records without one (int64), writes as
 * counted (partition as unsigned varint, base offset and append time as varlong), places as counted unsigned varints. Number v1:
 * version, wall clock (int64), hash of the key (32 bytes). Owner: `kept_answers.ts`.
 */
import type { KeptAnswer, KeptWrite } from "../../core/transaction/kept_answer.ts";
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

const VERSION = 1;
const HASH_BYTES = 32;

export function keptAnswerKey(shardIndex: number, transactionalId: string, keyHash: Uint8Array): KvKey {
  return [FAMILY.transaction, shardIndex, "k", transactionalId, keyHash];
}

/** Prefix of all numbers of the transactional id. */
export function keptNumbersPrefix(shardIndex: number, transactionalId: string): KvKey {
  return [FAMILY.transaction, shardIndex, "n", transactionalId];
}

export function keptNumberKey(shardIndex: number, transactionalId: string, number: number): KvKey {
  return [...keptNumbersPrefix(shardIndex, transactionalId), number];
}

export function numberOfKey(key: KvKey): number {
  return key[4] as number;
}

/** An answer as stored: also which number it has. */
export interface NumberedAnswer {
  readonly number: number;
  readonly answer: KeptAnswer;
}

export function encodeKeptAnswer({ number, answer }: NumberedAnswer): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.int64(number);
    writer.int64(answer.keptMs);
    writer.bytes(answer.key.fingerprint);
    writer.int64(answer.nowMs);
    writer.arrayLength(answer.writes.length);
    for (const { partition, baseOffset, logAppendTimeMs } of answer.writes) {
      writer.unsignedVarint(partition);
      writer.varlong(baseOffset);
      writer.varlong(logAppendTimeMs);
    }
    writer.arrayLength(answer.places.length);
    for (const place of answer.places) writer.unsignedVarint(place);
  });
}

export function decodeKeptAnswer(keyHash: Uint8Array, value: Uint8Array): NumberedAnswer {
  return decodeValue("kept answer", VERSION, value, (reader) => {
    const number = reader.int64();
    const keptMs = reader.int64();
    const fingerprint = reader.bytes(HASH_BYTES).slice();
    const nowMs = reader.int64();
    const writes: KeptWrite[] = [];
    const writeCount = reader.arrayLength(3);
    for (let i = 0; i < writeCount; i++) {
      writes.push({
        partition: reader.unsignedVarint(),
        baseOffset: reader.varlong(),
        logAppendTimeMs: reader.varlong(),
      });
    }
    const places: number[] = [];
    const placeCount = reader.arrayLength(1);
    for (let i = 0; i < placeCount; i++) places.push(reader.unsignedVarint());
    return { number, answer: { key: { hash: keyHash, fingerprint }, keptMs, nowMs, writes, places } };
  });
}

/** Whose turn it is to be forgotten. */
export interface KeptNumber {
  readonly keptMs: number;
  readonly keyHash: Uint8Array;
}

export function encodeKeptNumber({ keptMs, keyHash }: KeptNumber): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.int64(keptMs);
    writer.bytes(keyHash);
  });
}

export function decodeKeptNumber(value: Uint8Array): KeptNumber {
  return decodeValue("number of a kept answer", VERSION, value, (reader) => ({
    keptMs: reader.int64(),
    keyHash: reader.bytes(HASH_BYTES).slice(),
  }));
}
