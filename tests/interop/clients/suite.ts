/** What the suites written in TypeScript share: one line per check, and the exit code. */

let failed = 0;

/** The server under test; the runner sets it. */
export const BOOTSTRAP = Deno.env.get("BOOTSTRAP") ?? "127.0.0.1:9092";
export const LONG = Deno.env.get("KAVKA_INTEROP_LONG") === "1";

/** Runs `body` as one check: prints `ok NAME (what it returned)` or `FAIL NAME: why`. Says whether it passed. */
export async function check(name: string, body: () => Promise<string | void>): Promise<boolean> {
  try {
    const detail = await body();
    console.log(`ok ${name}${detail === undefined ? "" : ` (${detail})`}`);
    return true;
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${String(error).replaceAll(/\s+/g, " ").slice(0, 800)}`);
    return false;
  }
}

/** Ends the suite with the exit code that tells whether a check failed. */
export function finish(): never {
  Deno.exit(failed === 0 ? 0 : 1);
}

/** A short name that no other run uses. */
export function unique(): string {
  return crypto.randomUUID().slice(0, 8);
}
