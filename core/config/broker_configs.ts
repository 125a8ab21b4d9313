/**
 * The server-wide configurations, by the names of Kafka's server.properties, that Kavka knows: those it obeys and those
 * that occur in the files people have. An unknown name is a warning, as in Kafka; a wrong value is an error.
 *
 * Source: the names, types and defaults of Kafka 4.3's `KafkaConfig`, plus the ZooKeeper settings of Kafka 3.
 */
import {
  type ConfigDefinition,
  configDocumentation,
  type ConfigEntry,
  configSourceCodes,
  configTypeCodes,
  configValueFault,
  isSensitiveConfig,
  type ServerConfigReader,
} from "./config_definition.ts";
import { brokerConfigRows } from "./broker_config_table.ts";

const definitions: readonly ConfigDefinition[] = brokerConfigRows.map((
  [name, type, fallback, effect, documentation, rules],
) => ({ name, type, default: fallback, effect, documentation, ...rules }));

/** By name, sorted. */
export const brokerConfigDefinitions: ReadonlyMap<string, ConfigDefinition> = new Map(
  definitions.map((definition) => [definition.name, definition]),
);

export function brokerConfigDefinition(name: string): ConfigDefinition | undefined {
  return brokerConfigDefinitions.get(name);
}

/** What is wrong with a setting, as one sentence, or null. Unknown names have no fault. */
export function brokerConfigFault(name: string, value: string): string | null {
  const definition = brokerConfigDefinitions.get(name);
  // `name=` in a file leaves the setting at its default.
  if (definition === undefined || value.trim() === "") return null;
  const fault = configValueFault(definition, value);
  return fault === null ? null : `Invalid value "${value.slice(0, 100)}" for configuration ${name}: ${fault}`;
}

/** A reader over what was set explicitly, with the defaults behind it; "" where neither is there. Booleans are `true` or `false`. */
export function serverConfigReader(explicit: ReadonlyMap<string, string>): ServerConfigReader {
  return (name) => {
    const definition = brokerConfigDefinitions.get(name);
    const value = explicit.get(name)?.trim() ?? "";
    if (value === "") return definition?.default ?? "";
    return definition?.type === "BOOLEAN" ? value.toLowerCase() : value;
  };
}

/** Entries of a DescribeConfigs answer about a broker; `names` null for all. All are read-only: they change with a restart. */
export function describeBrokerConfigs(
  server: ServerConfigReader,
  names: readonly string[] | null,
): ConfigEntry[] {
  const wanted = names === null ? null : new Set(names);
  return definitions
    .filter(({ name }) => wanted === null || wanted.has(name))
    .map((definition) => {
      const { name } = definition;
      const value = server(name);
      const isDefault = value === (definition.default ?? "");
      const isSensitive = isSensitiveConfig(definition);
      const shown = value === "" || isSensitive ? null : value;
      const defaultSynonym = { name, value: definition.default, source: configSourceCodes.DEFAULT_CONFIG };
      const synonyms = definition.default === null ? [] : [defaultSynonym];
      return {
        name,
        value: shown,
        readOnly: true,
        source: isDefault ? configSourceCodes.DEFAULT_CONFIG : configSourceCodes.STATIC_BROKER_CONFIG,
        isSensitive,
        synonyms: isDefault
          ? synonyms
          : [{ name, value: shown, source: configSourceCodes.STATIC_BROKER_CONFIG }, ...synonyms],
        type: configTypeCodes[definition.type],
        documentation: configDocumentation(definition),
      };
    });
}
