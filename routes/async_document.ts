/**
 * `/asyncapi.json`: the topics that are there now, as channels with Kafka bindings, on the two doors of this server. Nobody writes it
 * by hand, so it is never out of date. Beside them is the live tail, whose messages are its own. Source: AsyncAPI 3.0.0, and its Kafka bindings 0.5.0.
 */
import type { Broker } from "../actors/broker.ts";
import { internalTopicNames } from "../core/config/topic_name.ts";
import { LIVE, liveChannel, liveMessages, liveOperations } from "./live/live_document.ts";

const CHANNELS_MAX = 5_000;

/** `origin` is where the HTTP door was reached, as `http://host:port`. */
export function asyncApiDocument(broker: Broker, version: string, origin: string) {
  const { protocol, host } = new URL(origin);
  const topics = [...broker.metadata.topicsByName.values()]
    .filter(({ name }) => !internalTopicNames.has(name))
    .sort((a, b) => a.name < b.name ? -1 : 1)
    .slice(0, CHANNELS_MAX);
  return {
    asyncapi: "3.0.0",
    info: { title: "Kavka", version, description: "The topics of this server." },
    defaultContentType: "application/octet-stream",
    servers: {
      http: {
        host,
        protocol: protocol.replace(":", ""),
        description: "The live tail, as server-sent events",
      },
      websocket: {
        host,
        protocol: protocol === "https:" ? "wss" : "ws",
        description: "The live tail, as text messages of a WebSocket",
      },
      ...Object.fromEntries(broker.metadata.brokers.map(({ brokerId, host, port }) => [
        `kafka-${brokerId}`,
        { host: `${host}:${port}`, protocol: "kafka", description: `Broker ${brokerId}` },
      ])),
    },
    channels: {
      [LIVE]: liveChannel,
      ...Object.fromEntries(topics.map(({ name, partitions }) => [name, {
        address: name,
        messages: { record: { $ref: "#/components/messages/record" } },
        bindings: {
          kafka: {
            topic: name,
            partitions: partitions.length,
            replicas: partitions[0]?.replicas.length ?? 1,
            bindingVersion: "0.5.0",
          },
        },
      }])),
    },
    operations: {
      ...liveOperations,
      ...Object.fromEntries(topics.flatMap(({ name }) => {
        const channel = { $ref: `#/channels/${pointer(name)}` };
        const messages = [{ $ref: `#/channels/${pointer(name)}/messages/record` }];
        return [
          [`produce ${name}`, { action: "receive", channel, messages }],
          [`consume ${name}`, { action: "send", channel, messages }],
        ];
      })),
    },
    components: {
      messages: {
        record: {
          name: "record",
          summary: "A record: any bytes, and any bytes as the key",
          payload: {},
          bindings: { kafka: { key: {}, bindingVersion: "0.5.0" } },
        },
        ...liveMessages,
      },
    },
  };
}

/** As a part of a JSON pointer. */
function pointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
