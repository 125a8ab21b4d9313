/**
 * Where a server-wide setting comes from: what was set for this broker while it runs, what was set so for all brokers, what
 * it was started with, the default; the first that is there counts (KIP-226).
 */
import { brokerConfigRows } from "./broker_config_table.ts";
import { configSourceCodes, type ConfigSynonym, type ServerConfigReader } from "./config_definition.ts";
import { type Configs, type ConfigsByResource, configsOf } from "./config_resource.ts";

const defaults: ReadonlyMap<string, string | null> = new Map(
  brokerConfigRows.map(([name, , fallback]) => [name, fallback]),
);

export interface ServerLayers {
  /** Of this broker. */
  readonly own: Configs;
  /** Of all brokers. */
  readonly shared: Configs;
  /** What the server was started with, over the defaults. */
  readonly start: ServerConfigReader;
}

/** The layers of a server that was configured at its start alone. */
export function startLayers(start: ServerConfigReader): ServerLayers {
  return { own: {}, shared: {}, start };
}

export function serverLayers(
  all: ConfigsByResource,
  brokerId: number,
  start: ServerConfigReader,
): ServerLayers {
  return { own: configsOf(all, "broker", String(brokerId)), shared: configsOf(all, "broker", ""), start };
}

export function layeredReader({ own, shared, start }: ServerLayers): ServerConfigReader {
  return (name) => own[name] ?? shared[name] ?? start(name);
}

/** Every value that was given to a setting, the strongest first; without the default. */
export function serverSynonyms({ own, shared, start }: ServerLayers, name: string): ConfigSynonym[] {
  const synonyms: ConfigSynonym[] = [];
  const add = (value: string | undefined, source: ConfigSynonym["source"]) => {
    if (value !== undefined) synonyms.push({ name, value, source });
  };
  add(own[name], configSourceCodes.DYNAMIC_BROKER_CONFIG);
  add(shared[name], configSourceCodes.DYNAMIC_DEFAULT_BROKER_CONFIG);
  const started = start(name);
  // A setting that spells out the default cannot be told from an absent one by a reader.
  const isDefault = started === "" || started === (defaults.get(name) ?? "");
  if (!isDefault) add(started, configSourceCodes.STATIC_BROKER_CONFIG);
  return synonyms;
}
