/**
 * Keys of the HTTP door: what one may do. A key is told once; what is kept is the SHA-256 of its secret, which needs no salt and no
 * slow hash, since the secret is random and longer than anyone can try.
 *
 * A key reads `kvk_<id>_<secret>`. Scopes: `admin`, `produce:PATTERN`, `consume:PATTERN`; a pattern is a topic's name, or a
 * prefix followed by `*`; the scope alone means every topic.
 */
export interface ApiKey {
  /** Public; names the key in lists and logs. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  readonly scopes: readonly string[];
  /** SHA-256 of the secret. */
  readonly secretHash: Uint8Array;
  readonly createdMs: number;
  /** Null: never. */
  readonly expiresMs: number | null;
}

export const API_KEY_PREFIX = "kvk";
const ACTIONS = ["produce", "consume"] as const;
export type TopicAction = (typeof ACTIONS)[number];

/** What is wrong with a scope, or null. */
export function scopeFault(scope: string): string | null {
  if (scope === "admin") return null;
  const [, action = "", pattern] = /^(produce|consume)(?::(.*))?$/s.exec(scope) ?? [];
  if (action === "") return "expected admin, produce, consume, produce:TOPIC or consume:TOPIC";
  if (pattern === undefined) return null;
  if (pattern === "" || pattern.length > 512) return "the topic's pattern must have 1 to 512 characters";
  return /^[^*]*\*?$/.test(pattern) ? null : "* may only be the last character of a topic's pattern";
}

/** The id and the secret of a key as a client sends it; null when it has not the form of one. */
export function parseApiKey(text: string): { readonly id: string; readonly secret: string } | null {
  const [, id, secret] = /^kvk_([0-9a-f]{12})_([0-9a-f]{64})$/.exec(text) ?? [];
  return id === undefined || secret === undefined ? null : { id, secret };
}

export function formatApiKey(id: string, secret: string): string {
  return `${API_KEY_PREFIX}_${id}_${secret}`;
}

export function isExpired({ expiresMs }: ApiKey, nowMs: number): boolean {
  return expiresMs !== null && nowMs >= expiresMs;
}

/** What the bearer of a key may do. */
export class Access {
  readonly #isAdmin: boolean;
  readonly #patterns: readonly { readonly action: string; readonly pattern: string }[];

  constructor(scopes: readonly string[]) {
    this.#isAdmin = scopes.includes("admin");
    this.#patterns = scopes.filter((scope) => scope !== "admin").map((scope) => {
      const colon = scope.indexOf(":");
      return colon === -1
        ? { action: scope, pattern: "*" }
        : { action: scope.slice(0, colon), pattern: scope.slice(colon + 1) };
    });
  }

  get isAdmin(): boolean {
    return this.#isAdmin;
  }

  /** Whether there is any topic that it may do this to. */
  allowsSome(action: TopicAction): boolean {
    return this.#isAdmin || this.#patterns.some((scope) => scope.action === action);
  }

  /** Null for the topic: every one. */
  allows(action: TopicAction, topic: string | null): boolean {
    return this.#isAdmin ||
      this.#patterns.some((scope) =>
        scope.action === action && (topic === null ? scope.pattern === "*" : fits(scope.pattern, topic))
      );
  }
}

/** Whoever comes where no keys are required. */
export const fullAccess = new Access(["admin"]);

function fits(pattern: string, topic: string): boolean {
  return pattern.endsWith("*") ? topic.startsWith(pattern.slice(0, -1)) : topic === pattern;
}

/** Whether two hashes are the same, in a time that does not depend on where they differ. */
export function isSameHash(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let index = 0; index < a.length; index++) difference |= (a[index] ?? 0) ^ (b[index] ?? 0);
  return difference === 0;
}
