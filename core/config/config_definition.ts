/**
 * One configuration setting as data, and what can be done with any of them: check a value, read a number, show it.
 *
 * The words (type, source, synonym) and their codes are those of Kafka's `ConfigDef` and DescribeConfigs.
 */
import { limits } from "./limits.ts";

/** Type codes of DescribeConfigs. */
export const configTypeCodes = {
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
  CLASS: 8,
  PASSWORD: 9,
} as const;
export type ConfigType = keyof typeof configTypeCodes;

/** Source codes of DescribeConfigs that occur here. */
export const configSourceCodes = {
  DYNAMIC_TOPIC_CONFIG: 1,
  DYNAMIC_BROKER_CONFIG: 2,
  DYNAMIC_DEFAULT_BROKER_CONFIG: 3,
  STATIC_BROKER_CONFIG: 4,
  DEFAULT_CONFIG: 5,
  CLIENT_METRICS_CONFIG: 7,
  GROUP_CONFIG: 8,
} as const;
export type ConfigSource = (typeof configSourceCodes)[keyof typeof configSourceCodes];

export interface ConfigDefinition {
  readonly name: string;
  readonly type: ConfigType;
  /** In text form; null where Kafka has no default. */
  readonly default: string | null;
  /** Inclusive bounds of a number. */
  readonly min?: number;
  readonly max?: number;
  /** The allowed values of a string, or of the elements of a list. */
  readonly oneOf?: readonly string[];
  /** What is wrong with a value that has the right type, or null. */
  readonly check?: (value: string) => string | null;
  readonly documentation: string;
  /** "none": accepted, because clients and files set it, but nothing depends on it (yet). */
  readonly effect: "now" | "none";
}

export interface ConfigSynonym {
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigSource;
}

/** One entry of a DescribeConfigs answer, field for field. */
export interface ConfigEntry {
  readonly name: string;
  readonly value: string | null;
  readonly readOnly: boolean;
  readonly source: ConfigSource;
  readonly isSensitive: boolean;
  /** From the strongest to the weakest. */
  readonly synonyms: readonly ConfigSynonym[];
  readonly type: number;
  readonly documentation: string;
}

/** Server-wide values by Kafka's names, resolved over the defaults; "" where neither is set. `Broker.config` is one. */
export type ServerConfigReader = (name: string) => string;

const integerRanges: Partial<Record<ConfigType, readonly [bigint, bigint]>> = {
  SHORT: [-32_768n, 32_767n],
  INT: [-2_147_483_648n, 2_147_483_647n],
  LONG: [-9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n],
};

/** Elements of a LIST value, each once. */
export function listElements(value: string): string[] {
  return value.trim() === "" ? [] : [...new Set(value.split(",").map((element) => element.trim()))];
}

/** What is wrong with `value`, in a few words, or null. */
export function configValueFault(definition: ConfigDefinition, value: string): string | null {
  if (value.length > limits.configValueLengthMax) {
    return `longer than ${limits.configValueLengthMax} characters`;
  }
  const text = value.trim();
  return typeFault(definition, text) ?? definition.check?.(text) ?? null;
}

function typeFault(definition: ConfigDefinition, text: string): string | null {
  const { type, oneOf } = definition;
  switch (type) {
    case "BOOLEAN":
      return /^(true|false)$/i.test(text) ? null : "expected true or false";
    case "SHORT":
    case "INT":
    case "LONG": {
      if (!/^[+-]?\d{1,19}$/.test(text)) return "expected a whole number";
      const number = BigInt(text.replace("+", ""));
      const [low, high] = integerRanges[type] ?? [0n, 0n];
      return number < low || number > high
        ? `does not fit a number of type ${type}`
        : rangeFault(definition, text);
    }
    case "DOUBLE":
      return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)
        ? rangeFault(definition, text)
        : "expected a number";
    case "LIST": {
      if (oneOf === undefined) return null;
      const elements = listElements(text);
      const stranger = elements.find((element) => !oneOf.includes(element));
      return stranger === undefined ? null : `expected a list of ${oneOf.join(", ")}`;
    }
    case "STRING":
    case "CLASS":
    case "PASSWORD":
      return oneOf === undefined || oneOf.includes(text) ? null : `expected one of ${oneOf.join(", ")}`;
  }
}

function rangeFault({ min, max }: ConfigDefinition, text: string): string | null {
  const number = Number(text);
  if (min !== undefined && number < min) return `expected at least ${min}`;
  if (max !== undefined && number > max) return `expected at most ${max}`;
  return null;
}

/** A number in text form as a number; LONG values beyond ±(2^53−1) are clamped, which no comparison notices. */
export function configNumber(value: string): number {
  return Math.min(Math.max(Number(value), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}

/** The documentation as shown: it says so when a setting does nothing. */
export function configDocumentation({ documentation, effect }: ConfigDefinition): string {
  return effect === "now" ? documentation : `${documentation} Accepted by Kavka, without effect so far.`;
}

/** Values as they are stored and shown: trimmed, lists without blanks, booleans in lower case. Call it on valid values. */
export function normalizeConfig(type: ConfigType | undefined, value: string): string {
  if (type === "LIST") return listElements(value).join(",");
  return type === "BOOLEAN" ? value.trim().toLowerCase() : value.trim();
}

export function isSensitiveConfig({ type }: ConfigDefinition): boolean {
  return type === "PASSWORD";
}
