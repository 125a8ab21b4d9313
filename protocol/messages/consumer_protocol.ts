/**
 * What consumers put inside JoinGroup and SyncGroup: subscription and assignment of the embedded consumer protocol.
 *
 * A payload is an int16 version, then the message. Versions 0 to 3, none flexible:
 * - 1: the partitions that the member owns (KIP-429, cooperative rebalancing).
 * - 2: the generation in which it owned them (KIP-792).
 * - 3: the member's rack (KIP-881).
 *
 * Later versions may only append, so a newer payload is read as the newest known version and its rest is ignored.
 * Source: Kafka's ConsumerProtocol. Pure.
 */
import { ByteReader, concat } from "../../lib/bytes.ts";
import { array, bytes, type InputOf, int32, string, struct, type ValueOf } from "../schema/fields.ts";
import { encodeParts, type Message, message } from "../schema/message.ts";

const topicPartitions = struct({
  topic: string("0+"),
  partitions: array("0+", "int32"),
});

export const consumerProtocolSubscription = message({
  name: "ConsumerProtocolSubscription",
  versions: "0-3",
  flexible: "none",
  struct: struct({
    topics: array("0+", "string"),
    /** Belongs to the assignor. */
    userData: bytes("0+", { nullable: "0+", default: null }),
    ownedPartitions: array("1+", topicPartitions),
    /** −1 when the member has not been in a generation. */
    generationId: int32("2+", { default: -1 }),
    rackId: string("3+", { nullable: "0+", default: null }),
  }),
});

export const consumerProtocolAssignment = message({
  name: "ConsumerProtocolAssignment",
  versions: "0-3",
  flexible: "none",
  struct: struct({
    assignedPartitions: array("0+", topicPartitions),
    /** Belongs to the assignor. */
    userData: bytes("0+", { nullable: "0+", default: null }),
  }),
});

export type ConsumerProtocolSubscription = ValueOf<typeof consumerProtocolSubscription.struct>;
export type ConsumerProtocolSubscriptionInput = InputOf<typeof consumerProtocolSubscription.struct>;
export type ConsumerProtocolAssignment = ValueOf<typeof consumerProtocolAssignment.struct>;
export type ConsumerProtocolAssignmentInput = InputOf<typeof consumerProtocolAssignment.struct>;

/** A subscription with its version in front. */
export function encodeSubscription(version: number, value: ConsumerProtocolSubscriptionInput): Uint8Array {
  return encodePayload(consumerProtocolSubscription, version, value);
}

/** Reads a subscription. Throws `DecodeError`. */
export function decodeSubscription(payload: Uint8Array): ConsumerProtocolSubscription & { version: number } {
  const { reader, version } = openPayload(consumerProtocolSubscription, payload);
  return { ...consumerProtocolSubscription.decode(reader, version), version };
}

/** An assignment with its version in front. */
export function encodeAssignment(version: number, value: ConsumerProtocolAssignmentInput): Uint8Array {
  return encodePayload(consumerProtocolAssignment, version, value);
}

/** Reads an assignment; an empty payload assigns nothing. Throws `DecodeError`. */
export function decodeAssignment(payload: Uint8Array): ConsumerProtocolAssignment & { version: number } {
  if (payload.length === 0) return { assignedPartitions: [], userData: null, version: 0 };
  const { reader, version } = openPayload(consumerProtocolAssignment, payload);
  return { ...consumerProtocolAssignment.decode(reader, version), version };
}

function encodePayload<M extends Message>(type: M, version: number, value: InputOf<M["struct"]>): Uint8Array {
  return concat(encodeParts((writer) => {
    writer.int16(version);
    type.encode(writer, version, value);
  }));
}

function openPayload(type: Message, payload: Uint8Array): { reader: ByteReader; version: number } {
  const reader = new ByteReader(payload);
  const version = reader.int16();
  if (version < 0) reader.fail(`${type.name} has no version ${version}`);
  return { reader, version: Math.min(version, type.versions.max) };
}
