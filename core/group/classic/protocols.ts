/**
 * Which protocols a group's members have in common, and which one they vote for (Kafka's ClassicGroup.selectProtocol).
 * A protocol is an assignor's name with the member's metadata for it; the type is `consumer`, `connect`, …
 */
import { invariant } from "../../../lib/invariant.ts";
import type { MemberProtocol } from "../group_commands.ts";
import { type GroupState, noBytes, type StoredMember } from "../group_state.ts";

/** Whether a member with these protocols can be in the group; an empty group takes any type and at least one protocol. */
export function supportsProtocols(
  state: GroupState,
  protocolType: string,
  protocols: readonly MemberProtocol[],
): boolean {
  if (state.phase === "Empty") return protocolType !== "" && protocols.length > 0;
  if (state.protocolType !== protocolType) return false;
  return protocols.some(({ name }) => isSupportedByAll(state, name));
}

/** The protocol with the most votes; each member votes for its first one that all support. */
export function selectProtocol(state: GroupState): string {
  const votes = new Map<string, number>();
  const supported = new Map<string, boolean>();
  for (const { stored } of state.members.values()) {
    const choice = stored.protocols.find(({ name }) => {
      let all = supported.get(name);
      if (all === undefined) supported.set(name, all = isSupportedByAll(state, name));
      return all;
    });
    invariant(
      choice !== undefined,
      `Cannot vote: ${stored.memberId} has no protocol in common with the group`,
    );
    votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1);
  }
  let winner: string | null = null;
  for (const [name, count] of votes) if (winner === null || count > (votes.get(winner) ?? 0)) winner = name;
  invariant(winner !== null, "Cannot select a protocol for a group without members");
  return winner;
}

/** The member's metadata for a protocol that it supports. */
export function protocolMetadata(member: StoredMember, protocolName: string | null): Uint8Array {
  return member.protocols.find(({ name }) => name === protocolName)?.metadata ?? noBytes;
}

/** Same names, same bytes, same order. */
export function sameProtocols(a: readonly MemberProtocol[], b: readonly MemberProtocol[]): boolean {
  return a.length === b.length &&
    a.every((protocol, index) => {
      const other = b[index];
      return other !== undefined && protocol.name === other.name &&
        sameBytes(protocol.metadata, other.metadata);
    });
}

function isSupportedByAll(state: GroupState, protocolName: string): boolean {
  for (const { stored } of state.members.values()) {
    if (!stored.protocols.some(({ name }) => name === protocolName)) return false;
  }
  return true;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
