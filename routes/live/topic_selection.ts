/**
 * Which topics a live tail reads: those that it names and those whose names match its pattern, as far as its key may read them. Topics of
 * Kavka's own are never among those of a pattern.
 */
import type { MetadataImage, TopicImage } from "../../core/cluster/metadata_image.ts";
import { internalTopicNames } from "../../core/config/topic_name.ts";
import { limits } from "../../core/config/limits.ts";
import type { TopicRegex } from "../../core/group/regex/topic_regex.ts";
import { fieldProblem, type Problem } from "../problem.ts";

export interface TopicSelectionOptions {
  readonly names: readonly string[];
  /** Null for none. */
  readonly pattern: TopicRegex | null;
  /** One topic that the path names. */
  readonly isSingle?: boolean;
  /** Whether the key may read a topic that matches the pattern. Names were looked at before. */
  mayRead(name: string): boolean;
}

export class TopicSelection {
  readonly isSingle: boolean;
  readonly #names: ReadonlySet<string>;
  readonly #pattern: TopicRegex | null;
  readonly #mayRead: (name: string) => boolean;

  constructor({ names, pattern, isSingle = false, mayRead }: TopicSelectionOptions) {
    this.isSingle = isSingle;
    this.#names = new Set(names);
    this.#pattern = pattern;
    this.#mayRead = mayRead;
  }

  /** Whether there may be topics later, though there is none now. */
  get mayGrow(): boolean {
    return this.#pattern !== null;
  }

  has(name: string): boolean {
    if (this.#names.has(name)) return true;
    return this.#pattern !== null && !internalTopicNames.has(name) && this.#pattern.matches(name) &&
      this.#mayRead(name);
  }

  /** Those that are there, in the order of their names. */
  topics({ topicsByName }: MetadataImage): readonly TopicImage[] {
    const found = this.#pattern === null
      ? [...this.#names].flatMap((name) => topicsByName.get(name) ?? [])
      : [...topicsByName.values()].filter(({ name }) => this.has(name));
    return found.sort((a, b) => a.name < b.name ? -1 : 1);
  }

  tooMany(count: number): Problem {
    const most = `more than ${limits.livePartitionsMax} partitions`;
    if (this.isSingle) return fieldProblem("partition", `is missing: the topic has ${most}`);
    const field = this.#pattern === null ? "topics" : "pattern";
    return fieldProblem(field, `asks for ${count} partitions: a tail reads no ${most}`);
  }
}
