/**
 * Subscriptions to streams: durable cursors that wake a worker, by webhook or through a stream of wake events. Pure: what a
 * subscription is, what is pending, what a pattern matches, which webhook addresses are refused.
 *
 * A wake has an id and a generation; whoever acts on one must name both and hold its token. Source: PROTOCOL.md §6, §7, §12.8.
 */

export interface SubscriptionConfig {
  readonly type: "webhook" | "pull-wake";
  readonly pattern: string | null;
  /** Named by the creator, sorted. */
  readonly streams: readonly string[];
  readonly webhookUrl: string | null;
  readonly wakeStream: string | null;
  readonly leaseTtlMs: number;
  readonly description: string | null;
}

export interface StreamLink {
  /** Named, now or later; a pattern may match it too. */
  readonly explicit: boolean;
  readonly ackedOffset: number;
}

export interface Wake {
  readonly wakeId: string;
  readonly token: string;
  /** Ends of the streams when it began; what `done` acknowledges. */
  readonly tails: Readonly<Record<string, number>>;
  /** Who has it; null until it is claimed. A webhook has it at once. */
  readonly holder: string | null;
  /** Wall clock; null while nobody has it. */
  readonly leaseUntilMs: number | null;
  /** Deliveries that failed, and when the next one is due (wall clock). */
  readonly failureCount: number;
  readonly nextAttemptMs: number | null;
}

export interface Subscription {
  readonly id: string;
  readonly config: SubscriptionConfig;
  /** What the addresses in answers begin with. */
  readonly streamRoot: string;
  readonly createdAtMs: number;
  readonly generation: number;
  readonly wake: Wake | null;
}

export function isSameConfig(a: SubscriptionConfig, b: SubscriptionConfig): boolean {
  return JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
}

/** `*` is one segment, `**` any number of them. */
export function matchesPattern(pattern: string, path: string): boolean {
  return matches(pattern.split("/"), path.split("/"));
}

function matches(pattern: readonly string[], path: readonly string[]): boolean {
  // The positions in the pattern that may come next; linear in both lengths.
  let places = closure(pattern, [0]);
  for (const segment of path) {
    const next: number[] = [];
    for (const place of places) {
      const wanted = pattern[place];
      if (wanted === "**") next.push(place);
      else if (wanted === "*" || wanted === segment) next.push(place + 1);
    }
    places = closure(pattern, next);
  }
  return places.has(pattern.length);
}

function closure(pattern: readonly string[], places: readonly number[]): Set<number> {
  const reached = new Set<number>();
  for (let place of places) {
    reached.add(place);
    while (pattern[place] === "**") reached.add(++place);
  }
  return reached;
}

/** Why a webhook must not go there, or null. `localAllowed`: http to this very machine is let through. */
export function webhookUrlFault(text: string, localAllowed: boolean): string | null {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return "is not a URL";
  }
  if (url.username !== "" || url.password !== "") return "must not hold credentials";
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "").toLowerCase();
  if (localAllowed && (host === "localhost" || /^127\.0\.0\.\d+$/.test(host))) {
    return url.protocol === "http:" || url.protocol === "https:" ? null : "must be http or https";
  }
  if (url.protocol !== "https:") return "must be https";
  if (isLocalName(host) || isPrivateAddress(host)) return "must not lead into a local network";
  return null;
}

function isLocalName(host: string): boolean {
  return !host.includes(".") && !host.includes(":") ||
    /(^|\.)(localhost|local|internal|home\.arpa|localdomain)$/.test(host);
}

/** The URL parser has turned every way to write an IPv4 address into four decimal numbers. */
function isPrivateAddress(host: string): boolean {
  if (host.includes(":")) return !/^[23]/.test(host) || /^2001:0?db8:/.test(host) || /^2002:/.test(host);
  const parts = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host)?.slice(1).map(Number);
  if (parts === undefined) return false;
  const [a = 0, b = 0] = parts;
  return a === 0 || a === 10 || a === 127 || a >= 224 || (a === 100 && b >= 64 && b < 128) ||
    (a === 169 && b === 254) || (a === 172 && b >= 16 && b < 32) || (a === 192 && (b === 168 || b === 0)) ||
    (a === 198 && (b === 18 || b === 19));
}

/** Time before the next delivery: a second, doubled up to a minute, less or more by up to a fifth. `random` in [0, 1). */
export function retryDelayMs(failureCount: number, random: number): number {
  return Math.min(60_000, 1_000 * 2 ** Math.max(0, failureCount - 1)) * (0.8 + 0.4 * random);
}
