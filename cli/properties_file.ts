/**
 * Client property files (`--producer.config`, `--consumer.config`) and the translation of Kafka's property names into the
 * options of the client.
 */
import type { Terminal } from "./command_line.ts";
import { propertiesOf, UsageError } from "./command_line.ts";

/** Reads `name=value` lines; `#` and `!` begin comments. Throws `UsageError` when the file cannot be read. */
export async function readProperties(
  path: string,
  terminal: Pick<Terminal, "env">,
): Promise<Map<string, string>> {
  let text: string;
  try {
    text = await terminal.env.files.readText(path);
  } catch (error) {
    throw new UsageError(`Cannot read "${path}": ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
  const properties = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*([^#!\s=:][^\s=:]*)\s*[=:\s]?\s*(.*?)\s*$/.exec(line);
    if (match !== null) properties.set(match[1] ?? "", match[2] ?? "");
  }
  return properties;
}

/** The properties of a file (if any), overridden by `name=value` pairs. */
export async function clientProperties(
  file: string | undefined,
  pairs: readonly string[],
  terminal: Pick<Terminal, "env">,
): Promise<Map<string, string>> {
  const properties = file === undefined ? new Map<string, string>() : await readProperties(file, terminal);
  for (const [name, value] of propertiesOf(pairs)) properties.set(name, value);
  return properties;
}

/** Takes properties out one by one, and in the end says which nobody wanted. */
export class PropertyReader {
  readonly #properties: Map<string, string>;

  constructor(properties: ReadonlyMap<string, string>) {
    this.#properties = new Map(properties);
  }

  text(name: string): string | undefined {
    const value = this.#properties.get(name);
    this.#properties.delete(name);
    return value;
  }

  integer(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!/^[+-]?\d+$/.test(value)) throw new UsageError(`Property ${name} is "${value}", not a whole number`);
    return Number(value);
  }

  boolean(name: string): boolean | undefined {
    return this.oneOf(name, { true: true, false: false });
  }

  oneOf<T>(name: string, values: Readonly<Record<string, T>>): T | undefined {
    const value = this.text(name)?.toLowerCase();
    if (value === undefined) return undefined;
    const found = Object.entries(values).find(([text]) => text === value);
    if (found === undefined) {
      throw new UsageError(`Property ${name} is "${value}", not one of ${Object.keys(values).join(", ")}`);
    }
    return found[1];
  }

  /** Names of the properties that are left. */
  unused(): string[] {
    return [...this.#properties.keys()];
  }
}
