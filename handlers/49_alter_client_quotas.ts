/** AlterClientQuotas (API 49): sets and removes quotas of users, clients and addresses (KIP-546). */
import { quotaEntityName } from "../core/quota/quota_entity.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  alterClientQuotas,
  type AlterClientQuotasRequest,
} from "../protocol/messages/49_alter_client_quotas.ts";
import { adminFailure } from "./admin_failure.ts";
import { handler, type RequestContext } from "./handler.ts";
import { firstOfEach, repeated } from "./repeated.ts";

type Entry = AlterClientQuotasRequest["entries"][number];

export const alterClientQuotasHandler = handler(alterClientQuotas, serveAlterClientQuotas);

async function serveAlterClientQuotas(
  { entries, validateOnly }: AlterClientQuotasRequest,
  { broker }: RequestContext,
) {
  const nameOf = ({ entity }: Entry) => quotaEntityName(entity);
  const isNamedTwice = repeated(entries.map(nameOf));
  const asked = firstOfEach(entries, nameOf);
  const changed = asked.filter((entry) => !isNamedTwice(nameOf(entry)));
  let outcomes: readonly { readonly error: ErrorName; readonly message?: string }[];
  try {
    outcomes = await broker.supervisor.ask({
      type: "alterQuotas",
      entries: changed.map(({ entity, ops }) => ({ entity, changes: ops })),
      validateOnly,
    });
  } catch (error) {
    const failure = adminFailure(error);
    outcomes = changed.map(() => failure);
  }
  const byEntry = new Map(changed.map((entry, index) => [entry, outcomes[index]]));
  return {
    entries: asked.map((entry) => {
      const twice = { error: "INVALID_REQUEST", message: "The request names the entity twice" } as const;
      const { error, message = null } = byEntry.get(entry) ?? twice;
      return { errorCode: errorCode(error), errorMessage: message, entity: entry.entity };
    }),
  };
}
