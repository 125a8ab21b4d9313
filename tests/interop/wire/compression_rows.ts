/**
 * Compressed bytes that are not what they say, or become very many, into a topic that keeps what comes, and into one that
 * compresses anew.
 */

import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { compress } from "../../../protocol/records/compression.ts";
import { buildBatch } from "../../../protocol/records/record_batch.ts";
import { withSection } from "./batches.ts";
import {
  emptyZstdFrames,
  gzipBomb,
  gzipWrongBehind,
  lz4Bomb,
  nestedBomb,
  snappyCopies,
  snappyLie,
  zstdBomb,
  zstdOfDictionary,
  zstdWindow,
  zstdWrongBehind,
} from "./bombs.ts";
import type { Peer } from "./peer.ts";
import { createTopic, endOffset, ERROR, one, othersAreWell, produceTo, row, SUFFIX, VICTIM } from "./row.ts";

const { CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, INVALID_RECORD, NONE } = ERROR;
const SQUEEZED = `squeezed-${SUFFIX}`;
const ROOMY = `roomy-${SUFFIX}`;
const MEGABYTE = 1024 * 1024;
const bytes = (...values: number[]) => Uint8Array.from(values);

/** Name, codec, what it is to be answered with, and how it is made. */
const SECTIONS: readonly [string, number, readonly number[], () => Uint8Array][] = [
  ["gzip bomb of 900 MB", 1, [MESSAGE_TOO_LARGE], gzipBomb],
  ["gzip bomb within a gzip bomb", 1, [CORRUPT_MESSAGE, INVALID_RECORD, MESSAGE_TOO_LARGE], nestedBomb],
  ["snappy that says 4 GB", 2, [MESSAGE_TOO_LARGE, CORRUPT_MESSAGE], snappyLie],
  ["snappy of 20 MB that are no records", 2, [INVALID_RECORD, CORRUPT_MESSAGE], snappyCopies],
  ["lz4 bomb of 230 MB", 3, [MESSAGE_TOO_LARGE], lz4Bomb],
  ["zstd bomb of 1 GB", 4, [MESSAGE_TOO_LARGE], zstdBomb],
  ["zstd with a window of 2 GB", 4, [CORRUPT_MESSAGE], zstdWindow],
  ["zstd that needs a dictionary", 4, [CORRUPT_MESSAGE], zstdOfDictionary],
  ["zstd of 100,000 empty frames", 4, [MESSAGE_TOO_LARGE], emptyZstdFrames],
  ["gzip that is wrong behind 3 MB", 1, [CORRUPT_MESSAGE], gzipWrongBehind],
  ["zstd that is wrong behind 3 MB", 4, [CORRUPT_MESSAGE], zstdWrongBehind],
  ["gzip that is none", 1, [CORRUPT_MESSAGE], () => bytes(1, 2, 3, 4, 5)],
  ["snappy that is none", 2, [CORRUPT_MESSAGE], () => bytes(0xf0, 2, 3, 4, 5)],
  ["lz4 that is none", 3, [CORRUPT_MESSAGE], () => bytes(1, 2, 3, 4, 5)],
  ["zstd that is none", 4, [CORRUPT_MESSAGE], () => bytes(1, 2, 3, 4, 5)],
];

const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

/** One record of `byteLength` bytes, compressed, without the batch's header. */
function section(codec: number, byteLength: number): Uint8Array {
  const value = new Uint8Array(byteLength);
  const records = [{ key: null, value, headers: [], timestamp: 1_700_000_000_000 }];
  return compress(CODECS[codec] ?? "none", buildBatch({ records }).subarray(61));
}

/** Records of attributes, deltas, and nothing, as the format has them; the last has the offset delta of the one before. */
function tinyRecords(count: number): Uint8Array {
  const bytes = new Uint8Array(count * 11);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const delta = 2 * Math.min(i, count - 2);
    const width = delta < 0x80 ? 1 : delta < 0x4000 ? 2 : delta < 0x20_0000 ? 3 : 4;
    bytes[at] = 2 * (5 + width);
    at += 3;
    for (let left = delta, k = 0; k < width; k++, left >>>= 7) {
      bytes[at++] = (left & 0x7f) | (k < width - 1 ? 0x80 : 0);
    }
    bytes[at] = 1;
    bytes[at + 1] = 1;
    at += 3;
  }
  return bytes.subarray(0, at);
}

/** Sends it while the others go on, and says how it was answered. */
async function refused(peer: Peer, topic: string, records: Uint8Array, errors: readonly number[]) {
  const sent = produceTo(peer, topic, records);
  // They are served while this is looked at, not only when it is done.
  await othersAreWell();
  const answer = await sent;
  one(answer?.errorCode, errors, `error in ${topic}`);
  return answer?.errorCode;
}

export async function compressionRows(): Promise<void> {
  await row("a topic that compresses anew, one that takes large batches", async (peer) => {
    assert.equal(await createTopic(peer, SQUEEZED, { "compression.type": "zstd" }), NONE);
    assert.equal(await createTopic(peer, ROOMY, { "max.message.bytes": String(24 * MEGABYTE) }), NONE);
  });

  for (const [name, codec, errors, make] of SECTIONS) {
    await row(name, async (peer) => {
      const records = withSection(codec, make());
      const codes: (number | undefined)[] = [];
      for (const topic of [SQUEEZED, VICTIM]) codes.push(await refused(peer, topic, records, errors));
      assert.equal(await endOffset(peer, SQUEEZED), 0, "nothing is appended");
      return `errors ${codes}`;
    });
  }

  for (let codec = 1; codec < CODECS.length; codec++) {
    const name = CODECS[codec];
    await row(`${name} that is cut short, at the begin, in the middle and at the end`, async (peer) => {
      for (const whole of [section(codec, 5_000), section(codec, 8 * MEGABYTE)]) {
        for (const length of [1, 6, whole.length >> 1, whole.length - 1]) {
          const records = withSection(codec, whole.subarray(0, length));
          await refused(peer, VICTIM, records, [CORRUPT_MESSAGE, INVALID_RECORD, MESSAGE_TOO_LARGE]);
        }
      }
    });

    await row(`${name} of 16 MB in one batch is accepted: it is no bomb`, async (peer) => {
      const answer = await produceTo(peer, ROOMY, withSection(codec, section(codec, 16 * MEGABYTE)));
      assert.equal(answer?.errorCode, NONE);
      assert.equal(await endOffset(peer, ROOMY), codec);
    });
  }

  await row("gzip of five million records of nothing, the last of them wrong", async (peer) => {
    const before = await endOffset(peer, ROOMY);
    const batch = withSection(1, gzipSync(tinyRecords(5_000_000), { level: 1 }), 5_000_000);
    const error = await refused(peer, ROOMY, batch, [INVALID_RECORD]);
    assert.equal(await endOffset(peer, ROOMY), before);
    return `${(batch.length / MEGABYTE).toFixed(1)} MB, error ${error}`;
  });
}
