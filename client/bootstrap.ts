/**
 * The list of brokers that a client starts from: `HOST:PORT` pairs with commas between. Pure.
 */
import { ConfigurationError } from "./errors.ts";

export interface BrokerAddress {
  readonly hostname: string;
  readonly port: number;
}

/** Reads `HOST:PORT,HOST:PORT` or a list of such. Throws `ConfigurationError`. */
export function parseBootstrapServers(servers: string | readonly string[]): BrokerAddress[] {
  const list = typeof servers === "string" ? servers.split(",") : servers;
  const addresses = list.map((entry) => entry.trim()).filter((entry) => entry !== "").map(parseAddress);
  if (addresses.length === 0) throw new ConfigurationError("Bootstrap servers are missing");
  return addresses;
}

function parseAddress(text: string): BrokerAddress {
  // A protocol in front is allowed, as in Kafka's listeners; IPv6 addresses stand in brackets.
  const match = /^(?:[A-Za-z0-9_]+:\/\/)?(?:\[([0-9A-Fa-f:.%]+)\]|([^:/[\]\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65535) {
    throw new ConfigurationError(`Bootstrap server "${text}" is not of the form HOST:PORT`);
  }
  return { hostname: match[1] ?? match[2] ?? "", port };
}
