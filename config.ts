/**
 * The configuration of one process: flags win over the environment, the environment over the file, the file over
 * the defaults. Everything wrong ends as one line.
 *
 * The flags are Kavka's; the names in the file, and after `--override`, are those of Kafka's server.properties.
 */
import { z } from "zod";
import {
  brokerConfigDefinition,
  brokerConfigFault,
  serverConfigReader,
} from "./core/config/broker_configs.ts";
import type { ServerConfigReader } from "./core/config/config_definition.ts";
import { limits } from "./core/config/limits.ts";
import { parseListener } from "./core/config/listeners.ts";
import { parseProperties } from "./core/config/properties.ts";
import { formatHostPort, type HostPort, isLoopbackHost, parseHostPort } from "./lib/host_port.ts";
import type { LogLevel } from "./lib/log.ts";

export interface Config {
  readonly mode: "single";
  readonly http: HostPort;
  /** null: the Kafka protocol is off. */
  readonly kafka: HostPort | null;
  /** What clients are told to connect to; null: the Kafka listener's address, see `advertisedAddress`. */
  readonly advertise: HostPort | null;
  readonly dataDirectory: string;
  readonly store: { readonly name: string; readonly path: string };
  readonly brokerId: number;
  readonly rack: string | null;
  readonly logLevel: LogLevel;
  readonly insecure: boolean;
  /** A key of the HTTP door that may do everything, with which keys are required; null for none. */
  readonly adminKey: string | null;
  /** Certificate authorities that receivers of webhooks may have besides the usual ones, as PEM. */
  readonly webhookAuthorities: readonly string[];
  /** Server-wide settings by Kafka's names over their defaults, the flags' values included. */
  readonly server: ServerConfigReader;
  /** One line each, to be logged at the start. */
  readonly warnings: readonly string[];
}

export interface ConfigSources {
  readonly args: readonly string[];
  readonly env: (name: string) => string | undefined;
  readonly readText: (path: string) => Promise<string>;
}

/** Without a configuration: what to print, and with which exit code (0 only for `--help`). */
export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly exitCode: 0 | 2; readonly message: string };

export const usage = `Usage: kavka [options] [server.properties]

  --http HOST:PORT        HTTP listener (KAVKA_HTTP, default 127.0.0.1:8080)
  --kafka HOST:PORT|off   Kafka protocol listener (KAVKA_KAFKA, default 127.0.0.1:9092)
  --advertise HOST:PORT   address that Kafka clients are told (KAVKA_ADVERTISE, default the listener's)
  --data DIR              data directory (KAVKA_DATA, default ./data)
  --store NAME=PATH       embedded store (KAVKA_STORES, default local=DIR/kavka.sqlite)
  --broker-id N           number of this broker (KAVKA_BROKER_ID, default 1)
  --mode single           one process (KAVKA_MODE, default single)
  --log LEVEL             debug, info, warn or error (KAVKA_LOG, default info)
  --insecure              edge mode without API keys (KAVKA_INSECURE)
  --override KEY=VALUE    a setting by Kafka's name, repeatable
  --config FILE           a server.properties file (KAVKA_CONFIG)
  --help                  this text

KAVKA_ADMIN_KEY, in the environment only, is a key that may do everything over HTTP; with it every request needs a key.

Port 0 picks a free port. Flags win over the environment, that over the file, that over the defaults.`;

/** A value and where it came from, for messages. */
interface Sourced {
  readonly text: string;
  readonly origin: string;
}

/** Ends the resolution with one line; caught in `resolveConfig` alone. */
class ConfigFault extends Error {
  override readonly name = "ConfigFault";
}

const valueFlags = ["http", "kafka", "advertise", "data", "broker-id", "mode", "log", "config"] as const;
type ValueFlag = (typeof valueFlags)[number];

const repeatableFlags = ["store", "override"] as const;
type RepeatableFlag = (typeof repeatableFlags)[number];

interface Flags {
  readonly values: Map<ValueFlag, string>;
  readonly lists: Record<RepeatableFlag, string[]>;
  insecure: boolean;
  help: boolean;
  file: string | null;
}

export async function resolveConfig(sources: ConfigSources): Promise<ConfigResult> {
  try {
    const flags = parseFlags(sources.args);
    if (flags.help) return { ok: false, exitCode: 0, message: usage };
    return { ok: true, config: await buildConfig(flags, sources) };
  } catch (error) {
    if (error instanceof ConfigFault) return { ok: false, exitCode: 2, message: error.message };
    throw error;
  }
}

/** The address that clients are told, once the listener's port is known. */
export function advertisedAddress({ advertise, kafka }: Config, boundPort: number): HostPort {
  if (advertise !== null) return advertise;
  const host = kafka?.host ?? "127.0.0.1";
  return { host: isWildcard(host) ? "127.0.0.1" : host, port: boundPort };
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

function parseFlags(args: readonly string[]): Flags {
  const flags: Flags = {
    values: new Map(),
    lists: { store: [], override: [] },
    insecure: false,
    help: false,
    file: null,
  };
  const rest = args.values();
  for (const arg of rest) {
    if (!arg.startsWith("-")) {
      if (flags.file !== null) {
        throw new ConfigFault(`Unexpected argument "${arg}": one configuration file at most`);
      }
      flags.file = arg;
      continue;
    }
    const equals = arg.indexOf("=");
    const flag = equals === -1 ? arg : arg.slice(0, equals);
    const name = flag.replace(/^--/, "");
    const inline = equals === -1 ? null : arg.slice(equals + 1);
    if (flag === "-h" || flag === "--help") flags.help = true;
    else if (flag === "--insecure") {
      if (inline !== null) throw new ConfigFault("Flag --insecure takes no value");
      flags.insecure = true;
    } else if (!flag.startsWith("--")) throw new ConfigFault(`Unknown flag ${flag}: see --help`);
    else if (isOneOf(repeatableFlags, name)) flags.lists[name].push(inline ?? nextValue(rest, flag));
    else if (isOneOf(valueFlags, name)) {
      if (flags.values.has(name)) throw new ConfigFault(`Flag ${flag} is given twice`);
      flags.values.set(name, inline ?? nextValue(rest, flag));
    } else throw new ConfigFault(`Unknown flag ${flag}: see --help`);
  }
  return flags;
}

function isOneOf<T extends string>(names: readonly T[], name: string): name is T {
  return (names as readonly string[]).includes(name);
}

function nextValue(rest: Iterator<string>, flag: string): string {
  const { value, done } = rest.next();
  if (done === true || value === undefined || value.startsWith("--")) {
    throw new ConfigFault(`Flag ${flag} needs a value`);
  }
  return value;
}

const integer = z.string().regex(/^\d{1,10}$/, "expected a whole number").transform(Number);

const schemas = {
  address: hostPortSchema("expected HOST:PORT with a port from 0 to 65535"),
  advertise: hostPortSchema("expected HOST:PORT with a port from 1 to 65535").refine(
    ({ host, port }) => port > 0 && host !== "" && !isWildcard(host),
    "expected an address that clients can connect to",
  ),
  brokerId: integer.refine((id) => id <= 2_147_483_647, "expected at most 2147483647"),
  mode: z.enum(["single", "edge", "cluster"], "expected single, edge or cluster"),
  log: z.enum(["debug", "info", "warn", "error"], "expected debug, info, warn or error"),
  path: z.string().min(1, "expected a path").refine((path) => !path.includes("\0"), "expected a path"),
  switch: z.enum(["true", "false", "1", "0"], "expected true or false").transform((text) =>
    text === "true" || text === "1"
  ),
};

function hostPortSchema(message: string) {
  return z.string().transform((text, context) => {
    const address = parseHostPort(text.trim());
    if (address !== null && address.host !== "") return address;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
}

/** `schema`'s reading of a sourced value; what is wrong becomes one line that names the source. */
function read<T>(schema: z.ZodType<T, string>, { text, origin }: Sourced): T {
  const result = schema.safeParse(text);
  if (result.success) return result.data;
  throw new ConfigFault(
    `Invalid value ${quoted(text)} for ${origin}: ${result.error.issues[0]?.message ?? "not valid"}`,
  );
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

async function buildConfig(flags: Flags, { env, readText }: ConfigSources): Promise<Config> {
  const warnings: string[] = [];
  const overrides = readOverrides(flags.lists.override);
  const file = await readFile(flags, env, readText);
  const settings = mergeSettings(overrides, file, warnings);

  /** Flag, then `--override`, then environment, then file. */
  function find(flag: ValueFlag | null, variable: string, ...names: string[]): Sourced | null {
    const value = flag === null ? undefined : flags.values.get(flag);
    if (value !== undefined) return { text: value, origin: `--${flag}` };
    const named = names.map((name) => settings.get(name)).filter((setting) => setting !== undefined);
    const override = named.find(({ origin }) => origin.startsWith("--override"));
    if (override !== undefined) return override;
    const fromEnv = env(variable) ?? "";
    if (fromEnv !== "") return { text: fromEnv, origin: variable };
    return named[0] ?? null;
  }

  readMode(find("mode", "KAVKA_MODE"), env);
  const listenerNames = readListenerNames(settings);
  const http = read(schemas.address, find("http", "KAVKA_HTTP") ?? builtIn("127.0.0.1:8080"));
  const kafka = readKafka(find("kafka", "KAVKA_KAFKA", "listeners"), listenerNames);
  const advertise = readAdvertise(
    find("advertise", "KAVKA_ADVERTISE", "advertised.listeners"),
    listenerNames,
  );
  const dataDirectory = readData(find("data", "KAVKA_DATA", "log.dirs", "log.dir"));
  const store = readStore(flags.lists.store, env("KAVKA_STORES") ?? "", dataDirectory);
  const brokerId = read(
    schemas.brokerId,
    find("broker-id", "KAVKA_BROKER_ID", "node.id", "broker.id") ?? builtIn("1"),
  );
  const logLevel = read(schemas.log, find("log", "KAVKA_LOG") ?? builtIn("info"));
  const insecure = flags.insecure ||
    read(schemas.switch, { text: env("KAVKA_INSECURE") || "false", origin: "KAVKA_INSECURE" });

  const adminKey = readAdminKey(env("KAVKA_ADMIN_KEY") ?? "");
  const needsKeys = adminKey !== null ||
    settings.get("http.api.keys.required")?.text.toLowerCase() === "true";
  for (const [name, address] of [["HTTP", needsKeys ? null : http], ["Kafka", kafka]] as const) {
    if (address !== null && !isLoopbackHost(address.host)) {
      warnings.push(
        `The ${name} listener ${formatHostPort(address)} is open to other machines without authentication`,
      );
    }
  }
  if (kafka !== null && advertise === null && isWildcard(kafka.host)) {
    warnings.push(
      "Clients are told to connect to 127.0.0.1, because neither --advertise nor advertised.listeners is set",
    );
  }

  const explicit = new Map([...settings].map(([name, { text }]) => [name, text]));
  explicit.set("node.id", String(brokerId)).set("broker.id", String(brokerId));
  explicit.set("log.dirs", dataDirectory);
  if (kafka !== null) explicit.set("listeners", `PLAINTEXT://${formatHostPort(kafka)}`);
  if (advertise !== null) explicit.set("advertised.listeners", `PLAINTEXT://${formatHostPort(advertise)}`);
  const server = serverConfigReader(explicit);
  const webhookAuthorities = await readAuthorities(server("webhook.ca.location"), readText);
  return {
    mode: "single",
    http,
    kafka,
    advertise,
    dataDirectory,
    store,
    brokerId,
    rack: server("broker.rack") || null,
    logLevel,
    insecure,
    adminKey,
    webhookAuthorities,
    server,
    warnings,
  };
}

function builtIn(text: string): Sourced {
  return { text, origin: "the default" };
}

function readOverrides(texts: readonly string[]): Map<string, string> {
  const overrides = new Map<string, string>();
  for (const text of texts) {
    const equals = text.indexOf("=");
    if (equals < 1) throw new ConfigFault(`Invalid value ${quoted(text)} for --override: expected KEY=VALUE`);
    overrides.set(text.slice(0, equals).trim(), text.slice(equals + 1).trim());
  }
  return overrides;
}

async function readFile(
  flags: Flags,
  env: ConfigSources["env"],
  readText: ConfigSources["readText"],
): Promise<{ path: string; properties: Map<string, string> }> {
  const flag = flags.values.get("config");
  if (flag !== undefined && flags.file !== null) {
    throw new ConfigFault(`Unexpected argument "${flags.file}": one configuration file at most`);
  }
  const path = flag ?? flags.file ?? env("KAVKA_CONFIG") ?? "";
  if (path === "") {
    if (flag !== undefined) throw new ConfigFault("Flag --config needs a value");
    return { path, properties: new Map() };
  }
  const text = await readSetting(path, "the configuration file", readText);
  return { path, properties: parseProperties(text) };
}

/** The text of a file that the configuration names. */
async function readSetting(
  path: string,
  what: string,
  readText: ConfigSources["readText"],
): Promise<string> {
  let text: string;
  try {
    text = await readText(path);
  } catch (error) {
    // Deno names the call and the path again behind the system's own words.
    const reason = error instanceof Error ? error.message.split(/\n|: readfile /)[0] : String(error);
    throw new ConfigFault(`Cannot read ${what} ${quoted(path)}: ${reason}`);
  }
  if (text.length > limits.configFileLengthMax) {
    throw new ConfigFault(
      `Cannot read ${what} ${quoted(path)}: longer than ${limits.configFileLengthMax} characters`,
    );
  }
  return text;
}

/** The certificates of a PEM file. */
async function readAuthorities(path: string, readText: ConfigSources["readText"]): Promise<string[]> {
  if (path === "") return [];
  const text = await readSetting(path, "webhook.ca.location", readText);
  const cannotRead = (why: string) =>
    new ConfigFault(`Cannot read webhook.ca.location ${quoted(path)}: ${why}`);
  const [, ...begun] = text.split("-----BEGIN CERTIFICATE-----");
  if (begun.length === 0) throw cannotRead("there is no certificate in PEM form");
  // Loading it takes some of a server's start, and most never need it.
  const { X509Certificate } = await import("node:crypto");
  return begun.map((rest, index) => {
    const [, body] = /^([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/.exec(rest) ?? [];
    const certificate = `-----BEGIN CERTIFICATE-----${body}-----END CERTIFICATE-----`;
    try {
      // Here, and not with the first webhook that needs it.
      if (body !== undefined && new X509Certificate(certificate).raw.length > 0) return certificate;
    } catch {
      // Its reasons are those of a library.
    }
    throw cannotRead(`certificate ${index + 1} in it is malformed`);
  });
}

/** Checks every setting; unknown names are left out with one warning, as in Kafka. */
function mergeSettings(
  overrides: ReadonlyMap<string, string>,
  file: { path: string; properties: ReadonlyMap<string, string> },
  warnings: string[],
): Map<string, Sourced> {
  const settings = new Map<string, Sourced>();
  for (const [name, text] of file.properties) settings.set(name, { text, origin: `${name} in ${file.path}` });
  for (const [name, text] of overrides) settings.set(name, { text, origin: `--override ${name}` });
  const unknown: string[] = [];
  for (const [name, { text, origin }] of settings) {
    if (brokerConfigDefinition(name) === undefined) unknown.push(name);
    const fault = brokerConfigFault(name, text);
    if (fault !== null) throw new ConfigFault(`${fault} (${origin.replace(`${name} in `, "in ")})`);
    if (unknown.at(-1) === name || text.trim() === "") settings.delete(name);
  }
  if (unknown.length > 0) {
    const names = unknown.slice(0, 20).map((name) => name.slice(0, 100)).join(", ");
    warnings.push(`Unknown settings are ignored: ${names}${unknown.length > 20 ? ", …" : ""}`);
  }
  if (settings.has("zookeeper.connect")) {
    warnings.push("zookeeper.connect is ignored: the supervisor inside the broker plays ZooKeeper's role");
  }
  const minimum = Number(settings.get("group.min.session.timeout.ms")?.text ?? 6_000);
  const maximum = Number(settings.get("group.max.session.timeout.ms")?.text ?? 1_800_000);
  if (minimum > maximum) {
    throw new ConfigFault(
      `Invalid configuration: group.min.session.timeout.ms (${minimum}) is larger than group.max.session.timeout.ms (${maximum})`,
    );
  }
  return settings;
}

/** Never shown, so not quoted in the message either. */
function readAdminKey(text: string): string | null {
  if (text === "") return null;
  if (!/^[!-~]{16,200}$/.test(text)) {
    throw new ConfigFault("Invalid value for KAVKA_ADMIN_KEY: expected 16 to 200 letters, digits and signs");
  }
  return text;
}

function readMode(mode: Sourced | null, env: ConfigSources["env"]): void {
  const onDeploy = (env("DENO_DEPLOYMENT_ID") ?? "") !== "";
  const value = read(schemas.mode, mode ?? builtIn(onDeploy ? "edge" : "single"));
  if (value !== "single") throw new ConfigFault(`Mode ${value} is not supported yet: use --mode single`);
}

interface ListenerNames {
  readonly controllers: readonly string[];
  readonly protocols: string;
}

function readListenerNames(settings: ReadonlyMap<string, Sourced>): ListenerNames {
  const controllers = settings.get("controller.listener.names")?.text ?? "CONTROLLER";
  return {
    controllers: controllers.split(",").map((name) => name.trim().toUpperCase()),
    protocols: settings.get("listener.security.protocol.map")?.text ?? "",
  };
}

function readKafka(value: Sourced | null, names: ListenerNames): HostPort | null {
  if (value === null) return { host: "127.0.0.1", port: 9092 };
  if (!value.text.includes("://")) return value.text === "off" ? null : read(schemas.address, value);
  const { host, port } = readListener(value, names);
  // As in Kafka, no host means all interfaces.
  return { host: host === "" ? "0.0.0.0" : host, port };
}

function readAdvertise(value: Sourced | null, names: ListenerNames): HostPort | null {
  if (value === null) return null;
  if (!value.text.includes("://")) return read(schemas.advertise, value);
  const text = formatHostPort(readListener(value, names));
  return read(schemas.advertise, { text, origin: value.origin });
}

function readListener({ text, origin }: Sourced, names: ListenerNames): HostPort {
  const listener = parseListener(text, names);
  if (typeof listener !== "string") return listener;
  throw new ConfigFault(`Invalid value ${quoted(text)} for ${origin}: ${listener}`);
}

function readData(value: Sourced | null): string {
  if (value === null) return "./data";
  if (value.origin !== "--data" && value.text.includes(",")) {
    throw new ConfigFault(`Invalid value ${quoted(value.text)} for ${value.origin}: one directory so far`);
  }
  return read(schemas.path, value);
}

function readStore(flags: readonly string[], variable: string, dataDirectory: string): Config["store"] {
  const origin = flags.length > 0 ? "--store" : "KAVKA_STORES";
  const texts = flags.length > 0 ? flags : variable.split(",").filter((text) => text.trim() !== "");
  const text = texts[0]?.trim();
  if (text === undefined) return { name: "local", path: `${dataDirectory.replace(/\/+$/, "")}/kavka.sqlite` };
  for (const store of texts) {
    if (/^[\w-]*=?[a-z][a-z0-9+.-]*:\/\//i.test(store.trim())) {
      throw new ConfigFault(
        `Invalid value ${quoted(store)} for ${origin}: stores on other machines are not supported yet`,
      );
    }
  }
  if (texts.length > 1) throw new ConfigFault(`Invalid ${origin}: several stores are not supported yet`);
  const match = /^([\w-]{1,64})=(.+)$/.exec(text);
  const [, name, path] = match ?? [];
  if (name === undefined || path === undefined) {
    throw new ConfigFault(`Invalid value ${quoted(text)} for ${origin}: expected NAME=PATH`);
  }
  return { name, path: read(schemas.path, { text: path, origin }) };
}
