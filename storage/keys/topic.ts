/**
 * `["m", "n", name]` -> topic id, and `["m", "t", topicId]` -> the topic. A name that is absent is free; the name of a
 * topic under deletion is free at once, while its id lives on until its data is gone. Owner: `metadata_store.ts`.
 *
 * Value v1 of a name: version, topic id (UUID). Value v1 of a topic: version, state (uint8: 0 CREATING, 1 ACTIVE,
 * 2 DELETING, 3 RESTORING), name, partition count (int32), replication factor (int16), configs as counted pairs of strings.
 */
import type { KvKey } from "../storage.ts";
import { FAMILY } from "./keyspace.ts";
import { uuidBytes, uuidText } from "./uuid.ts";
import { decodeValue, encodeValue } from "./value_codec.ts";

/**
 * In the order of their stored numbers. CREATING topics are visible to nobody and rolled back at start. RESTORING ones take data
 * until they are ACTIVE; those that a start finds are of a restore that did not end, and are DELETING from then on.
 */
export const TOPIC_STATES = ["CREATING", "ACTIVE", "DELETING", "RESTORING"] as const;
export type TopicState = typeof TOPIC_STATES[number];

export interface TopicValue {
  readonly name: string;
  readonly state: TopicState;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  /** Only what was set for this topic. */
  readonly configs: Readonly<Record<string, string>>;
}

const VERSION = 1;

export const metadataHeadKey: KvKey = [FAMILY.metadata, "h"];
/** Prefix of all topics. */
export const topicsPrefix: KvKey = [FAMILY.metadata, "t"];

export function topicNameKey(name: string): KvKey {
  return [FAMILY.metadata, "n", name];
}

export function topicKey(topicId: string): KvKey {
  return [...topicsPrefix, uuidBytes(topicId)];
}

export function topicIdOfKey(key: KvKey): string {
  return uuidText(key[2] as Uint8Array);
}

export function encodeTopicName(topicId: string): Uint8Array {
  return encodeValue(VERSION, (writer) => writer.uuid(topicId));
}

export function decodeTopicName(value: Uint8Array): string {
  return decodeValue("topic name", VERSION, value, (reader) => reader.uuid());
}

export function encodeTopic(topic: TopicValue): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.uint8(TOPIC_STATES.indexOf(topic.state));
    writer.string(topic.name);
    writer.int32(topic.partitionCount);
    writer.int16(topic.replicationFactor);
    const configs = Object.entries(topic.configs);
    writer.arrayLength(configs.length);
    for (const [name, value] of configs) {
      writer.string(name);
      writer.string(value);
    }
  });
}

export function decodeTopic(value: Uint8Array): TopicValue {
  return decodeValue("topic", VERSION, value, (reader) => {
    const state = TOPIC_STATES[reader.uint8()] ?? reader.fail("Topic state is unknown");
    const name = reader.string();
    const partitionCount = reader.int32();
    const replicationFactor = reader.int16();
    const configs: [string, string][] = [];
    const count = reader.arrayLength(4);
    for (let i = 0; i < count; i++) configs.push([reader.string(), reader.string()]);
    return { name, state, partitionCount, replicationFactor, configs: Object.fromEntries(configs) };
  });
}
