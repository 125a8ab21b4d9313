/**
 * What a live tail tells, in its two forms: as a server-sent event, and as a text message of a WebSocket with the same parts.
 *
 * Source: the HTML standard, server-sent events. There an id without data is no event, but counts as the last one.
 */
export interface LiveEvent {
  /** `position` has no data: only the place to go on at. */
  readonly type:
    | "record"
    | "gap"
    | "behind"
    | "position"
    | "topicCreated"
    | "topicDeleted"
    | "topicSkipped"
    | "partitionsAdded";
  /** The place behind this event. */
  readonly id: string;
  /** JSON text; it may have line breaks. */
  readonly data: string | null;
}

/** As a server-sent event. */
export function sseText({ type, id, data }: LiveEvent): string {
  // The comment is for clients that give up a silent connection by its bytes, whatever they make of an id alone.
  if (data === null) return `:\nid: ${id}\n\n`;
  // JSON values are shown as they were written, so with line breaks between their parts.
  const lines = /[\r\n]/.test(data)
    ? data.split(/\r\n|\r|\n/).map((line) => `data: ${line}`).join("\n")
    : `data: ${data}`;
  return `id: ${id}\nevent: ${type}\n${lines}\n\n`;
}

/** As a message: `{"event":"record","id":"…","data":{…}}`. Ids have no characters that JSON escapes. */
export function messageText({ type, id, data }: LiveEvent): string {
  return `{"event":"${type}","id":"${id}"${data === null ? "" : `,"data":${data}`}}`;
}
