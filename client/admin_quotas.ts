/** Quotas of users, clients and addresses (DescribeClientQuotas and AlterClientQuotas, KIP-546). */
import { alterClientQuotas } from "../protocol/messages/49_alter_client_quotas.ts";
import { describeClientQuotas } from "../protocol/messages/48_describe_client_quotas.ts";
import type { CallOptions, Cluster } from "./cluster.ts";
import { throwIfError } from "./errors.ts";

export type QuotaEntityType = "user" | "client-id" | "ip";

/** A part of who a quota is for; a null name is the default for all without one of their own. */
export interface QuotaComponent {
  readonly type: QuotaEntityType;
  readonly name: string | null;
}

/** Which quotas to show. `undefined` as name: every entity of the type. */
export interface QuotaFilter {
  readonly type: QuotaEntityType;
  readonly name?: string | null;
}

export interface ClientQuota {
  readonly entity: readonly QuotaComponent[];
  /** Such as producer_byte_rate. */
  readonly values: ReadonlyMap<string, number>;
}

const EXACT = 0;
const DEFAULT = 1;
const ANY = 2;

/** Quotas of entities that have exactly these components. */
export async function describeQuotasOf(
  cluster: Cluster,
  filters: readonly QuotaFilter[],
  options: CallOptions = {},
): Promise<ClientQuota[]> {
  const response = await cluster.call(describeClientQuotas, {
    components: filters.map(({ type, name }) => ({
      entityType: type,
      matchType: name === undefined ? ANY : name === null ? DEFAULT : EXACT,
      match: name ?? null,
    })),
    strict: true,
  }, options);
  throwIfError(response.errorCode, response.errorMessage);
  return (response.entries ?? []).map(({ entity, values }) => ({
    entity: entity.map(({ entityType, entityName }) => ({
      type: entityType as QuotaEntityType,
      name: entityName,
    })),
    values: new Map(values.map(({ key, value }) => [key, value])),
  }));
}

/** Sets quotas of one entity; a null value removes one. Throws a `BrokerError`, for example INVALID_REQUEST. */
export async function alterQuotasOf(
  cluster: Cluster,
  entity: readonly QuotaComponent[],
  changes: ReadonlyMap<string, number | null>,
  options: CallOptions = {},
): Promise<void> {
  const response = await cluster.call(alterClientQuotas, {
    entries: [{
      entity: entity.map(({ type, name }) => ({ entityType: type, entityName: name })),
      ops: [...changes].map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
    }],
    validateOnly: false,
  }, options);
  for (const { errorCode, errorMessage } of response.entries) throwIfError(errorCode, errorMessage);
}
