/**
 * Whom a quota is for: a user, a client id, both, or an address; a null name stands for everyone without a quota of their
 * own (KIP-55, KIP-257, KIP-546). Source: Kafka's ClientQuotaControlManager and ClientQuotaImage.
 */
import { limits } from "../config/limits.ts";

export const QUOTA_ENTITY_TYPES = ["client-id", "ip", "user"] as const;
export type QuotaEntityType = typeof QUOTA_ENTITY_TYPES[number];

/** One part of an entity; a null name is the default. */
export interface QuotaEntityPart {
  readonly entityType: string;
  readonly entityName: string | null;
}

/** What is measured. Byte and connection rates are whole numbers a second; a percentage is of one thread's time. */
export const QUOTA_KEYS = {
  producer_byte_rate: { ip: false, whole: true },
  consumer_byte_rate: { ip: false, whole: true },
  request_percentage: { ip: false, whole: false },
  controller_mutation_rate: { ip: false, whole: false },
  connection_creation_rate: { ip: true, whole: true },
} as const;
export type QuotaKey = keyof typeof QUOTA_KEYS;

const encoder = new TextEncoder();

/** The entity as the name under which its quotas are kept: the same for every order of its parts. */
export function quotaEntityName(parts: readonly QuotaEntityPart[]): string {
  const sorted = parts.toSorted((a, b) =>
    a.entityType < b.entityType ? -1 : a.entityType > b.entityType ? 1 : 0
  );
  return JSON.stringify(sorted.map(({ entityType, entityName }) => [entityType, entityName]));
}

/** The way back. */
export function quotaEntityParts(name: string): QuotaEntityPart[] {
  const parts = JSON.parse(name) as [string, string | null][];
  return parts.map(([entityType, entityName]) => ({ entityType, entityName }));
}

/** Why there can be no quota for an entity, in a sentence, or null. */
export function quotaEntityFault(parts: readonly QuotaEntityPart[]): string | null {
  if (parts.length === 0) return "Invalid empty client quota entity";
  const types = parts.map(({ entityType }) => entityType);
  if (new Set(types).size !== types.length) return "An entity type is given twice";
  for (const { entityType, entityName } of parts) {
    if (!(QUOTA_ENTITY_TYPES as readonly string[]).includes(entityType)) {
      return `Unhandled client quota entity type: ${entityType.slice(0, 100)}`;
    }
    if (entityName === "") return `Empty ${entityType} not supported`;
    if (entityType === "ip" && entityName !== null && !isAddress(entityName)) {
      return `${entityName.slice(0, 100)} is not a valid IP address`;
    }
  }
  if (types.includes("ip") && types.length > 1) {
    return "An IP entity cannot be combined with a user or a client id";
  }
  const byteLength = encoder.encode(quotaEntityName(parts)).length;
  return byteLength > limits.configResourceNameBytesMax ? "The names are too long" : null;
}

/** Names are not resolved, except the one that everybody knows. */
function isAddress(text: string): boolean {
  if (text === "localhost") return true;
  const bytes = text.split(".");
  if (bytes.length === 4) return bytes.every((byte) => /^\d{1,3}$/.test(byte) && Number(byte) <= 255);
  return /^[0-9a-f:]*:[0-9a-f:]*(\d{1,3}(\.\d{1,3}){3})?$/i.test(text) && text.length <= 45;
}

export interface QuotaChange {
  readonly key: string;
  readonly value: number;
  readonly remove: boolean;
}

/** The entity's quotas after `changes`, or why not. */
export function changeQuotas(
  parts: readonly QuotaEntityPart[],
  current: Readonly<Record<string, string>>,
  changes: readonly QuotaChange[],
): { readonly quotas: Readonly<Record<string, string>> } | { readonly fault: string } {
  const entityFault = quotaEntityFault(parts);
  if (entityFault !== null) return { fault: entityFault };
  const isIp = parts[0]?.entityType === "ip";
  const quotas = new Map(Object.entries(current));
  const seen = new Set<string>();
  for (const { key, value, remove } of changes) {
    if (seen.has(key)) return { fault: `Quota ${key.slice(0, 100)} is changed twice` };
    seen.add(key);
    const rule = Object.hasOwn(QUOTA_KEYS, key) ? QUOTA_KEYS[key as QuotaKey] : undefined;
    if (rule === undefined || rule.ip !== isIp) {
      return { fault: `Invalid configuration key ${key.slice(0, 100)}` };
    }
    if (remove) {
      quotas.delete(key);
      continue;
    }
    if (!Number.isFinite(value) || value <= 0) return { fault: `Quota ${key} must be greater than 0` };
    if (rule.whole && !Number.isInteger(value)) return { fault: `${key} cannot be a fractional value` };
    quotas.set(key, String(value));
  }
  return { quotas: Object.fromEntries(quotas) };
}
