/**
 * The live tail in `/asyncapi.json`: its channel, and the messages in both directions. In server-sent events the same parts are fields of
 * the event. Source: AsyncAPI 3.0.0, and its WebSocket bindings 0.1.0.
 */
import type { LiveEvent } from "./live_event.ts";

/** Name of the channel; no topic can have it. */
export const LIVE = "/v1/live";
const pointer = "#/channels/~1v1~1live";

const text = { type: "string" } as const;
const whole = { type: "integer" } as const;
const objectOf = (properties: Readonly<Record<string, unknown>>) => ({
  type: "object",
  required: Object.keys(properties),
  properties,
});
const place = { topic: text, partition: whole };

const events: Readonly<Record<LiveEvent["type"], readonly [summary: string, data: object | null]>> = {
  record: [
    "A record, with format=cloudevents as a CloudEvent in structured mode",
    {
      anyOf: [
        objectOf({ ...place, offset: whole, timestamp: whole, key: {}, value: {}, headers: {} }),
        objectOf({ specversion: { const: "1.0" }, id: text, source: text, type: text }),
      ],
    },
  ],
  gap: [
    "Records that were deleted before they were read, or cannot be read",
    objectOf({ ...place, fromOffset: whole, nextOffset: whole, kafkaError: { type: ["string", "null"] } }),
  ],
  behind: [
    "How many records it is to the end of the log, at most every second, while they are many; 0 when the end is reached",
    objectOf({
      records: whole,
      partitions: { type: "array", items: objectOf({ ...place, records: whole }) },
    }),
  ],
  topicCreated: ["A topic that is read from now on", objectOf({ topic: text, partitions: whole })],
  topicDeleted: ["A topic that is gone", objectOf({ topic: text })],
  topicSkipped: ["A topic that would be too much for one tail", objectOf({ topic: text, partitions: whole })],
  partitionsAdded: ["A topic that has more partitions now", objectOf({ topic: text, partitions: whole })],
  position: ["The place to go on at, and nothing else", null],
};

const commands = { pause: "Nothing is sent until resume", resume: "Go on" } as const;

const messageName = (name: string) => `live ${name}`;
const reference = (name: string) => ({ $ref: `#/components/messages/${messageName(name)}` });

export const liveMessages = Object.fromEntries([
  ...Object.entries(events).map(([name, [summary, data]]) => {
    const payload = objectOf({ event: { const: name }, id: text, ...(data === null ? {} : { data }) });
    return [messageName(name), { name, summary, contentType: "application/json", payload }];
  }),
  ...Object.entries(commands).map(([name, summary]) => {
    const payload = objectOf({ type: { const: name } });
    return [messageName(name), { name, summary, contentType: "application/json", payload }];
  }),
]);

export const liveChannel = {
  address: LIVE,
  title: "Records of several topics as they come",
  servers: [{ $ref: "#/servers/websocket" }, { $ref: "#/servers/http" }],
  messages: Object.fromEntries(
    [...Object.keys(events), ...Object.keys(commands)].map((name) => [name, reference(name)]),
  ),
  bindings: {
    ws: {
      method: "GET",
      query: {
        type: "object",
        properties: {
          topics: { type: "string", description: "Names with commas between them" },
          pattern: { type: "string", description: "A regular expression (RE2) of names" },
          format: { type: "string", description: "auto, json, string, binary or cloudevents" },
          lastEventId: { type: "string", description: "The id to go on behind" },
        },
      },
      bindingVersion: "0.1.0",
    },
  },
};

const messagesOf = (names: object) =>
  Object.keys(names).map((name) => ({ $ref: `${pointer}/messages/${name}` }));

export const liveOperations = {
  "tail topics": { action: "send", channel: { $ref: pointer }, messages: messagesOf(events) },
  "hold a tail": { action: "receive", channel: { $ref: pointer }, messages: messagesOf(commands) },
};
