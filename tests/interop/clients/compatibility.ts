/**
 * docs/compatibility.md: the table between its two marks, made from what the suite `clients` found.
 *
 * The runner writes it to `.cache/interop/compatibility.md` after every run, and into the document after a long one.
 */

import { CACHE } from "../prepare.ts";
import { ROOT } from "../../../tools/run.ts";
import { CHECKS } from "./contract.ts";
import { CLIENTS } from "./registry.ts";
import { type DatedResult, readResults } from "./results.ts";

const DOCUMENT = `${ROOT}docs/compatibility.md`;
const BEGIN = "<!-- the table begins: deno task test:interop writes it -->";
const END = "<!-- the table ends -->";

/** `yes`, `no`, or `–` where the client has nothing for it. */
function cell(outcome: boolean | null | undefined): string {
  if (outcome === undefined) return "not run";
  return outcome === null ? "–" : outcome ? "yes" : "**no**";
}

/** The same results make the same text: clients and checks stand in the order of their lists. */
export function compatibilityTable(results: readonly DatedResult[]): string {
  const names = [...CLIENTS.map((client) => client.name), "kcat"];
  const rows = names.flatMap((name) => results.filter((each) => each.client === name));
  const head = ["", ...rows.map((each) => each.client)];
  const lines: string[][] = [
    ["version", ...rows.map((each) => each.version)],
    ["language", ...rows.map((each) => each.language)],
    ...CHECKS.map(({ name }) => [name, ...rows.map((each) => cell(each.checks[name]))]),
    ["run on", ...rows.map((each) => each.date)],
  ];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...lines.map(line)].join("\n");
}

/** Writes the table beside the results, and into the document when `publish` says so. */
export async function writeCompatibility(publish: boolean): Promise<void> {
  const table = compatibilityTable(await readResults());
  await Deno.writeTextFile(`${CACHE}/compatibility.md`, table + "\n");
  if (!publish) return;
  const text = await Deno.readTextFile(DOCUMENT);
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) {
    throw new Error(`Cannot write the table into ${DOCUMENT}: its marks are missing`);
  }
  await Deno.writeTextFile(DOCUMENT, `${text.slice(0, begin)}${BEGIN}\n\n${table}\n\n${text.slice(end)}`);
  const format = await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", DOCUMENT] }).output();
  if (!format.success) throw new Error(`Cannot format ${DOCUMENT}`);
}
