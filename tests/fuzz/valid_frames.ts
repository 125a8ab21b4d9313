/** The valid requests that the fuzz run damages: every recorded one, and Produce requests that do write here. */

import { concat } from "../../lib/bytes.ts";
import { encodeRequestFrame } from "../../protocol/header.ts";
import { produce } from "../../protocol/messages/00_produce.ts";
import { buildBatch } from "../../protocol/records/record_batch.ts";
import { liveFrameClients, readLiveFrames } from "../fixtures/live_frames.ts";

const FIXTURES = new URL("../fixtures/", import.meta.url);

/** Requests recorded from clients and written by Kafka's own classes, without their sizes. */
export function recordedFrames(): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (const { name } of Deno.readDirSync(new URL("frames/", FIXTURES))) {
    if (!name.endsWith(".json")) continue;
    const text = Deno.readTextFileSync(new URL(`frames/${name}`, FIXTURES));
    for (const each of JSON.parse(text) as { direction: string; frame: string }[]) {
      if (each.direction === "request") frames.push(Uint8Array.fromHex(each.frame));
    }
  }
  for (const { direction, hex } of liveFrameClients().flatMap(readLiveFrames)) {
    if (direction === "request") frames.push(Uint8Array.fromHex(hex));
  }
  return frames;
}

/** Produce requests of one record whose value is the topic's name, in the versions that name topics. */
export function produceFrames(topic: string, partitionCount: number): Uint8Array[] {
  const value = new TextEncoder().encode(topic);
  const frames: Uint8Array[] = [];
  for (let version = 3; version <= 12; version++) {
    const index = version % partitionCount;
    const records = buildBatch({
      records: [{ timestamp: 1_700_000_000_000, key: null, value, headers: [] }],
    });
    const frame = concat(encodeRequestFrame(produce, version, version, "fuzz", {
      transactionalId: null,
      acks: -1,
      timeoutMs: 5_000,
      topicData: [{ name: topic, partitionData: [{ index, records }] }],
    }));
    frames.push(frame.subarray(4));
  }
  return frames;
}
