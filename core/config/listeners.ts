/**
 * Reads Kafka's `listeners` and `advertised.listeners`: `PLAINTEXT://host:9092,CONTROLLER://:9093`.
 * Controllers' listeners are skipped, since the supervisor is part of the broker; of the others one is served so far.
 */
import { type HostPort, parseHostPort } from "../../lib/host_port.ts";

export interface ParseListenerOptions {
  /** `controller.listener.names`, in upper case. */
  readonly controllers: readonly string[];
  /** `listener.security.protocol.map`: `NAME:PROTOCOL,…`. */
  readonly protocols: string;
}

/** The clients' listener, its host "" when none is given; or what is wrong, in a few words. */
export function parseListener(
  text: string,
  { controllers, protocols }: ParseListenerOptions,
): HostPort | string {
  const protocolByName = new Map(
    protocols.split(",").map((pair) => pair.trim().toUpperCase().split(":")).map((
      [name = "", protocol = ""],
    ) => [name, protocol]),
  );
  const found: HostPort[] = [];
  for (const part of text.split(",")) {
    const match = /^([A-Za-z][\w.-]*):\/\/(.*)$/.exec(part.trim());
    const [, rawName, address] = match ?? [];
    if (rawName === undefined || address === undefined) return "expected NAME://HOST:PORT";
    const name = rawName.toUpperCase();
    if (controllers.includes(name)) continue;
    const protocol = protocolByName.get(name) ?? name;
    if (protocol !== "PLAINTEXT") return `only PLAINTEXT listeners are supported so far, not ${protocol}`;
    const parsed = parseHostPort(address);
    if (parsed === null) return "expected NAME://HOST:PORT with a port from 0 to 65535";
    found.push(parsed);
  }
  const [first, second] = found;
  if (second !== undefined) return "one listener for clients is supported so far";
  return first ?? "expected a listener for clients";
}
