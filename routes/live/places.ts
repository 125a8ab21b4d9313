/**
 * Where a live tail is, as the id of its events: of each partition the offset of the next record. Pure.
 *
 * `TAG.0-12.1-40~TAG.0-7`, where the tag is the beginning of the topic's id, not its name: a topic that was deleted and made again has
 * other records at the same offsets. There are only characters in it that a URL takes as they are. Tails of one topic that the path names
 * wrote `0:12,1:40` once, which is still read.
 */

/** The next offsets, by partition. */
export type PartitionPlaces = ReadonlyMap<number, number>;

/** Hexadecimal digits of a topic's id, enough to tell a few hundred topics apart. */
const TAG_LENGTH = 12;
const TEXT_LENGTH_MAX = 8_192;

/** Stands for a topic in ids of events. */
export function topicTag(topicId: string): string {
  return topicId.replaceAll("-", "").slice(0, TAG_LENGTH);
}

/** How an id is written around one offset that moves while all others stay: `head + offset + tail`. */
export interface IdAround {
  readonly head: string;
  readonly tail: string;
}

export interface TopicPlaces {
  readonly tag: string;
  readonly places: readonly { readonly partition: number; readonly nextOffset: number }[];
}

/** `TAG.0-12.1-40~TAG.0-7`; `~` alone as long as there is no topic. */
export function formatPlaces(topics: readonly TopicPlaces[]): string {
  const texts = topics.map(({ tag, places }) =>
    tag + places.map(({ partition, nextOffset }) => `.${partition}-${nextOffset}`).join("")
  );
  return texts.length === 0 ? "~" : texts.join("~");
}

/** `0:12,1:40`. Null for what is not such a text. */
export function parsePartitionPlaces(text: string): PartitionPlaces | null {
  if (text.length > TEXT_LENGTH_MAX || !/^\d{1,10}:\d{1,15}(,\d{1,10}:\d{1,15})*$/.test(text)) return null;
  return new Map(text.split(",").map((pair) => pair.split(":").map(Number) as [number, number]));
}

/** By tag. Null for what is not such a text. */
export function parsePlaces(text: string): ReadonlyMap<string, PartitionPlaces> | null {
  if (text === "~") return new Map();
  const form = /^[0-9a-f]{12}(\.\d{1,10}-\d{1,15})*(~[0-9a-f]{12}(\.\d{1,10}-\d{1,15})*)*$/;
  if (text.length > TEXT_LENGTH_MAX || !form.test(text)) return null;
  return new Map(
    text.split("~").map((topic) => {
      const [tag = "", ...pairs] = topic.split(".");
      return [tag, new Map(pairs.map((pair) => pair.split("-").map(Number) as [number, number]))];
    }),
  );
}
