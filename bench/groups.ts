/**
 * `deno run -A bench/groups.ts`: many groups of two members, and one of many, in both protocols, on a store in a file:
 * how long the storm of joins takes, and how long a heartbeat waits for its answer while everyone heartbeats.
 * The actors are asked directly, without sockets. Settings: GROUPS=1000 MEMBERS=500.
 */
import type { LocalBroker } from "../actors/local_broker.ts";
import { encodeSubscription } from "../protocol/messages/consumer_protocol.ts";
import { serveBroker } from "../tests/served_broker.ts";

const GROUP_COUNT = Number(Deno.env.get("GROUPS") ?? 1_000);
const MEMBER_COUNT = Number(Deno.env.get("MEMBERS") ?? 500);
const PARTITION_COUNT = 12;
const HEARTBEAT_ROUNDS = 2;
/** Everyone heartbeats once in it, at a time of its own. */
const HEARTBEAT_INTERVAL_MS = 3_000;
const DEADLINE_MS = 120_000;
const client = { clientId: "bench", clientHost: "/127.0.0.1" };

/** A member that has joined: one heartbeat, with the milliseconds it took. */
type Heartbeat = () => Promise<number>;

async function timed(action: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await action();
  return performance.now() - startedAt;
}

async function joinClassic(broker: LocalBroker, groupId: string): Promise<Heartbeat> {
  const group = broker.group(groupId);
  const metadata = encodeSubscription(1, { topics: ["bench"], userData: null });
  let memberId = "";
  for (;;) {
    const joined = await group.ask({
      type: "joinGroup",
      client,
      memberId,
      groupInstanceId: null,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata }],
      sessionTimeoutMs: 45_000,
      rebalanceTimeoutMs: 60_000,
      requireKnownMemberId: true,
      supportsSkippingAssignment: true,
      reason: null,
    }, { deadlineMs: DEADLINE_MS });
    memberId = joined.memberId;
    if (joined.error !== "NONE") continue;
    const { generationId } = joined;
    const synced = await group.ask({
      type: "syncGroup",
      generationId,
      memberId,
      groupInstanceId: null,
      protocolType: null,
      protocolName: null,
      assignments: joined.members.map((member) => ({ memberId: member.memberId, assignment: metadata })),
    }, { deadlineMs: DEADLINE_MS });
    if (synced.error !== "NONE") continue;
    return () => timed(() => group.ask({ type: "heartbeat", memberId, generationId, groupInstanceId: null }));
  }
}

async function joinConsumer(broker: LocalBroker, groupId: string): Promise<Heartbeat> {
  const group = broker.group(groupId);
  const memberId = broker.env.uuid();
  let epoch = 0;
  let owned: { topicId: string; partitions: number[] }[] | null = [];
  const heartbeat = async () => {
    const isJoin = epoch === 0;
    const { memberEpoch, assignment } = await group.ask({
      type: "consumerHeartbeat",
      client,
      memberId,
      memberEpoch: epoch,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: isJoin ? 60_000 : -1,
      subscribedTopicNames: isJoin ? ["bench"] : null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: owned,
      requireMemberId: true,
    }, { deadlineMs: DEADLINE_MS });
    epoch = memberEpoch;
    owned = assignment?.map(({ topicId, partitions }) => ({ topicId, partitions: [...partitions] })) ?? null;
  };
  await heartbeat();
  return () => timed(heartbeat);
}

async function measure(name: string, join: typeof joinClassic, groups: number, members: number) {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/bench.sqlite`;
  const served = await serveBroker({ path, config: { "group.initial.rebalance.delay.ms": "500" } });
  try {
    const { broker } = served;
    await broker.supervisor.ask({
      type: "createTopic",
      name: "bench",
      partitionCount: PARTITION_COUNT,
      replicationFactor: 1,
      configs: {},
      validateOnly: false,
    });
    const startedAt = performance.now();
    const heartbeats = await Promise.all(
      Array.from({ length: groups * members }, (_, i) => join(broker, `group-${i % groups}`)),
    );
    const joinMs = performance.now() - startedAt;
    // The first rounds carry the partitions from member to member.
    for (let i = 0; i < 3; i++) await Promise.all(heartbeats.map((each) => each()));
    const times: number[] = [];
    for (let i = 0; i < HEARTBEAT_ROUNDS; i++) {
      const round = heartbeats.map(async (each) => {
        await broker.env.sleep(broker.env.random() * HEARTBEAT_INTERVAL_MS);
        return await each();
      });
      times.push(...await Promise.all(round));
    }
    times.sort((a, b) => a - b);
    const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(1);
    console.log(
      `${name}: joined in ${joinMs.toFixed(0)} ms, heartbeat p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
    );
  } finally {
    await served[Symbol.asyncDispose]();
    await Deno.remove(directory, { recursive: true });
  }
}

await measure(`classic, ${GROUP_COUNT} groups of 2`, joinClassic, GROUP_COUNT, 2);
await measure(`consumer, ${GROUP_COUNT} groups of 2`, joinConsumer, GROUP_COUNT, 2);
await measure(`classic, 1 group of ${MEMBER_COUNT}`, joinClassic, 1, MEMBER_COUNT);
await measure(`consumer, 1 group of ${MEMBER_COUNT}`, joinConsumer, 1, MEMBER_COUNT);
