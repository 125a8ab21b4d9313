/** `kafka-configs.sh` for users, clients and addresses: their quotas. */
import type { QuotaComponent, QuotaEntityType } from "../client/mod.ts";
import { UsageError, utf8 } from "./command_line.ts";
import type { ConfigsContext } from "./configs.ts";
import type { Entity, EntityType } from "./configs_arguments.ts";

const QUOTA_TYPES: Readonly<Partial<Record<EntityType, QuotaEntityType>>> = {
  users: "user",
  clients: "client-id",
  ips: "ip",
};
const CLIENT_QUOTAS: readonly string[] = [
  "producer_byte_rate",
  "consumer_byte_rate",
  "request_percentage",
  "controller_mutation_rate",
];
const IP_QUOTAS: readonly string[] = ["connection_creation_rate"];
/** As Kafka names them in sentences, in the order of its sentences. */
const TYPE_WORDS: readonly (readonly [QuotaEntityType, string])[] = [
  ["user", "user-principal"],
  ["client-id", "client-id"],
  ["ip", "ip"],
];

/** Sets quotas, and takes those back whose value is null. Throws `UsageError`. */
export async function alterQuotas(
  entities: readonly Entity[],
  changes: ReadonlyMap<string, string | null>,
  { admin }: ConfigsContext,
): Promise<void> {
  checkQuotaNames(entities, changes);
  const components = entities.map(componentOf);
  const [existing] = await admin.describeClientQuotas(components);
  const missing = [...changes].filter(([name, value]) =>
    value === null && existing?.values.has(name) !== true
  );
  if (missing.length > 0) {
    throw new UsageError(`Invalid config(s): ${missing.map(([name]) => name).join(",")}`);
  }
  const values = new Map(
    [...changes].map(([name, value]) => [name, value === null ? null : quotaOf(name, value)]),
  );
  await admin.alterClientQuotas(components, values);
}

function checkQuotaNames(entities: readonly Entity[], changes: ReadonlyMap<string, string | null>): void {
  const isIp = entities[0]?.type === "ips";
  const isAdding = [...changes.values()].some((value) => value !== null);
  const unknown = [...changes.keys()].filter((name) => !(isIp ? IP_QUOTAS : CLIENT_QUOTAS).includes(name));
  if (unknown.length === 0) return;
  if (isIp) {
    throw new UsageError(
      "Only connection quota configs can be added for 'ips' using --bootstrap-server. " +
        `Unexpected config names: ${unknown.join(",")}`,
    );
  }
  const isUser = entities.length === 1 && entities[0]?.type === "users";
  if (isUser && unknown.some((name) => name.startsWith("SCRAM-"))) {
    throw new UsageError("SCRAM credentials cannot be kept yet: there is no login by password");
  }
  throw new UsageError(
    `Only quota ${isUser ? "and SCRAM credential " : ""}configs can be ${
      isAdding ? "added" : "deleted"
    } for ` +
      `'${isUser ? "users" : "clients"}' using --bootstrap-server. Unexpected config names: Set(${
        unknown.join(", ")
      })`,
  );
}

function quotaOf(name: string, text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (Number.isNaN(value)) {
    throw new UsageError(`Cannot parse quota configuration value for ${name}: ${text}`);
  }
  return value;
}

/** Prints the quotas of the entities, a line for each. */
export async function describeQuotas(
  entities: readonly Entity[],
  { admin, terminal }: ConfigsContext,
): Promise<void> {
  const filters = entities.map(({ type, name }) => ({
    type: quotaType(type),
    ...(name === undefined ? {} : { name: name === "" ? null : name }),
  }));
  for (const { entity, values } of await admin.describeClientQuotas(filters)) {
    const who = TYPE_WORDS.flatMap(([type, word]) =>
      entity.filter((component) => component.type === type)
        .map(({ name }) => name === null ? `the default ${word}` : `${word} '${name}'`)
    );
    const quotas = [...values].sort(([a], [b]) => a < b ? -1 : 1)
      .map(([name, value]) => `${name}=${javaDouble(value)}`);
    await terminal.writeOut(utf8(`Quota configs for ${who.join(", ")} are ${quotas.join(", ")}\n`));
  }
}

/** A number as Java prints a double. */
export function javaDouble(value: number): string {
  const magnitude = Math.abs(value);
  if (value === 0 || (magnitude >= 1e-3 && magnitude < 1e7)) {
    return Number.isInteger(value) ? value.toFixed(1) : String(value);
  }
  const [digits = "", exponent = ""] = value.toExponential().split("e");
  return `${digits.includes(".") ? digits : `${digits}.0`}E${Number(exponent)}`;
}

function componentOf({ type, name }: Entity): QuotaComponent {
  return { type: quotaType(type), name: name === undefined || name === "" ? null : name };
}

function quotaType(type: EntityType): QuotaEntityType {
  const found = QUOTA_TYPES[type];
  if (found === undefined) throw new UsageError(`Unexpected entity type: ${type}`);
  return found;
}
