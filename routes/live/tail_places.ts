/**
 * The partitions of a live tail, topic by topic, and how far each is read. What the id of an event says is written from here.
 */
import type { Cancel } from "../../lib/env.ts";
import { formatPlaces, type IdAround, topicTag } from "./places.ts";

/** One partition. */
export interface TailPlace {
  readonly topic: TailTopic;
  readonly partition: number;
  nextOffset: number;
  /** Records up to the end of the log, when it was looked at last. */
  behind: number;
  /** Ends the wait for records, while there is one. */
  stopWaiting: Cancel | null;
}

export interface TailTopic {
  readonly topicId: string;
  readonly name: string;
  readonly tag: string;
  readonly places: TailPlace[];
}

export class TailPlaces {
  /** By id. */
  readonly topics = new Map<string, TailTopic>();
  #count = 0;

  /** Partitions of all topics. */
  get count(): number {
    return this.#count;
  }

  addTopic({ topicId, name }: { readonly topicId: string; readonly name: string }): TailTopic {
    const topic = { topicId, name, tag: topicTag(topicId), places: [] };
    this.topics.set(topicId, topic);
    return topic;
  }

  addPlace(topic: TailTopic, partition: number, nextOffset: number): TailPlace {
    const place = { topic, partition, nextOffset, behind: 0, stopWaiting: null };
    topic.places.push(place);
    this.#count++;
    return place;
  }

  remove(topic: TailTopic): void {
    this.topics.delete(topic.topicId);
    this.#count -= topic.places.length;
  }

  *places(): Generator<TailPlace> {
    for (const { places } of this.topics.values()) yield* places;
  }

  /** The place as the id of an event. */
  id(): string {
    return formatPlaces([...this.topics.values()]);
  }

  /** The id around the offset of one partition, for many records of it in a row. */
  idAround(place: TailPlace): IdAround {
    const offset = place.nextOffset;
    // Marks the spot: nothing else in an id is written like this number.
    place.nextOffset = NaN;
    const [head = "", tail = ""] = this.id().split("NaN");
    place.nextOffset = offset;
    return { head, tail };
  }
}
