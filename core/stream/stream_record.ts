/**
 * What the registry knows of a stream: where its data lies, what it was created with, and how long it lives. Pure.
 *
 * A stream's own records are the log of one topic with one partition, whose topic id is the stream's id. A fork reads its
 * ancestors' logs up to where it left them, then its own; all share one space of offsets. Source: PROTOCOL.md §4.2 and §5.1.
 */

/** Part of another stream's log that a fork reads as its own; offsets are the stream's. */
export interface StreamSegment {
  readonly topicId: string;
  /** Offset in the stream of the log's first record. */
  readonly base: number;
  /** First offset that the fork does not read there. */
  readonly end: number;
}

export interface ForkOrigin {
  /** Path of the source. */
  readonly from: string;
  readonly sourceId: string;
  readonly offset: number;
  /** False when the creator took the source's end as it was. */
  readonly offsetGiven: boolean;
  readonly subOffset: number;
}

/** Sliding or absolute, never both. */
export interface Lifetime {
  readonly ttlSeconds: number | null;
  readonly expiresAtMs: number | null;
}

export const endless: Lifetime = { ttlSeconds: null, expiresAtMs: null };

/** In the order of their stored numbers. CREATING streams are seen by nobody and rolled back when found again. */
export const STREAM_STATES = ["CREATING", "ACTIVE", "SOFT_DELETED"] as const;
export type StreamState = typeof STREAM_STATES[number];

export interface StreamRecord {
  readonly path: string;
  readonly streamId: string;
  readonly state: StreamState;
  /** Name of the topic that holds its own records. */
  readonly topic: string;
  /** As the creator wrote it; compared without case and parameters. */
  readonly contentType: string;
  readonly createdAtMs: number;
  /** Last read or write, on the wall clock; kept only as exactly as the sliding lifetime needs it. */
  readonly lastAccessMs: number;
  readonly lifetime: Lifetime;
  /** As asked for: a fork without a wish inherits. */
  readonly wishedLifetime: Lifetime;
  /** Offset of the first record of its own log. */
  readonly base: number;
  /** What comes before its own log, in order. */
  readonly segments: readonly StreamSegment[];
  readonly fork: ForkOrigin | null;
  /** Streams that were forked from it and still are. */
  readonly forkCount: number;
}

/** What a creation asks for, besides the content. */
export interface StreamWish {
  /** Null for a fork that takes its source's. */
  readonly contentType: string | null;
  readonly lifetime: Lifetime;
  readonly fork: {
    readonly from: string;
    /** Null: the source's end. */
    readonly offset: number | null;
    readonly subOffset: number;
  } | null;
}

/** `text/plain` of `Text/Plain; charset=utf-8`. */
export function mediaType(contentType: string): string {
  return (contentType.split(";")[0] ?? "").trim().toLowerCase();
}

export function isSameMediaType(a: string, b: string): boolean {
  return mediaType(a) === mediaType(b);
}

/** Whether a repeated creation asks for what is there; whether it is closed is compared elsewhere. */
export function matchesWish(record: StreamRecord, wish: StreamWish): boolean {
  const { fork, wishedLifetime } = record;
  if (wish.contentType !== null && !isSameMediaType(wish.contentType, record.contentType)) return false;
  if (wish.lifetime.ttlSeconds !== wishedLifetime.ttlSeconds) return false;
  if (wish.lifetime.expiresAtMs !== wishedLifetime.expiresAtMs) return false;
  if (wish.fork === null || fork === null) return wish.fork === null && fork === null;
  return wish.fork.from === fork.from && wish.fork.subOffset === fork.subOffset &&
    (wish.fork.offset === null ? !fork.offsetGiven : wish.fork.offset === fork.offset);
}

/** A fork's lifetime is its own; where none is asked for, that of the source, counted anew. */
export function forkLifetime(wish: Lifetime, source: Lifetime): Lifetime {
  return wish.ttlSeconds !== null || wish.expiresAtMs !== null ? wish : source;
}

/** The logs that a fork of `source` at `end` begins with. */
export function inheritedSegments(source: StreamRecord, end: number): StreamSegment[] {
  const own = { topicId: source.streamId, base: source.base, end };
  return [...source.segments, own]
    .map((segment) => ({ ...segment, end: Math.min(segment.end, end) }))
    .filter((segment) => segment.base < segment.end);
}

/** When the stream expires if nothing happens, on the wall clock; Infinity for never. */
export function expiryMs({ lifetime, lastAccessMs }: StreamRecord): number {
  if (lifetime.expiresAtMs !== null) return lifetime.expiresAtMs;
  return lifetime.ttlSeconds === null ? Infinity : lastAccessMs + lifetime.ttlSeconds * 1_000;
}

/** An access is stored only when this long passed since the stored one, so that readers do not cause a commit each. */
export function accessGrainMs({ ttlSeconds }: Lifetime): number {
  return Math.max(1_000, (ttlSeconds ?? 0) * 125);
}
