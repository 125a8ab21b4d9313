/**
 * Asking the broker that coordinates a group, of whatever kind, and looking for it again when it has moved; who coordinates
 * transactions. Source: Kafka's CoordinatorStrategy and AdminApiDriver.
 */
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { findCoordinator } from "../protocol/messages/10_find_coordinator.ts";
import type { Api, ResponseOf } from "../protocol/schema/api.ts";
import type { Broker, CallOptions, Cluster } from "./cluster.ts";
import type { RequestOptions, RequestValue } from "./connection.ts";
import { ConnectionError, throwIfError } from "./errors.ts";

/** Errors after which the coordinator is looked for anew. */
export const COORDINATOR_ERRORS: readonly ErrorName[] = ["NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE"];

/** A request to a group's coordinator. */
export interface CoordinatorCall<A extends Api> {
  readonly api: A;
  readonly value: RequestValue<A>;
  /** Every error code of the response that fails the call. */
  readonly errors: (response: ResponseOf<A>) => readonly number[];
  /** What the broker says about the errors. */
  readonly message?: (response: ResponseOf<A>) => string | null;
  readonly maxVersion?: number;
}

/** Asks the group's coordinator; again with another one where that may help. Throws a `ClientError`. */
export async function askCoordinator<A extends Api>(
  cluster: Cluster,
  groupId: string,
  call: CoordinatorCall<A>,
  options: CallOptions,
): Promise<{ readonly response: ResponseOf<A>; readonly coordinator: Broker }> {
  return await cluster.retry(async () => {
    const coordinator = await coordinatorOf(cluster, groupId);
    const connection = await cluster.connection(coordinator.nodeId);
    const limits: RequestOptions = call.maxVersion === undefined ? {} : { versionMax: call.maxVersion };
    const response = await connection.request(call.api, call.value, limits);
    const codes = call.errors(response);
    // What another try may mend comes first.
    for (const name of COORDINATOR_ERRORS) {
      if (codes.includes(errorCode(name))) throwIfError(errorCode(name));
    }
    for (const code of codes) throwIfError(code, call.message?.(response) ?? null);
    return { response, coordinator };
  }, options);
}

const GROUP_KEY_TYPE = 0;
const TRANSACTION_KEY_TYPE = 1;

/** The broker that coordinates this group. Throws a `ClientError`. */
export async function coordinatorOf(cluster: Cluster, groupId: string): Promise<Broker> {
  return await findBroker(cluster, groupId, GROUP_KEY_TYPE, `group ${groupId}`);
}

/** The broker that coordinates the transactions of this id. Throws a `ClientError`. */
export async function transactionCoordinatorOf(cluster: Cluster, transactionalId: string): Promise<Broker> {
  return await findBroker(
    cluster,
    transactionalId,
    TRANSACTION_KEY_TYPE,
    `transactional id ${transactionalId}`,
  );
}

async function findBroker(cluster: Cluster, key: string, keyType: number, what: string): Promise<Broker> {
  const connection = await cluster.anyConnection();
  const response = await connection.request(findCoordinator, {
    key,
    keyType,
    coordinatorKeys: [key],
  });
  const found = response.coordinators[0] ?? response;
  throwIfError(found.errorCode, found.errorMessage);
  const known = () => cluster.brokers.find((broker) => broker.nodeId === found.nodeId);
  if (known() === undefined) await cluster.refresh([]);
  const coordinator = known();
  if (coordinator === undefined) {
    throw new ConnectionError(
      `The coordinator of ${what} is broker ${found.nodeId}, which is not known yet`,
    );
  }
  return coordinator;
}
