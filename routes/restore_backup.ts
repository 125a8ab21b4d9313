/**
 * One restore under way: the frames of a backup as they come, into topics made for them. Batches lie at their offsets again; whoever
 * writes to a topic before it is whole makes the restore fail. Offsets of groups come last, and not those of groups with members.
 */
import type { Broker } from "../actors/broker.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import {
  BackupFormatError,
  type BackupFrame,
  type BackupGroup,
  type BackupHeader,
  BackupReader,
} from "../protocol/backup/backup_file.ts";
import { RecordError, splitBatches } from "../protocol/records/record_batch.ts";
import { Problem } from "./problem.ts";

/** A deletion's last steps may still be under way when a name is free. */
const OVERWRITE_ATTEMPTS_MAX = 50;
const OVERWRITE_PAUSE_MS = 20;

export interface Restored {
  readonly topics: readonly string[];
  readonly batchBytes: number;
  readonly groups: number;
  readonly skippedGroups: readonly string[];
}

export class BackupRestore {
  readonly #broker: Broker;
  readonly #overwrite: boolean;
  readonly #reader = new BackupReader();
  #header: BackupHeader | null = null;
  readonly #made: TopicImage[] = [];
  #batchBytes = 0;
  #groups = 0;
  readonly #skippedGroups: string[] = [];

  constructor(broker: Broker, { overwrite }: { readonly overwrite: boolean }) {
    this.#broker = broker;
    this.#overwrite = overwrite;
  }

  /** Throws `BackupFormatError`, `Problem`. */
  async push(piece: Uint8Array): Promise<void> {
    for (const frame of this.#reader.push(piece)) await this.#take(frame);
  }

  /** To be called when nothing more comes. Throws as `push`. */
  async finish(): Promise<Restored> {
    this.#reader.finish();
    for (const [topicIndex, { partitions }] of this.#header?.topics.entries() ?? []) {
      for (const [partition, { logStartOffset }] of partitions.entries()) {
        await this.#raiseLogStart(topicIndex, partition, logStartOffset);
      }
    }
    return {
      topics: this.#made.map(({ name }) => name),
      batchBytes: this.#batchBytes,
      groups: this.#groups,
      skippedGroups: this.#skippedGroups,
    };
  }

  /** Deletes the topics that were made: half of one is worse than none. */
  async undo(): Promise<void> {
    for (const { topicId, name } of this.#made) {
      try {
        await this.#broker.supervisor.ask({ type: "deleteTopic", topicId });
      } catch (error) {
        this.#broker.log.warn("Cannot delete a topic that was restored in part", {
          topic: name,
          error: String(error),
        });
      }
    }
  }

  async #take(frame: BackupFrame): Promise<void> {
    switch (frame.type) {
      case "header":
        return await this.#begin(frame.header);
      case "batches":
        return await this.#append(frame.topicIndex, frame.partition, frame.bytes);
      case "group":
        return await this.#commit(frame.group);
      case "end":
      case "failed":
        return;
    }
  }

  async #begin(header: BackupHeader): Promise<void> {
    const { topicsByName } = this.#broker.metadata;
    const there = header.topics.map(({ name }) => name).filter((name) => topicsByName.has(name));
    if (there.length > 0 && !this.#overwrite) {
      throw new Problem(409, {
        detail: `Cannot restore: ${there.length === 1 ? "a topic is" : "topics are"} there already: ${
          there.slice(0, 10).join(", ")
        }`,
        kafkaError: "TOPIC_ALREADY_EXISTS",
      });
    }
    this.#header = header;
    for (const name of there) await this.#broker.supervisor.ask({ type: "deleteTopic", name });
    for (const { name, configs, partitions } of header.topics) {
      this.#made.push(await this.#createTopic(name, configs, partitions.length));
    }
  }

  async #createTopic(
    name: string,
    configs: Readonly<Record<string, string>>,
    partitionCount: number,
  ): Promise<TopicImage> {
    for (let attempt = 1;; attempt++) {
      const outcome = await this.#broker.supervisor.ask({
        type: "createTopic",
        name,
        partitionCount,
        replicationFactor: -1,
        configs,
        validateOnly: false,
      });
      if ("topic" in outcome) return outcome.topic;
      const mayCome = outcome.error === "TOPIC_ALREADY_EXISTS" && this.#overwrite &&
        attempt < OVERWRITE_ATTEMPTS_MAX;
      if (!mayCome) {
        throw new Problem(400, {
          detail: `Cannot make topic ${name}: ${outcome.message}`,
          kafkaError: outcome.error,
        });
      }
      await this.#broker.env.sleep(OVERWRITE_PAUSE_MS);
    }
  }

  async #append(topicIndex: number, partition: number, bytes: Uint8Array): Promise<void> {
    const topic = this.#topicOf(topicIndex, partition);
    let batches: Uint8Array[];
    try {
      // Copies: the partition keeps them, and the piece may be large.
      batches = splitBatches(bytes).map((view) => view.bytes.slice());
    } catch (error) {
      if (error instanceof RecordError) {
        throw new BackupFormatError(`A batch of ${topic.name}-${partition}: ${error.message}`);
      }
      throw error;
    }
    const actor = this.#broker.partition(topic.topicId, partition);
    const { fault } = await actor.ask({ type: "restore", batches });
    if (fault !== null) {
      throw new Problem(409, { detail: `Cannot restore ${topic.name}-${partition}: ${fault}` });
    }
    this.#batchBytes += bytes.length;
  }

  async #raiseLogStart(topicIndex: number, partition: number, logStartOffset: number): Promise<void> {
    if (logStartOffset <= 0) return;
    const actor = this.#broker.partition(this.#topicOf(topicIndex, partition).topicId, partition);
    const { highWatermark } = await actor.ask({ type: "describe" });
    await actor.ask({ type: "deleteRecords", offset: Math.min(logStartOffset, highWatermark) });
  }

  #topicOf(topicIndex: number, partition: number): TopicImage {
    const topic = this.#made[topicIndex];
    if (topic === undefined || partition >= topic.partitions.length) {
      throw new BackupFormatError(`It has records of a partition that its header does not name`);
    }
    return topic;
  }

  async #commit({ groupId, offsets }: BackupGroup): Promise<void> {
    const made = new Map(this.#made.map((topic) => [topic.name, topic]));
    const known = offsets.flatMap(({ topic, partition, offset, metadata }) => {
      const image = made.get(topic);
      if (image === undefined || partition >= image.partitions.length) return [];
      return [{ topic, topicId: image.topicId, partition, offset, leaderEpoch: -1, metadata }];
    });
    const { error } = await this.#broker.group(groupId).ask({
      type: "offsetCommit",
      generationId: -1,
      memberId: "",
      groupInstanceId: null,
      offsets: known,
    });
    if (error === "NONE") this.#groups++;
    else this.#skippedGroups.push(groupId);
  }
}
