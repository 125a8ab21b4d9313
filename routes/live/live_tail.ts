/**
 * One live tail: the records of some topics as they come, asked for by whoever sends them on. It holds one page of one partition at a
 * time and reads on only when it is asked, so that a slow reader costs no more memory than a fast one, and loses nothing.
 *
 * Partitions take turns. Topics that come to fit and partitions that a topic gains are read from their beginning; what goes is told.
 */
import type { Broker } from "../../actors/broker.ts";
import type { IsolationLevel } from "../../actors/messages/partition.ts";
import type { TopicImage } from "../../core/cluster/metadata_image.ts";
import { limits } from "../../core/config/limits.ts";
import { Problem } from "../problem.ts";
import { eventText, type ViewFormat } from "../../core/fetch/event_text.ts";
import { recordText } from "../../core/fetch/record_text.ts";
import type { KafkaRecord } from "../../protocol/records/record_batch.ts";
import { readPage, startOffset } from "../read_records.ts";
import type { LiveEvent } from "./live_event.ts";
import type { LiveTails, Seat } from "./live_tails.ts";
import type { PartitionPlaces } from "./places.ts";
import type { RecordFilter } from "./record_filter.ts";
import { type TailPlace, TailPlaces, type TailTopic } from "./tail_places.ts";
import { unknownTopic } from "../topic_lookup.ts";
import type { TopicSelection } from "./topic_selection.ts";

/** A place is told after such a silence, so that proxies and the server notice a dead connection. */
const SILENCE_MS = 15_000;
/** And after so much reading of which nothing was for the reader. */
const POSITION_MS = 5_000;
const BEHIND_MS = 1_000;
/** Partitions that an event `behind` names. */
const BEHIND_PARTITIONS_MAX = 100;
const PAGE_RECORDS_MAX = 500;
/** At least so many records come in a page, however long ids are. */
const PAGE_RECORDS_MIN = 16;
/** Reading of which nothing is for the reader lets others go first after that long. */
const TURN_MS = 10;

/**
 * Why a tail is over: the reader left, the server stops, no topic is left, the key is not valid any more, or something failed, and
 * whoever comes again goes on.
 */
export type TailEnd = "left" | "stopping" | "topicsGone" | "keyInvalid" | "failed";

export interface LiveWish {
  readonly selection: TopicSelection;
  /** Null: all. Else there is one topic. */
  readonly partition: number | null;
  readonly from: "latest" | "earliest";
  /** Where to go on, of a topic; null without a place, undefined for a topic that the place does not have. */
  resumed(topic: TopicImage): PartitionPlaces | null | undefined;
  readonly isolation: IsolationLevel;
  readonly format: ViewFormat;
  readonly filter: RecordFilter | null;
  readonly request: Request;
  /** Whether the key of the request is still valid. */
  isStillValid(): boolean;
}

export interface LiveTailOptions {
  readonly tails: LiveTails;
  readonly seat: Seat;
  readonly wish: LiveWish;
}

export class LiveTail {
  readonly #broker: Broker;
  readonly #tails: LiveTails;
  readonly #wish: LiveWish;
  readonly #places = new TailPlaces();
  /** Partitions that may have something to read, in turn. */
  readonly #ready = new Set<TailPlace>();
  /** Topics that were told to be too many. */
  readonly #skipped = new Set<string>();
  /** Called when it ends. */
  onEnd: (() => void) | null = null;
  #isStale = false;
  #end: TailEnd | null = null;
  #wake: (() => void) | null = null;
  #toldMs: number;
  #behindToldMs = -Infinity;
  #isBehindTold = false;
  #turnMs: number;

  private constructor(broker: Broker, tails: LiveTails, wish: LiveWish) {
    this.#broker = broker;
    this.#tails = tails;
    this.#wish = wish;
    this.#toldMs = this.#turnMs = broker.env.mono();
  }

  /** Finds where to begin. Takes the seat at once, so that nothing is missed meanwhile. Throws the problem why not. */
  static async open(broker: Broker, { tails, seat, wish }: LiveTailOptions): Promise<LiveTail> {
    const tail = new LiveTail(broker, tails, wish);
    seat.tail = tail;
    const images = wish.selection.topics(broker.metadata);
    const count = images.reduce((sum, image) => sum + tail.#partitionsOf(image).length, 0);
    if (count > limits.livePartitionsMax) throw wish.selection.tooMany(count);
    for (const image of images) {
      const resumed = wish.resumed(image);
      const isThere = await tail.#addTopic(image, resumed === null ? wish.from : "earliest", resumed ?? null);
      if (!isThere && !wish.selection.mayGrow) throw unknownTopic(image.name);
    }
    return tail;
  }

  /** Set once it is over. */
  get ended(): TailEnd | null {
    return this.#end;
  }

  /** Where it is: to be sent first, so that the reader has a place even before anything comes. */
  get position(): LiveEvent {
    return { type: "position", id: this.#places.id(), data: null };
  }

  end(reason: TailEnd): void {
    if (this.#end !== null) return;
    this.#end = reason;
    for (const place of this.#places.places()) place.stopWaiting?.();
    this.#wake?.();
    this.onEnd?.();
  }

  /** Whether a topic that came, went or grew is this tail's business. */
  concerns({ topicId, name }: TopicImage): boolean {
    return this.#places.topics.has(topicId) || this.#wish.selection.has(name);
  }

  /** Topics came, went or grew. */
  topicsChanged(): void {
    this.#isStale = true;
    this.#wake?.();
  }

  /** The next events, at least one, in one bounded page; null when the tail is over. */
  async next(): Promise<readonly LiveEvent[] | null> {
    try {
      return await this.#next();
    } catch (error) {
      // The store failed, or an actor does not answer: whoever comes again goes on where it was.
      this.#broker.log.debug("A live tail ended", { error: String(error) });
      this.end(this.#broker.ready ? "failed" : "stopping");
      return null;
    }
  }

  async #next(): Promise<readonly LiveEvent[] | null> {
    const { env } = this.#broker;
    this.#turnMs = env.mono();
    while (true) {
      if (!this.#wish.isStillValid()) this.end("keyInvalid");
      if (this.#end !== null) return null;
      if (this.#isStale) {
        const events = await this.#refresh();
        if (events.length > 0) return this.#told(events);
        continue;
      }
      if (this.#places.count === 0 && !this.#wish.selection.mayGrow) {
        this.end("topicsGone");
        return null;
      }
      const [place] = this.#ready;
      if (place === undefined) {
        if (!await this.#somethingCame()) return this.#told([this.position]);
        continue;
      }
      const events = this.#withProgress(await this.#read(place));
      if (events.length > 0) return this.#told(events);
      if (env.mono() - this.#turnMs < TURN_MS) continue;
      await new Promise<void>((resolve) => env.timer(0, resolve));
      this.#turnMs = env.mono();
    }
  }

  #told(events: readonly LiveEvent[]): readonly LiveEvent[] {
    this.#toldMs = this.#broker.env.mono();
    return events;
  }

  /** Reads one page of a partition, and sees to when it is read again. */
  async #read(place: TailPlace): Promise<LiveEvent[]> {
    const { topic, partition, nextOffset } = place;
    const { isolation, request } = this.#wish;
    this.#ready.delete(place);
    const around = this.#places.idAround(place);
    const idLength = around.head.length + around.tail.length;
    const maxRecords = Math.floor(limits.livePageBytesMax / (idLength + 1));
    try {
      const page = await readPage(
        {
          broker: this.#broker,
          actor: this.#broker.partition(topic.topicId, partition),
          request,
          deadlineMs: -Infinity,
          isolation,
        },
        nextOffset,
        {
          maxRecords: Math.min(Math.max(maxRecords, PAGE_RECORDS_MIN), PAGE_RECORDS_MAX),
          maxBytes: limits.livePageBytesMax,
        },
      );
      const events: LiveEvent[] = [];
      for (const record of page.records) {
        if (this.#wish.filter?.(record) === false) continue;
        const id = `${around.head}${record.offset + 1}${around.tail}`;
        events.push({ type: "record", id, data: this.#textOf(place, record) });
      }
      place.nextOffset = page.nextOffset;
      place.behind = Math.max(0, page.highWatermark - page.nextOffset);
      if (place.behind > 0 && page.nextOffset > nextOffset) this.#ready.add(place);
      else this.#awaitRecords(place);
      return events;
    } catch (error) {
      if (!this.#broker.metadata.topicsById.has(topic.topicId)) {
        this.#isStale = true;
        return [];
      }
      const gap = this.#gap(place, error);
      if (gap === null) throw error;
      this.#ready.add(place);
      return [gap];
    }
  }

  #textOf(place: TailPlace, record: KafkaRecord): string {
    const { format } = this.#wish;
    if (format !== "cloudevents") return `{${placeText(place)},${recordText(record, format).slice(1)}`;
    const { topic: { name }, partition } = place;
    return eventText({ ...record, topic: name, partition });
  }

  /** Goes on behind what was deleted, or cannot be read; null for every other error. */
  #gap(place: TailPlace, error: unknown): LiveEvent | null {
    if (!(error instanceof Problem)) return null;
    const { members = {}, kafkaError } = error.options;
    const { logStartOffset, highWatermark } = members;
    const fromOffset = place.nextOffset;
    let nextOffset: unknown = members["nextOffset"];
    if (typeof logStartOffset === "number" && typeof highWatermark === "number") {
      nextOffset = fromOffset < logStartOffset ? logStartOffset : highWatermark;
    }
    if (typeof nextOffset !== "number") return null;
    place.nextOffset = nextOffset;
    const data = `{${placeText(place)},"fromOffset":${fromOffset},"nextOffset":${nextOffset},` +
      `"kafkaError":${JSON.stringify(kafkaError ?? null)}}`;
    return { type: "gap", id: this.#places.id(), data };
  }

  /** With the counter of what the reader is behind, or the place alone, when it is time for them. */
  #withProgress(events: LiveEvent[]): LiveEvent[] {
    const nowMs = this.#broker.env.mono();
    let records = 0;
    for (const { behind } of this.#places.places()) records += behind;
    const isBehind = records >= limits.liveBehindRecordsMin && nowMs - this.#behindToldMs >= BEHIND_MS;
    if (isBehind || (records === 0 && this.#isBehindTold)) {
      this.#behindToldMs = nowMs;
      this.#isBehindTold = records > 0;
      events.push({ type: "behind", id: this.#places.id(), data: this.#behindText(records) });
    }
    if (events.length === 0 && nowMs - this.#toldMs >= POSITION_MS) events.push(this.position);
    return events;
  }

  #behindText(records: number): string {
    const partitions: string[] = [];
    for (const place of this.#places.places()) {
      if (place.behind > 0) partitions.push(`{${placeText(place)},"records":${place.behind}}`);
      if (partitions.length === BEHIND_PARTITIONS_MAX) break;
    }
    return `{"records":${records},"partitions":[${partitions.join(",")}]}`;
  }

  #awaitRecords(place: TailPlace): void {
    const { topic: { topicId }, partition, nextOffset } = place;
    const { isolation } = this.#wish;
    place.stopWaiting = this.#tails.waits.add({ topicId, partition, nextOffset, isolation }, () => {
      place.stopWaiting = null;
      this.#ready.add(place);
      this.#wake?.();
    });
  }

  /** False when it stayed silent for long. */
  #somethingCame(): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (came: boolean) => {
        cancel();
        this.#wake = null;
        resolve(came);
      };
      const cancel = this.#broker.env.timer(SILENCE_MS, () => settle(false));
      this.#wake = () => settle(true);
    });
  }

  /** Takes in what became of the topics, and tells it. */
  async #refresh(): Promise<LiveEvent[]> {
    this.#isStale = false;
    const { metadata } = this.#broker;
    const events: LiveEvent[] = [];
    const tell = (type: LiveEvent["type"], data: Readonly<Record<string, unknown>>) =>
      events.push({ type, id: this.#places.id(), data: JSON.stringify(data) });
    for (const topic of [...this.#places.topics.values()]) {
      if (metadata.topicsById.has(topic.topicId)) continue;
      this.#remove(topic);
      tell("topicDeleted", { topic: topic.name });
    }
    for (const topicId of this.#skipped) if (!metadata.topicsById.has(topicId)) this.#skipped.delete(topicId);
    for (const image of this.#wish.selection.topics(metadata)) {
      const { name, topicId, partitions: { length: partitions } } = image;
      const topic = this.#places.topics.get(topicId);
      const added = this.#partitionsOf(image).length - (topic?.places.length ?? 0);
      if (added === 0) continue;
      if (this.#places.count + added > limits.livePartitionsMax) {
        if (!this.#skipped.has(topicId)) tell("topicSkipped", { topic: name, partitions });
        this.#skipped.add(topicId);
        continue;
      }
      this.#skipped.delete(topicId);
      if (!await this.#addTopic(image, "earliest", null)) continue;
      tell(topic === undefined ? "topicCreated" : "partitionsAdded", { topic: name, partitions });
    }
    return events;
  }

  /** With all partitions that it has not yet; false when it was deleted meanwhile. */
  async #addTopic(image: TopicImage, from: "latest" | "earliest", resumed: PartitionPlaces | null) {
    const { topicId } = image;
    const known = new Set(this.#places.topics.get(topicId)?.places.map(({ partition }) => partition));
    const starts: [partition: number, offset: number][] = [];
    try {
      for (const partition of this.#partitionsOf(image)) {
        if (known.has(partition)) continue;
        const actor = this.#broker.partition(topicId, partition);
        const offset = resumed?.get(partition) ??
          await startOffset(actor, from, undefined, this.#wish.isolation);
        starts.push([partition, offset]);
      }
    } catch (error) {
      if (this.#broker.metadata.topicsById.has(topicId)) throw error;
      this.#isStale = true;
      return false;
    }
    const topic = this.#places.topics.get(topicId) ?? this.#places.addTopic(image);
    for (const [partition, offset] of starts) {
      this.#ready.add(this.#places.addPlace(topic, partition, offset));
    }
    return true;
  }

  #remove(topic: TailTopic): void {
    this.#places.remove(topic);
    for (const place of topic.places) {
      place.stopWaiting?.();
      this.#ready.delete(place);
    }
  }

  #partitionsOf({ partitions }: TopicImage): readonly number[] {
    const { partition } = this.#wish;
    return partition === null ? partitions.map((_, index) => index) : [partition];
  }
}

/** The first members of what is told about a partition. */
function placeText({ topic: { name }, partition }: TailPlace): string {
  return `"topic":${JSON.stringify(name)},"partition":${partition}`;
}
