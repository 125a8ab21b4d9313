/**
 * `["g", shardIndex, "r", groupId]`: one generation of a group, with its members and their assignments. Owner: `group_store.ts`.
 *
 * Value v1: version, member count (int32), then either 0 and the body, or 1 and what finds the body in pieces: writing
 * (int64), piece count (int32), length (int32), CRC-32C (uint32). Pieces are bytes of the body and nothing else.
 * Body v1: version, generation (int32), protocol type, protocol name, leader (compact nullable strings), whether it is
 * assigned, wall clock of the change (int64), members. Member: id, instance id, client id, client host (compact
 * strings, the instance id nullable), session and rebalance timeout (int32), protocols (name, metadata), assignment.
 * Body v2, a group of the consumer protocol: version, group and assignment epoch (int32), assignor (compact string),
 * subscribed topics (id, partition count), wall clock of the change (int64), members. Member: see `writeConsumerMember`.
 */
import type { ByteReader, ByteWriter } from "../../lib/bytes.ts";
import type { GroupRecord, StoredMember } from "../../core/group/group_state.ts";
import { type Assignment, assignmentOf, topicsOf } from "../../core/group/modern/assignment.ts";
import type {
  ConsumerGroupRecord,
  ConsumerMember,
  MemberState,
} from "../../core/group/modern/consumer_group_record.ts";
import { uuidBytes, uuidText } from "./uuid.ts";
import { decodeValue, encodeValue, SEAL_BYTES, versionOf } from "./value_codec.ts";

const VERSION = 1;
const BODY_VERSION = 1;
/** Body of a group of the consumer protocol. */
const CONSUMER_BODY_VERSION = 2;
const IN_PLACE = 0;
const IN_PIECES = 1;

/** Bytes of the value beside a body that is in place. */
export const GROUP_VALUE_OVERHEAD_BYTES = 6 + SEAL_BYTES;

export interface GroupPieces {
  readonly writing: number;
  readonly pieceCount: number;
  readonly byteLength: number;
  readonly crc: number;
}

export interface GroupValue {
  readonly memberCount: number;
  readonly body: Uint8Array | GroupPieces;
}

export function encodeGroupValue({ memberCount, body }: GroupValue): Uint8Array {
  return encodeValue(VERSION, (writer) => {
    writer.int32(memberCount);
    if (body instanceof Uint8Array) {
      writer.uint8(IN_PLACE);
      writer.bytes(body);
      return;
    }
    writer.uint8(IN_PIECES);
    writer.int64(body.writing);
    writer.int32(body.pieceCount);
    writer.int32(body.byteLength);
    writer.uint32(body.crc);
  });
}

export function decodeGroupValue(value: Uint8Array): GroupValue {
  return decodeValue("group", VERSION, value, (reader) => {
    const memberCount = reader.int32();
    const place = reader.uint8();
    if (place === IN_PLACE) return { memberCount, body: reader.bytes(reader.remaining) };
    if (place !== IN_PIECES) reader.fail(`Unknown place of a group: ${place}`);
    const body = {
      writing: reader.int64(),
      pieceCount: reader.int32(),
      byteLength: reader.int32(),
      crc: reader.uint32(),
    };
    return { memberCount, body };
  });
}

export function encodeGroupBody(record: GroupRecord): Uint8Array {
  return encodeValue(BODY_VERSION, (writer) => {
    writer.int32(record.generationId);
    writer.compactNullableString(record.protocolType);
    writer.compactNullableString(record.protocolName);
    writer.compactNullableString(record.leaderId);
    writer.bool(record.assigned);
    writer.int64(record.changedAtMs);
    writer.arrayLength(record.members.length);
    for (const member of record.members) writeMember(writer, member);
  });
}

/** The bytes of metadata and assignments are copies: they do not keep the value alive. */
export function decodeGroupBody(body: Uint8Array): GroupRecord {
  return decodeValue("group body", BODY_VERSION, body, (reader) => ({
    generationId: reader.int32(),
    protocolType: reader.compactNullableString(),
    protocolName: reader.compactNullableString(),
    leaderId: reader.compactNullableString(),
    assigned: reader.bool(),
    changedAtMs: reader.int64(),
    members: readArray(reader, MEMBER_BYTES_MIN, readMember),
  }));
}

/** Four strings, two timeouts, an array, an assignment. */
const MEMBER_BYTES_MIN = 17;

function writeMember(writer: ByteWriter, member: StoredMember): void {
  writer.compactString(member.memberId);
  writer.compactNullableString(member.groupInstanceId);
  writer.compactString(member.clientId);
  writer.compactString(member.clientHost);
  writer.int32(member.sessionTimeoutMs);
  writer.int32(member.rebalanceTimeoutMs);
  writer.arrayLength(member.protocols.length);
  for (const { name, metadata } of member.protocols) {
    writer.compactString(name);
    writer.compactBytes(metadata);
  }
  writer.compactBytes(member.assignment);
}

function readMember(reader: ByteReader): StoredMember {
  return {
    memberId: reader.compactString(),
    groupInstanceId: reader.compactNullableString(),
    clientId: reader.compactString(),
    clientHost: reader.compactString(),
    sessionTimeoutMs: reader.int32(),
    rebalanceTimeoutMs: reader.int32(),
    protocols: readArray(reader, 2, (r) => ({ name: r.compactString(), metadata: r.compactBytes().slice() })),
    assignment: reader.compactBytes().slice(),
  };
}

function readArray<T>(reader: ByteReader, elementBytesMin: number, read: (reader: ByteReader) => T): T[] {
  const count = reader.arrayLength(elementBytesMin);
  const elements: T[] = [];
  for (let i = 0; i < count; i++) elements.push(read(reader));
  return elements;
}

/** Whether the body is that of a group of the consumer protocol. */
export function isConsumerGroupBody(body: Uint8Array): boolean {
  return versionOf(body) === CONSUMER_BODY_VERSION;
}

export function encodeConsumerGroupBody(record: ConsumerGroupRecord): Uint8Array {
  return encodeValue(CONSUMER_BODY_VERSION, (writer) => {
    writer.int32(record.groupEpoch);
    writer.int32(record.assignmentEpoch);
    writer.compactString(record.assignorName);
    writer.arrayLength(record.subscribedTopics.length);
    for (const { topicId, partitionCount } of record.subscribedTopics) {
      writer.bytes(uuidBytes(topicId));
      writer.int32(partitionCount);
    }
    writer.int64(record.changedAtMs);
    writer.arrayLength(record.members.length);
    for (const member of record.members) writeConsumerMember(writer, member);
  });
}

export function decodeConsumerGroupBody(body: Uint8Array): ConsumerGroupRecord {
  return decodeValue("consumer group body", CONSUMER_BODY_VERSION, body, (reader) => ({
    groupEpoch: reader.int32(),
    assignmentEpoch: reader.int32(),
    assignorName: reader.compactString(),
    subscribedTopics: readArray(reader, UUID_BYTES + 4, (r) => ({
      topicId: readUuid(r),
      partitionCount: r.int32(),
    })),
    changedAtMs: reader.int64(),
    members: readArray(reader, CONSUMER_MEMBER_BYTES_MIN, readConsumerMember),
  }));
}

const UUID_BYTES = 16;
/** Seven strings, four arrays, three numbers of four bytes, two bytes. */
const CONSUMER_MEMBER_BYTES_MIN = 25;
const MEMBER_STATES: readonly MemberState[] = ["stable", "unrevoked", "unreleased"];

function writeConsumerMember(writer: ByteWriter, member: ConsumerMember): void {
  writer.compactString(member.memberId);
  writer.compactNullableString(member.instanceId);
  writer.compactNullableString(member.rackId);
  writer.compactString(member.clientId);
  writer.compactString(member.clientHost);
  writer.int32(member.rebalanceTimeoutMs);
  writer.arrayLength(member.subscribedTopicNames.length);
  for (const name of member.subscribedTopicNames) writer.compactString(name);
  writer.compactNullableString(member.subscribedTopicRegex);
  writer.compactNullableString(member.serverAssignor);
  writer.uint8(MEMBER_STATES.indexOf(member.state));
  writer.int32(member.memberEpoch);
  writer.int32(member.previousMemberEpoch);
  for (const assignment of [member.assigned, member.pendingRevocation, member.target]) {
    writeAssignment(writer, assignment);
  }
  writer.bool(member.classic !== null);
  if (member.classic === null) return;
  writer.int32(member.classic.sessionTimeoutMs);
  writer.arrayLength(member.classic.protocols.length);
  for (const { name, metadata } of member.classic.protocols) {
    writer.compactString(name);
    writer.compactBytes(metadata);
  }
}

function readConsumerMember(reader: ByteReader): ConsumerMember {
  return {
    memberId: reader.compactString(),
    instanceId: reader.compactNullableString(),
    rackId: reader.compactNullableString(),
    clientId: reader.compactString(),
    clientHost: reader.compactString(),
    rebalanceTimeoutMs: reader.int32(),
    subscribedTopicNames: readArray(reader, 1, (r) => r.compactString()),
    subscribedTopicRegex: reader.compactNullableString(),
    serverAssignor: reader.compactNullableString(),
    state: readState(reader),
    memberEpoch: reader.int32(),
    previousMemberEpoch: reader.int32(),
    assigned: readAssignment(reader),
    pendingRevocation: readAssignment(reader),
    target: readAssignment(reader),
    classic: reader.bool()
      ? {
        sessionTimeoutMs: reader.int32(),
        protocols: readArray(
          reader,
          2,
          (r) => ({ name: r.compactString(), metadata: r.compactBytes().slice() }),
        ),
      }
      : null,
  };
}

function readState(reader: ByteReader): MemberState {
  const index = reader.uint8();
  return MEMBER_STATES[index] ?? reader.fail(`Unknown state of a member: ${index}`);
}

function writeAssignment(writer: ByteWriter, assignment: Assignment): void {
  const topics = topicsOf(assignment);
  writer.arrayLength(topics.length);
  for (const { topicId, partitions } of topics) {
    writer.bytes(uuidBytes(topicId));
    writer.arrayLength(partitions.length);
    for (const partition of partitions) writer.int32(partition);
  }
}

function readAssignment(reader: ByteReader): Assignment {
  return assignmentOf(readArray(reader, UUID_BYTES + 1, (r) => ({
    topicId: readUuid(r),
    partitions: readArray(r, 4, (each) => each.int32()),
  })));
}

function readUuid(reader: ByteReader): string {
  return uuidText(reader.bytes(UUID_BYTES));
}
