/** What a run found about each client, kept between the suites so that one table can be made of it. */

import { ROOT } from "../../../tools/run.ts";

export interface Result {
  readonly client: string;
  readonly language: string;
  readonly version: string;
  /** true: passed; false: failed; null: the client has nothing for it. */
  readonly checks: Readonly<Record<string, boolean | null>>;
}

/** A result with the day it was found, as `2026-11-22`. */
export interface DatedResult extends Result {
  readonly date: string;
}

const DIRECTORY = `${Deno.env.get("CACHE") ?? `${ROOT}.cache/interop`}/results`;

export async function writeResult(result: Result): Promise<void> {
  await Deno.mkdir(DIRECTORY, { recursive: true });
  const dated: DatedResult = { ...result, date: new Date().toISOString().slice(0, 10) };
  await Deno.writeTextFile(
    `${DIRECTORY}/${result.client.replaceAll("/", "_")}.json`,
    JSON.stringify(dated, null, 2),
  );
}

/** All results there are, in the order of the clients' names. */
export async function readResults(): Promise<DatedResult[]> {
  const results: DatedResult[] = [];
  for await (const entry of Deno.readDir(DIRECTORY)) {
    if (!entry.name.endsWith(".json")) continue;
    results.push(JSON.parse(await Deno.readTextFile(`${DIRECTORY}/${entry.name}`)) as DatedResult);
  }
  return results.sort((a, b) => a.client < b.client ? -1 : 1);
}
