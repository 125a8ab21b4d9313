/** DescribeClientQuotas (API 48): the quotas of users, clients and addresses (KIP-546). */
import { configsOfKind } from "../core/config/config_resource.ts";
import { quotaEntityParts } from "../core/quota/quota_entity.ts";
import { matchesQuotaFilter, quotaFilterFault } from "../core/quota/quota_filter.ts";
import { errorCode } from "../protocol/errors.ts";
import {
  describeClientQuotas,
  type DescribeClientQuotasRequest,
} from "../protocol/messages/48_describe_client_quotas.ts";
import { handler, type RequestContext } from "./handler.ts";

export const describeClientQuotasHandler = handler(describeClientQuotas, serveDescribeClientQuotas);

function serveDescribeClientQuotas(
  { components, strict }: DescribeClientQuotasRequest,
  { broker }: RequestContext,
) {
  const fault = quotaFilterFault(components);
  if (fault !== null) {
    return { errorCode: errorCode(fault.error), errorMessage: fault.message, entries: null };
  }
  const entries = [];
  for (const [name, quotas] of configsOfKind(broker.metadata.configs, "quota")) {
    const entity = quotaEntityParts(name);
    if (!matchesQuotaFilter(entity, components, strict)) continue;
    const values = Object.entries(quotas).map(([key, value]) => ({ key, value: Number(value) }));
    entries.push({ entity, values });
  }
  return { errorCode: 0, errorMessage: null, entries };
}
