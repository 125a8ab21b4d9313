/**
 * Who is alive: brokers by their heartbeats to the supervisor, consumers by the reports of their groups' coordinators.
 * Pure: times are handed in, on a monotonic clock. Liveness only decides who tries; safety comes from fences in the
 * store. Source: KIP-631 (broker registration, epochs and fencing).
 */

export interface RegisteredBroker {
  readonly brokerId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
  /** Rises with every registration of any broker. */
  readonly epoch: number;
  readonly incarnation: string;
  readonly lastHeartbeatMonoMs: number;
  /** False once its session timed out, until it registers again. */
  readonly alive: boolean;
}

export type BrokerRegistry = ReadonlyMap<number, RegisteredBroker>;

/** What a broker says of itself when it registers. */
export type BrokerRegistration = Pick<
  RegisteredBroker,
  "brokerId" | "host" | "port" | "rack" | "incarnation"
>;

/** Registers a broker under a new epoch; an earlier incarnation of the same id is thereby replaced. */
export function registerBroker(
  brokers: BrokerRegistry,
  registration: BrokerRegistration,
  monoMs: number,
): { readonly brokers: BrokerRegistry; readonly epoch: number } {
  const epoch = Math.max(0, ...[...brokers.values()].map((broker) => broker.epoch)) + 1;
  const registered = { ...registration, epoch, lastHeartbeatMonoMs: monoMs, alive: true };
  return { brokers: new Map(brokers).set(registration.brokerId, registered), epoch };
}

export type HeartbeatAnswer = "NONE" | "STALE_BROKER_EPOCH" | "BROKER_ID_NOT_REGISTERED";

/** Takes a heartbeat; one with an old epoch or of an expired broker tells it to register again. */
export function heartbeatBroker(
  brokers: BrokerRegistry,
  brokerId: number,
  epoch: number,
  monoMs: number,
): { readonly brokers: BrokerRegistry; readonly answer: HeartbeatAnswer } {
  const broker = brokers.get(brokerId);
  if (broker === undefined) return { brokers, answer: "BROKER_ID_NOT_REGISTERED" };
  if (broker.epoch !== epoch || !broker.alive) return { brokers, answer: "STALE_BROKER_EPOCH" };
  return {
    brokers: new Map(brokers).set(brokerId, { ...broker, lastHeartbeatMonoMs: monoMs }),
    answer: "NONE",
  };
}

/** Marks brokers dead whose last heartbeat is older than the session timeout. */
export function expireBrokers(
  brokers: BrokerRegistry,
  monoMs: number,
  sessionTimeoutMs: number,
): { readonly brokers: BrokerRegistry; readonly expired: readonly number[] } {
  const expired = [...brokers.values()]
    .filter((broker) => broker.alive && monoMs - broker.lastHeartbeatMonoMs > sessionTimeoutMs)
    .map((broker) => broker.brokerId);
  if (expired.length === 0) return { brokers, expired };
  const next = new Map(brokers);
  for (const brokerId of expired) {
    const broker = brokers.get(brokerId);
    if (broker !== undefined) next.set(brokerId, { ...broker, alive: false });
  }
  return { brokers: next, expired };
}
