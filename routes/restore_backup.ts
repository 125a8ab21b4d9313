/**
 * One restore under way: the frames of a backup as they come, into topics made for them under names of their own. Batches lie at
 * their offsets again. Only when the whole file was there and sound do the topics get their names, at one stroke, and what bore them
 * before goes; what a crash leaves of one is deleted at the next start. Offsets of groups come last, and not those of groups with
 * members.
 */
import type { Broker } from "../actors/broker.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { limits } from "../core/config/limits.ts";
import {
  BackupFormatError,
  type BackupFrame,
  type BackupGroup,
  type BackupHeader,
  BackupReader,
} from "../protocol/backup/backup_file.ts";
import { RecordError, splitBatches } from "../protocol/records/record_batch.ts";
import { Problem } from "./problem.ts";

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
  readonly #groupOffsets: BackupGroup[] = [];
  #offsetCount = 0;
  #isInPlace = false;
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
    const topics = this.#header?.topics ?? [];
    for (const [topicIndex, { partitions }] of topics.entries()) {
      for (const [partition, bounds] of partitions.entries()) {
        await this.#setBounds(topicIndex, partition, bounds);
      }
    }
    await this.#putInPlace();
    for (const group of this.#groupOffsets) await this.#commit(group);
    return {
      topics: topics.map(({ name }) => name),
      batchBytes: this.#batchBytes,
      groups: this.#groups,
      skippedGroups: this.#skippedGroups,
    };
  }

  /** Deletes the topics that were made, unless they are in place: half of one is worse than none. */
  async undo(): Promise<void> {
    if (this.#isInPlace) return;
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
        return this.#keep(frame.group);
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
    const restoreId = this.#broker.env.uuid().slice(0, 8);
    for (const [index, { name, configs, partitions }] of header.topics.entries()) {
      await this.#createTopic(name, configs, partitions.length, true);
      const madeName = `restoring-${restoreId}-${index}`;
      const made = await this.#createTopic(madeName, configs, partitions.length, false);
      if (made !== null) this.#made.push(made);
    }
  }

  /** Null when it only looks whether it could be made, and one is there. */
  async #createTopic(
    name: string,
    configs: Readonly<Record<string, string>>,
    partitionCount: number,
    validateOnly: boolean,
  ): Promise<TopicImage | null> {
    const outcome = await this.#broker.supervisor.ask({
      type: "createTopic",
      name,
      partitionCount,
      replicationFactor: -1,
      configs,
      validateOnly,
      isRestoring: true,
    });
    if ("topic" in outcome) return outcome.topic;
    if (validateOnly && this.#overwrite && outcome.error === "TOPIC_ALREADY_EXISTS") return null;
    throw new Problem(400, {
      detail: `Cannot make topic ${name}: ${outcome.message}`,
      kafkaError: outcome.error,
    });
  }

  async #putInPlace(): Promise<void> {
    const names = this.#header?.topics ?? [];
    const nameById = new Map(this.#made.map(({ topicId }, index) => [topicId, names[index]?.name ?? ""]));
    if (nameById.size === 0) return;
    const outcome = await this.#broker.supervisor
      .ask({ type: "renameTopics", nameById, overwrite: this.#overwrite });
    if (outcome.error !== "NONE") {
      throw new Problem(409, { detail: `Cannot restore: ${outcome.message}`, kafkaError: outcome.error });
    }
    this.#isInPlace = true;
  }

  #keep(group: BackupGroup): void {
    this.#offsetCount += group.offsets.length;
    if (this.#offsetCount > limits.restoredOffsetsMax) {
      throw new BackupFormatError(`It has more than ${limits.restoredOffsetsMax} offsets of groups`);
    }
    this.#groupOffsets.push(group);
  }

  async #append(topicIndex: number, partition: number, bytes: Uint8Array): Promise<void> {
    const topic = this.#topicOf(topicIndex, partition);
    let batches: Uint8Array[];
    try {
      // Copies: the partition keeps them, and the piece may be large.
      batches = splitBatches(bytes).map((view) => view.bytes.slice());
    } catch (error) {
      if (error instanceof RecordError) {
        const name = this.#header?.topics[topicIndex]?.name ?? "";
        throw new BackupFormatError(`A batch of ${name}-${partition}: ${error.message}`);
      }
      throw error;
    }
    const actor = this.#broker.partition(topic.topicId, partition);
    const { fault } = await actor.ask({ type: "restore", batches });
    if (fault !== null) throw this.#cannotRestore(topicIndex, partition, fault);
    this.#batchBytes += bytes.length;
  }

  /** The log end first: all records may have been deleted, and groups stand at it. */
  async #setBounds(
    topicIndex: number,
    partition: number,
    { logStartOffset, endOffset }: { readonly logStartOffset: number; readonly endOffset: number },
  ): Promise<void> {
    const topic = this.#topicOf(topicIndex, partition);
    const actor = this.#broker.partition(topic.topicId, partition);
    const { fault } = await actor.ask({ type: "restore", batches: [], endOffset });
    if (fault !== null) throw this.#cannotRestore(topicIndex, partition, fault);
    if (logStartOffset > 0) {
      const { highWatermark } = await actor.ask({ type: "describe" });
      await actor.ask({ type: "deleteRecords", offset: Math.min(logStartOffset, highWatermark) });
    }
  }

  #cannotRestore(topicIndex: number, partition: number, why: string): Problem {
    const name = this.#header?.topics[topicIndex]?.name ?? "";
    return new Problem(409, { detail: `Cannot restore ${name}-${partition}: ${why}` });
  }

  #topicOf(topicIndex: number, partition: number): TopicImage {
    const topic = this.#made[topicIndex];
    if (topic === undefined || partition >= topic.partitions.length) {
      throw new BackupFormatError(`It has records of a partition that its header does not name`);
    }
    return topic;
  }

  async #commit({ groupId, offsets }: BackupGroup): Promise<void> {
    const names = this.#header?.topics.map(({ name }) => name) ?? [];
    const made = new Map(this.#made.map((topic, index) => [names[index] ?? "", topic]));
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
