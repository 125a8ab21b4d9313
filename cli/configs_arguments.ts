/** The arguments of kafka-configs.sh: which entities, and which settings to set or take back. */
import { newCommand, parseOptions, type ServerOptions, type Terminal, UsageError } from "./command_line.ts";
import { readProperties } from "./properties_file.ts";

const ENTITY_TYPES = [
  "topics",
  "clients",
  "users",
  "brokers",
  "ips",
  "client-metrics",
  "groups",
  "broker-loggers",
] as const;

export type EntityType = typeof ENTITY_TYPES[number];

export interface Entity {
  readonly type: EntityType;
  /** Empty: the default for all; undefined: every one of the type. */
  readonly name: string | undefined;
}

interface ConfigsOptions extends ServerOptions {
  readonly bootstrapController?: string;
  readonly alter?: boolean;
  readonly describe?: boolean;
  readonly all?: boolean;
  readonly addConfig?: string;
  readonly addConfigFile?: string;
  readonly deleteConfig?: string[];
  readonly commandConfig?: string;
}

interface EntityOptions {
  readonly entityType?: string[];
  /** In the order given; empty for `--entity-default`. */
  readonly entityName?: string[];
  readonly topic?: string;
  readonly client?: string;
  readonly user?: string;
  readonly broker?: string;
  readonly brokerLogger?: string;
  readonly ip?: string;
  readonly clientMetrics?: string;
  readonly group?: string;
  readonly clientDefaults?: boolean;
  readonly userDefaults?: boolean;
  readonly brokerDefaults?: boolean;
  readonly ipDefaults?: boolean;
}

/** What the arguments ask for. */
export interface ConfigsRequest {
  readonly options: ConfigsOptions;
  /** One, or a user and a client. */
  readonly entities: readonly [Entity, ...Entity[]];
}

/** In Kafka's order, which decides about the message when an entity is not a single one. */
const NAME_FLAGS = [
  ["topic", "topics"],
  ["client", "clients"],
  ["user", "users"],
  ["broker", "brokers"],
  ["brokerLogger", "broker-loggers"],
  ["ip", "ips"],
  ["clientMetrics", "client-metrics"],
  ["group", "groups"],
] as const;
const DEFAULT_FLAGS = [
  ["clientDefaults", "clients"],
  ["userDefaults", "users"],
  ["brokerDefaults", "brokers"],
  ["ipDefaults", "ips"],
] as const;
const WITH_DEFAULTS: readonly string[] = ["users", "clients", "brokers", "ips"];

/** Reads the arguments. Throws `UsageError`. */
export function parseConfigsArguments(args: readonly string[]): ConfigsRequest {
  const names: string[] = [];
  const command = newCommand(
    "kafka-configs.sh",
    "Shows and changes settings of topics, brokers, groups and client metrics, and quotas.",
  )
    .option(
      "--bootstrap-server <servers>",
      "HOST:PORT of a broker, or several with commas (also: KAVKA_BOOTSTRAP)",
    )
    .option("--bootstrap-controller <servers>", "the same: a broker is its own controller here")
    .option("--alter", "change settings")
    .option("--describe", "show settings that were made for the entity")
    .option("--all", "with --describe: show all settings, with defaults")
    .option("--entity-type <type>", ENTITY_TYPES.join(", "), collectText)
    .option("--entity-name <name>", "name of the entity", (name: string) => names.push(name))
    .option("--entity-default", "the default for users, clients, brokers or ips")
    .option("--topic <name>", "a topic")
    .option("--client <id>", "a client")
    .option("--client-defaults", "the default for clients")
    .option("--user <principal>", "a user")
    .option("--user-defaults", "the default for users")
    .option("--broker <id>", "a broker")
    .option("--broker-defaults", "the default for brokers")
    .option("--broker-logger <id>", "the loggers of a broker")
    .option("--ip <address>", "an address")
    .option("--ip-defaults", "the default for addresses")
    .option("--group <id>", "a group")
    .option("--client-metrics <name>", "a subscription to metrics of clients")
    .option("--add-config <pairs>", "settings to make: k1=v1,k2=[v1,v2]")
    .option("--add-config-file <file>", "settings to make, from a properties file")
    .option("--delete-config <names>", "settings to take back: k1,k2", collectWords)
    .option("--command-config <file>", "settings of the client");
  command.on("option:entity-default", () => names.push(""));
  const options = parseOptions<ConfigsOptions & EntityOptions>(command, args);
  if ((options.alter === true) === (options.describe === true)) {
    throw new UsageError("Command must include exactly one action: --describe, --alter");
  }
  for (
    const [value, option] of [[options.addConfig, "add-config"], [options.deleteConfig, "delete-config"]]
  ) {
    if (options.describe === true && value !== undefined) {
      throw new UsageError(`Option "[describe]" can't be used with option "[${option}]"`);
    }
  }
  if (options.bootstrapServer !== undefined && options.bootstrapController !== undefined) {
    throw new UsageError("Only one of --bootstrap-server or --bootstrap-controller can be specified");
  }
  const entities = entitiesOf(options, names);
  checkNames(options, entities, names.includes(""));
  return { options, entities };
}

function collectText(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value];
}

function collectWords(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, ...value.split(",").map((word) => word.trim())];
}

function entitiesOf(options: EntityOptions, names: readonly string[]): ConfigsRequest["entities"] {
  const flagged: Entity[] = [];
  for (const [flag, type] of NAME_FLAGS) {
    if (options[flag] !== undefined) flagged.push({ type, name: options[flag] });
  }
  for (const [flag, type] of DEFAULT_FLAGS) if (options[flag] === true) flagged.push({ type, name: "" });
  const types = [...options.entityType ?? [], ...flagged.map(({ type }) => type)];
  const duplicates = types.filter((type, index) => types.indexOf(type) !== index);
  if (duplicates.length > 0) {
    throw new UsageError(`Duplicate entity type(s) specified: ${duplicates.join(",")}`);
  }
  for (const type of types) {
    if (!ENTITY_TYPES.some((known) => known === type)) {
      throw new UsageError(
        `Invalid entity type ${type}, the entity type must be one of ${ENTITY_TYPES.join(", ")} ` +
          "with a --bootstrap-server or --bootstrap-controller argument",
      );
    }
  }
  if (types.length === 0) throw new UsageError("At least one entity type must be specified");
  if (types.length > 1 && !(types.length === 2 && types.includes("users") && types.includes("clients"))) {
    throw new UsageError("Only 'users' and 'clients' entity types may be specified together");
  }
  if ((options.entityType !== undefined || names.length > 0) && flagged.length > 0) {
    throw new UsageError(
      "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
    );
  }
  const typed = (options.entityType ?? []).map((type, index) => ({
    type: type as EntityType,
    name: names[index],
  }));
  const [first, ...others] = [...typed, ...flagged];
  if (first === undefined) throw new UsageError("At least one entity type must be specified");
  if (names.length > types.length) throw new UsageError("More entity names specified than entity types");
  return [first, ...others];
}

function checkNames(
  options: ConfigsOptions,
  entities: ConfigsRequest["entities"],
  hasEntityDefault: boolean,
): void {
  const types = entities.map(({ type }) => type);
  const [{ type }] = entities;
  const named = entities.filter(({ name }) => name !== undefined && name !== "");
  for (const { type, name } of named) {
    if ((type === "brokers" || type === "broker-loggers") && !/^-?\d{1,9}$/.test(name ?? "")) {
      throw new UsageError(
        `The entity name for ${type} must be a valid integer broker id, but it is: ${name}`,
      );
    }
  }
  const hasDefaults = types.some((each) => WITH_DEFAULTS.includes(each));
  if (options.describe === true) {
    if (hasEntityDefault && !hasDefaults) {
      throw new UsageError(`--entity-default must not be specified with --describe of ${types.join(",")}`);
    }
    if (type === "broker-loggers" && named.length === 0) {
      throw new UsageError(`An entity name must be specified with --describe of ${types.join(",")}`);
    }
    return;
  }
  if (hasDefaults) {
    if (entities.every(({ name }) => name === undefined)) {
      throw new UsageError(
        "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
      );
    }
    if (entities.some(({ name }) => name === undefined)) {
      throw new UsageError("An entity name must be specified for every entity type");
    }
  } else if (named.length === 0) {
    throw new UsageError(`An entity name must be specified with --alter of ${types.join(",")}`);
  }
  if (options.addConfig !== undefined && options.addConfigFile !== undefined) {
    throw new UsageError("Only one of --add-config or --add-config-file must be specified");
  }
  if ([options.addConfig, options.addConfigFile, options.deleteConfig].every((each) => each === undefined)) {
    throw new UsageError(
      "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
    );
  }
}

/** The settings to make, and with null those to take back. Throws `UsageError`. */
export async function configChanges(
  options: ConfigsOptions,
  terminal: Pick<Terminal, "env">,
): Promise<Map<string, string | null>> {
  const changes = new Map<string, string | null>(
    options.addConfigFile === undefined ? [] : await readProperties(options.addConfigFile, terminal),
  );
  for (const [name, value] of parseAddConfig(options.addConfig)) changes.set(name, value);
  for (const name of options.deleteConfig ?? []) changes.set(name, null);
  return changes;
}

/** `k1=v1,k2=[v1,v2]`: commas and equals signs within brackets belong to the value. */
export function parseAddConfig(text: string | undefined): [string, string][] {
  if (text === undefined) return [];
  return text.split(/,(?=[^\]]*(?:\[|$))/).map((pair) => {
    const [name, value, ...rest] = pair.split(/\s*=\s*(?=[^\]]*(?:\[|$))/);
    if (name === undefined || value === undefined || rest.length > 0) {
      throw new UsageError(
        'requirement failed: Invalid entity config: all configs to be added must be in the format "key=val" or  ' +
          '"key=[val1,val2]" to group values which contain commas.',
      );
    }
    return [name.trim(), value.replace(/^\[|\]$/g, "").trim()];
  });
}
