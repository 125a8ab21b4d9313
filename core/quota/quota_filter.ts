/** Which entities a DescribeClientQuotas request asks for. Source: Kafka's ClientQuotasImage.describe. */
import { QUOTA_ENTITY_TYPES, type QuotaEntityPart } from "./quota_entity.ts";

/** Kafka's numbers: the entity with the name, the default entity, every entity. */
const EXACT = 0;
const DEFAULT = 1;
const SPECIFIED = 2;

export interface QuotaFilterComponent {
  readonly entityType: string;
  readonly matchType: number;
  /** Null except for an exact match. */
  readonly match: string | null;
}

export interface QuotaFilterFault {
  readonly error: "INVALID_REQUEST" | "UNSUPPORTED_VERSION";
  readonly message: string;
}

export function quotaFilterFault(components: readonly QuotaFilterComponent[]): QuotaFilterFault | null {
  const invalid = (message: string): QuotaFilterFault => ({ error: "INVALID_REQUEST", message });
  const types = new Set<string>();
  for (const { entityType, matchType, match } of components) {
    if (entityType === "") return invalid("Invalid empty entity type");
    if (types.has(entityType)) {
      return invalid(`Entity type ${entityType.slice(0, 100)} cannot appear more than once in the filter`);
    }
    types.add(entityType);
    if (matchType === EXACT && match === null) return invalid("An exact match needs a name");
    if (matchType === DEFAULT && match !== null) return invalid("The default entity has no name");
    if (matchType === SPECIFIED && match !== null) return invalid("A match of every entity has no name");
    if (matchType < EXACT || matchType > SPECIFIED) return invalid(`Unknown match type ${matchType}`);
    if (!(QUOTA_ENTITY_TYPES as readonly string[]).includes(entityType)) {
      const message = `Unsupported entity type ${entityType.slice(0, 100)}`;
      return { error: "UNSUPPORTED_VERSION", message };
    }
  }
  if (types.has("ip") && types.size > 1) {
    return invalid("An IP component cannot be combined with a user or a client id");
  }
  return null;
}

/** Whether an entity fits; `isStrict` leaves out entities with further parts. */
export function matchesQuotaFilter(
  parts: readonly QuotaEntityPart[],
  components: readonly QuotaFilterComponent[],
  isStrict: boolean,
): boolean {
  if (isStrict && parts.length > components.length) return false;
  return components.every(({ entityType, matchType, match }) => {
    const part = parts.find((each) => each.entityType === entityType);
    if (part === undefined) return false;
    if (matchType === SPECIFIED) return true;
    return matchType === DEFAULT ? part.entityName === null : part.entityName === match;
  });
}
