/**
 * `--command-config FILE`: Kafka's names of client settings, as options of the client. Settings that mean nothing here are
 * passed over, as Kafka's client does; one that asks for encryption or a login is refused, since it would not be there.
 */
import type { ClientOptions } from "../client/mod.ts";
import { type Terminal, UsageError } from "./command_line.ts";
import { PropertyReader, readProperties } from "./properties_file.ts";

/** Options for the client of a command; `defaults` hold where the file says nothing. */
export async function commandClientOptions(
  servers: string,
  file: string | undefined,
  terminal: Pick<Terminal, "env">,
  defaults: Partial<ClientOptions> = {},
): Promise<ClientOptions> {
  if (file === undefined) return { ...defaults, bootstrapServers: servers };
  const properties = new PropertyReader(await readProperties(file, terminal));
  checkSecurity(properties);
  return {
    ...defaults,
    bootstrapServers: servers,
    clientId: properties.text("client.id") ?? defaults.clientId,
    requestTimeoutMs: properties.integer("request.timeout.ms") ?? defaults.requestTimeoutMs,
    callTimeoutMs: properties.integer("default.api.timeout.ms") ?? defaults.callTimeoutMs,
    retryBackoffMs: properties.integer("retry.backoff.ms") ?? defaults.retryBackoffMs,
    retryBackoffMaxMs: properties.integer("retry.backoff.max.ms") ?? defaults.retryBackoffMaxMs,
  };
}

/** Throws `UsageError` unless the connection may be in plain text. */
export function checkSecurity(properties: PropertyReader): void {
  const protocol = properties.text("security.protocol") ?? "PLAINTEXT";
  if (protocol !== "PLAINTEXT") {
    throw new UsageError(`security.protocol is "${protocol}": these tools speak PLAINTEXT only, for now`);
  }
}
