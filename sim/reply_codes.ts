/** The error codes that brokers answered, by API: what the checker's rule on error codes is given. */

export class ReplyCodes {
  readonly #seen = new Map<number, Set<number>>();

  /** Looks for codes anywhere in a response. */
  add(apiKey: number, response: unknown): void {
    let codes = this.#seen.get(apiKey);
    if (codes === undefined) this.#seen.set(apiKey, codes = new Set());
    collect(response, codes);
  }

  /** Each pair once. */
  get pairs(): (readonly [apiKey: number, errorCode: number])[] {
    return [...this.#seen].flatMap(([apiKey, codes]) => [...codes].map((code) => [apiKey, code] as const));
  }
}

function collect(value: unknown, codes: Set<number>): void {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  for (const [name, field] of Object.entries(value)) {
    if (/^(error|acknowledgeError)Code$/i.test(name) && typeof field === "number") codes.add(field);
    else if (typeof field === "object") collect(field, codes);
  }
}
