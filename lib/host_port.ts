/** `HOST:PORT` text, with IPv6 hosts in brackets: the form of flags, listeners and bootstrap lists. */

export interface HostPort {
  /** Without brackets. */
  readonly host: string;
  /** 0 to 65535; 0 lets the system choose. */
  readonly port: number;
}

/** Parses `host:port` or `[::1]:port`; null when it is neither. An empty host is allowed and stays "". */
export function parseHostPort(text: string): HostPort | null {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([A-Za-z0-9._-]*)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const [, v6, name, digits] = match;
  const port = Number(digits);
  if (port > 65_535) return null;
  if (v6 !== undefined) return URL.canParse(`http://[${v6.split("%")[0]}]`) ? { host: v6, port } : null;
  const host = name ?? "";
  // 256.1.1.1 is no address and no host name either.
  return host === "" || URL.canParse(`http://${host}`) ? { host, port } : null;
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether a host means this machine only. */
export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
