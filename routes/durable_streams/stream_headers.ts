/**
 * The words of Durable Streams: names of headers, and what requests say in them. A malformed one is a problem, 400.
 *
 * Source: PROTOCOL.md §4 and §5.
 */
import { limits } from "../../core/config/limits.ts";
import type { ProducerTag } from "../../core/stream/record_note.ts";
import type { Lifetime } from "../../core/stream/stream_record.ts";
import { parseStreamOffset } from "../../core/stream/stream_offset.ts";
import { fieldProblem, Problem } from "../problem.ts";

export const STREAM_ROOT = "/v1/stream/";

export const streamHeader = {
  nextOffset: "stream-next-offset",
  upToDate: "stream-up-to-date",
  closed: "stream-closed",
  cursor: "stream-cursor",
  ttl: "stream-ttl",
  expiresAt: "stream-expires-at",
  seq: "stream-seq",
  forkedFrom: "stream-forked-from",
  forkOffset: "stream-fork-offset",
  forkSubOffset: "stream-fork-sub-offset",
  sseEncoding: "stream-sse-data-encoding",
  producerId: "producer-id",
  producerEpoch: "producer-epoch",
  producerSeq: "producer-seq",
  producerExpectedSeq: "producer-expected-seq",
  producerReceivedSeq: "producer-received-seq",
} as const;

/** On every answer, so that a browser takes a stream for nothing but data. */
export const securityHeaders: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "cross-origin-resource-policy": "same-origin",
};

/** The path of a stream below the root, decoded. `pathname` as it stands in the URL. */
export function streamPathOf(pathname: string): string {
  let path: string;
  try {
    path = decodeURIComponent(pathname.slice(STREAM_ROOT.length));
  } catch {
    throw new Problem(400, { detail: "The path of the stream is not valid percent-encoding" });
  }
  const fault = pathFault(path);
  if (fault !== null) throw new Problem(400, { detail: `The path of the stream ${fault}` });
  return path;
}

/** What is wrong with the path of a stream, or null. */
export function pathFault(path: string): string | null {
  if (path === "") return "is empty";
  if (path.length > limits.streamPathLengthMax) {
    return `is longer than ${limits.streamPathLengthMax} characters`;
  }
  // deno-lint-ignore no-control-regex -- these are what is refused
  if (/[\u0000-\u001f\u007f]/.test(path) || !path.isWellFormed()) return "has characters that are not text";
  const segments = path.split("/");
  if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) {
    return 'has a segment that is empty, "." or ".."';
  }
  return segments[0] === "__ds" ? "begins with __ds, which is reserved" : null;
}

export interface ForkWish {
  readonly from: string;
  readonly offset: number | null;
  readonly subOffset: number;
}

export function forkWishOf(headers: Headers): ForkWish | null {
  const from = headers.get(streamHeader.forkedFrom);
  const offsetText = headers.get(streamHeader.forkOffset);
  const subOffsetText = headers.get(streamHeader.forkSubOffset);
  if (from === null) {
    if (offsetText !== null) throw fieldProblem("Stream-Fork-Offset", "goes with Stream-Forked-From only");
    if (subOffsetText !== null) {
      throw fieldProblem("Stream-Fork-Sub-Offset", "goes with Stream-Forked-From only");
    }
    return null;
  }
  if (!from.startsWith(STREAM_ROOT)) {
    throw fieldProblem("Stream-Forked-From", `expected the path of a stream, ${STREAM_ROOT}…`);
  }
  const offset = offsetText === null ? null : parseStreamOffset(offsetText);
  if (offsetText !== null && offset === null) {
    throw fieldProblem("Stream-Fork-Offset", "is not an offset of this server");
  }
  return {
    from: streamPathOf(from),
    offset,
    subOffset: subOffsetText === null ? 0 : countOf("Stream-Fork-Sub-Offset", subOffsetText),
  };
}

export function lifetimeOf(headers: Headers): Lifetime {
  const ttl = headers.get(streamHeader.ttl);
  const expiresAt = headers.get(streamHeader.expiresAt);
  if (ttl !== null && expiresAt !== null) throw fieldProblem("Stream-TTL", "excludes Stream-Expires-At");
  return {
    ttlSeconds: ttl === null ? null : countOf("Stream-TTL", ttl),
    expiresAtMs: expiresAt === null ? null : timeOf(expiresAt),
  };
}

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

function timeOf(text: string): number {
  const time = rfc3339.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(time)) throw fieldProblem("Stream-Expires-At", "expected a time as in RFC 3339");
  return time;
}

function countOf(name: string, text: string): number {
  const count = /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(count)) throw fieldProblem(name, "expected a whole number without leading zeros");
  return count;
}

/** Only `true` counts, in any case. */
export function saysClosed(headers: Headers): boolean {
  return headers.get(streamHeader.closed)?.toLowerCase() === "true";
}

export function producerOf(headers: Headers): ProducerTag | null {
  const id = headers.get(streamHeader.producerId);
  const epoch = headers.get(streamHeader.producerEpoch);
  const seq = headers.get(streamHeader.producerSeq);
  if (id === null && epoch === null && seq === null) return null;
  if (id === null || epoch === null || seq === null) {
    throw new Problem(400, { detail: "Producer-Id, Producer-Epoch and Producer-Seq go together" });
  }
  if (id === "" || id.length > limits.streamTagLengthMax) {
    throw fieldProblem("Producer-Id", `expected 1 to ${limits.streamTagLengthMax} characters`);
  }
  return { id, epoch: countOf("Producer-Epoch", epoch), seq: countOf("Producer-Seq", seq) };
}

export function streamSeqOf(headers: Headers): string | null {
  const seq = headers.get(streamHeader.seq);
  if (seq !== null && (seq === "" || seq.length > limits.streamTagLengthMax)) {
    throw fieldProblem("Stream-Seq", `expected 1 to ${limits.streamTagLengthMax} characters`);
  }
  return seq;
}

/** The Content-Type as sent, or null. */
export function contentTypeOf(headers: Headers): string | null {
  const given = headers.get("content-type")?.trim() ?? "";
  if (given === "") return null;
  if (given.length > 200 || !/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+\s*(;.*)?$/.test(given)) {
    throw fieldProblem("Content-Type", "expected a media type");
  }
  return given;
}
