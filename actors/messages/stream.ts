/**
 * Messages of the two kinds of actors behind Durable Streams: the registry (`stream_registry/streams`), which knows every
 * stream by its path, and the writer of one stream (`stream/<streamId>`). The records themselves are the log of a topic with
 * one partition whose topic id is the stream's id; readers ask its partition actor.
 */
import type { AppendDecision, AppendWish } from "../../core/stream/writer_state.ts";
import type { Lifetime, StreamRecord } from "../../core/stream/stream_record.ts";
import type { Expects } from "../runtime/types.ts";

export type FoundStream =
  | { readonly type: "found"; readonly stream: StreamRecord }
  | { readonly type: "absent" }
  /** Deleted, but kept for its forks. */
  | { readonly type: "gone" };

export interface LookUpStream extends Expects<FoundStream> {
  readonly type: "lookUp";
  readonly path: string;
  /** Whether this is a read or a write, which begins a sliding lifetime anew. */
  readonly touch: boolean;
}

export type CreatedStream =
  | { readonly type: "created"; readonly stream: StreamRecord; readonly logEndOffset: number }
  /** Another creation came first. */
  | { readonly type: "exists"; readonly stream: StreamRecord }
  | { readonly type: "gone" }
  | { readonly type: "sourceAbsent" }
  | { readonly type: "sourceGone" }
  | { readonly type: "contentTypeMismatch" }
  /** A topic that is no stream has the name. */
  | { readonly type: "topicExists" };

/** Answered when the stream, its first content and its closure are durable; a crash before that leaves nothing. */
export interface CreateStream extends Expects<CreatedStream> {
  readonly type: "create";
  readonly path: string;
  /** Null: that of the fork's source. */
  readonly contentType: string | null;
  readonly lifetime: Lifetime;
  readonly values: readonly Uint8Array[];
  readonly close: boolean;
  readonly fork: {
    readonly from: string;
    readonly sourceId: string;
    readonly offset: number;
    readonly offsetGiven: boolean;
    readonly subOffset: number;
    /** Where the fork's own log begins. */
    readonly base: number;
  } | null;
}

/** Answered when the name is free again, or the stream is kept for its forks alone. */
export interface RemoveStream extends Expects<{ readonly type: "removed" | "absent" | "gone" }> {
  readonly type: "remove";
  readonly path: string;
  /** Only this one, not one that was created anew under the path. */
  readonly streamId?: string;
}

/** Paths of the streams that a pattern matches; see `core/stream/subscription.ts`. */
export interface ListStreams extends Expects<readonly string[]> {
  readonly type: "list";
  readonly pattern: string;
}

/** Internal: the end of a creation or of a deletion that ran beside the mailbox; a look for expired streams. */
export interface StreamWorkDone {
  readonly type: "workDone";
  readonly path: string;
  readonly apply: () => void;
}
export interface StreamTick {
  readonly type: "tick";
  readonly task: "expiry" | "garbage";
}

export type StreamRegistryMessage =
  | LookUpStream
  | CreateStream
  | RemoveStream
  | ListStreams
  | StreamWorkDone
  | StreamTick;

export type RefusedAppend = Exclude<
  AppendDecision,
  { readonly type: "append" } | { readonly type: "duplicate" } | { readonly type: "closedBefore" }
>;

/** Offsets are those of the stream's own log. */
export type StreamAppendResult =
  | { readonly type: "appended"; readonly tail: number; readonly closed: boolean; readonly lastSeq: number }
  | {
    readonly type: "duplicate";
    readonly tail: number;
    readonly closed: boolean;
    readonly epoch: number;
    readonly lastSeq: number;
  }
  /** The log is not there any more. */
  | { readonly type: "absent" }
  | { readonly type: "refused"; readonly refusal: RefusedAppend; readonly tail: number };

/** Appends all values in one batch, or nothing. Answered when it is durable. */
export interface AppendToStream extends Omit<AppendWish, "hasData">, Expects<StreamAppendResult> {
  readonly type: "append";
  /** One record each; empty with `close` only. */
  readonly values: readonly Uint8Array[];
}

export interface StreamDescription {
  /** End of its own log; null when the log is not there any more. */
  readonly tail: number | null;
  readonly closed: boolean;
}

/** What is durable. */
export interface DescribeStream extends Expects<StreamDescription> {
  readonly type: "describe";
}

export type StreamMessage = AppendToStream | DescribeStream;
