/**
 * Subscriptions to streams: durable cursors that wake a worker, by webhook or through a stream of wake events. Pure: what a
 * subscription is, what is pending, what a pattern matches.
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
