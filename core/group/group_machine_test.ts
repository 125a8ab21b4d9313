/**
 * The group machine as a whole: what a restart keeps, and random clients, delays and restarts, after each of which
 * the invariants of `tests/group_harness.ts` hold.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { GroupDescription, JoinGroupResult, SyncGroupResult } from "./group_commands.ts";
import { awaitingJoinCount } from "./group_state.ts";
import { bytesOf, GroupHarness, type Pending, textOf } from "../../tests/group_harness.ts";

Deno.test("a restart keeps generation, members and assignments, and gives everyone a full session", () => {
  const group = new GroupHarness();
  const [a, b] = group.stable(2);
  assert(a !== undefined && b !== undefined);
  group.advance(9_999);
  group.restart();
  group.advance(9_999);
  assert.equal(group.heartbeat(a.memberId, 1), "NONE");
  assert.equal(textOf(group.sync(b).now.assignment), `for ${b.memberId}`);
  group.advance(1);
  assert.equal(group.state.members.has(b.memberId), false, "the sync of a stable group is no heartbeat");
  group.join({ memberId: a.memberId });
  assert.equal(group.state.generationId, 2);
});

Deno.test("a restart while the leader assigns keeps the generation, and who does not sync is expired", () => {
  const group = new GroupHarness();
  const joins = [group.join(), group.join()];
  group.advance(6_000);
  const [leader, follower] = joins.map(({ now }) => now);
  assert(leader !== undefined && follower !== undefined);
  group.restart();
  assert.equal(group.state.phase, "CompletingRebalance");
  const parked = group.sync(follower);
  for (let i = 0; i < 8; i++) {
    group.advance(8_000);
    group.heartbeat(leader.memberId, 1);
  }
  assert.equal(parked.now.error, "REBALANCE_IN_PROGRESS");
  assert.equal(group.state.members.size, 1);
});

Deno.test("a restart in a join phase goes back to the stored generation", () => {
  const group = new GroupHarness();
  const [a] = group.stable(1);
  group.join();
  group.restart();
  assert.equal(group.state.phase, "Stable");
  assert.equal(group.heartbeat(a?.memberId ?? "", 1), "NONE");
});

Deno.test("a group that is loaded with more members than allowed rebalances", () => {
  const config = { memberCountMax: 3 };
  const group = new GroupHarness(config);
  group.stable(3);
  Object.assign(group, { config: { ...group.config, memberCountMax: 2 } });
  group.restart();
  assert.equal(group.state.phase, "PreparingRebalance");
  const rejoins = [...group.state.members.keys()].map((memberId) => group.join({ memberId }));
  assert.deepEqual(rejoins.map(({ answer }) => answer?.error), ["NONE", "NONE", "GROUP_MAX_SIZE_REACHED"]);
});

Deno.test("describe shows the group in Kafka's words", () => {
  const group = new GroupHarness();
  const describe = () => group.send<GroupDescription>({ type: "describe" }).now;
  assert.equal(describe().state, "Dead");
  const [a] = group.stable(1);
  group.advance(500);
  group.heartbeat(a?.memberId ?? "", 1);
  group.advance(250);
  assert.deepEqual(describe(), {
    groupId: "g",
    groupType: "classic",
    state: "Stable",
    protocolType: "consumer",
    protocolName: "range",
    generationId: 1,
    members: [{
      memberId: a?.memberId,
      groupInstanceId: null,
      clientId: "client",
      clientHost: "/127.0.0.1",
      metadata: bytesOf("m"),
      assignment: bytesOf(`for ${a?.memberId}`),
      lastHeartbeatMs: 5_000_000 + group.monoMs - 250,
    }],
  });
  group.join();
  assert.equal(describe().state, "PreparingRebalance");
  assert.equal(describe().members[0]?.assignment.length, 0);
});

/** A client of the random runs: follows the protocol, but at random times. */
interface TestClient {
  readonly groupInstanceId: string | null;
  readonly protocolNames: readonly string[];
  memberId: string;
  generationId: number;
  joining: Pending<JoinGroupResult> | null;
  syncing: Pending<SyncGroupResult> | null;
  joined: JoinGroupResult | null;
}

type Step =
  | {
    readonly type: "join" | "rejoin" | "joinAnew" | "sync" | "heartbeat" | "leave" | "commit";
    readonly client: number;
  }
  | { readonly type: "advance"; readonly ms: number }
  | { readonly type: "gather"; readonly isSynced: boolean }
  | { readonly type: "restart" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constantFrom(
        "join",
        "join",
        "rejoin",
        "joinAnew",
        "sync",
        "sync",
        "heartbeat",
        "leave",
        "commit",
      ),
      client: fc.nat(5),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("advance" as const),
      ms: fc.constantFrom(0, 1, 1_000, 3_000, 6_000, 9_999, 20_000, 60_000),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: "restart" as const }) },
  // Leads to deeper states than single steps would.
  { weight: 2, arbitrary: fc.record({ type: fc.constant("gather" as const), isSynced: fc.boolean() }) },
);

/** What the members of a generation must agree on. */
class Generations {
  readonly #facts = new Map<number, { leader: string; protocolName: string | null }>();
  readonly #assignments = new Map<string, string>();

  joined(result: JoinGroupResult): void {
    if (result.error !== "NONE") return;
    const { generationId, leader, protocolName, members, memberId } = result;
    const fact = this.#facts.get(generationId) ?? { leader, protocolName };
    this.#facts.set(generationId, fact);
    assert.equal(protocolName, fact.protocolName, `one protocol in generation ${generationId}`);
    if (members.length > 0) assert.equal(memberId, leader, "only the leader gets the members");
  }

  synced(memberId: string, generationId: number, result: SyncGroupResult): void {
    if (result.error !== "NONE") return;
    const key = `${generationId}/${memberId}`;
    const assignment = textOf(result.assignment);
    assert.equal(assignment, this.#assignments.get(key) ?? assignment, "an assignment does not change");
    this.#assignments.set(key, assignment);
  }
}

Deno.test("random clients: invariants hold, every request is answered, silence empties the group", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 80 }), (steps) => {
      const group = new GroupHarness({ memberCountMax: 4 });
      const generations = new Generations();
      const clients = newClients();
      let pending: Pending<JoinGroupResult | SyncGroupResult>[] = [];
      for (const next of steps) {
        if (next.type === "advance") group.advance(next.ms);
        else if (next.type === "gather") {
          for (let round = 0; round < 2; round++) {
            for (const client of clients.slice(0, 5)) {
              if (client.joining === null) act(group, client, "join", pending);
              hear(client, generations);
            }
          }
          group.advance(6_000);
          for (const client of clients) {
            hear(client, generations);
            if (next.isSynced) act(group, client, "sync", pending);
          }
        } else if (next.type === "restart") {
          group.restart();
          // Their connections broke.
          pending = [];
          for (const client of clients) Object.assign(client, { joining: null, syncing: null });
        } else {
          const client = clients[next.client];
          if (client !== undefined) act(group, client, next.type, pending);
        }
        for (const client of clients) hear(client, generations);
        // Members that do not come back do not count, as in Kafka.
        assert(awaitingJoinCount(group.state) <= 4);
      }
      group.advance(3_600_000);
      for (const { answer } of pending) assert(answer !== undefined, "a request was never answered");
      assert.equal(group.state.phase, "Empty");
      assert.equal(group.state.pendingMembers.size, 0);
      assert.equal(group.state.wakeAtMs, Infinity);
    }),
    { numRuns: 1_500, seed: 20_261 },
  );
});

function newClients(): TestClient[] {
  const client = { memberId: "", generationId: -1, joining: null, syncing: null, joined: null };
  return [
    { ...client, groupInstanceId: null, protocolNames: ["range", "sticky"] },
    { ...client, groupInstanceId: null, protocolNames: ["sticky", "range"] },
    { ...client, groupInstanceId: null, protocolNames: ["sticky"] },
    { ...client, groupInstanceId: "i1", protocolNames: ["range", "sticky"] },
    { ...client, groupInstanceId: "i2", protocolNames: ["sticky", "range"] },
    // The same instance started twice.
    { ...client, groupInstanceId: "i2", protocolNames: ["sticky", "range"] },
  ];
}

function act(
  group: GroupHarness,
  client: TestClient,
  type: Exclude<Step["type"], "advance" | "restart">,
  pending: Pending<JoinGroupResult | SyncGroupResult>[],
): void {
  const { memberId, generationId, groupInstanceId } = client;
  switch (type) {
    case "join":
    case "rejoin":
    case "joinAnew":
      client.joining = group.join({
        memberId: type === "joinAnew" ? "" : memberId,
        groupInstanceId,
        requireKnownMemberId: true,
        protocols: client.protocolNames.map((name) => ({
          name,
          metadata: bytesOf(type === "rejoin" ? "b" : "a"),
        })),
        rebalanceTimeoutMs: groupInstanceId === null ? 30_000 : 15_000,
      });
      pending.push(client.joining);
      return;
    case "sync":
      if (client.joined === null) return;
      client.syncing = group.sync(client.joined, { groupInstanceId });
      pending.push(client.syncing);
      return;
    case "heartbeat":
      group.heartbeat(memberId, generationId, groupInstanceId);
      return;
    case "leave":
      group.leave(groupInstanceId === null ? { memberId } : { memberId, groupInstanceId });
      return;
    case "commit":
      group.commit({ memberId, generationId, groupInstanceId });
      return;
  }
}

/** Takes in what was answered meanwhile. */
function hear(client: TestClient, generations: Generations): void {
  const joined = client.joining?.answer;
  if (joined !== undefined) {
    client.joining = null;
    generations.joined(joined);
    if (joined.memberId !== "") client.memberId = joined.memberId;
    if (joined.error === "UNKNOWN_MEMBER_ID" || joined.error === "FENCED_INSTANCE_ID") client.memberId = "";
    if (joined.error === "NONE") Object.assign(client, { joined, generationId: joined.generationId });
  }
  const synced = client.syncing?.answer;
  if (synced !== undefined && client.joined !== null) {
    client.syncing = null;
    generations.synced(client.joined.memberId, client.joined.generationId, synced);
  }
}
