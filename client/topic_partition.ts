/** A partition by topic and number. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** Key of a partition in maps; topic names have no slash. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}
