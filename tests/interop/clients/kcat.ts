/** kcat has a suite of its own (kcat.sh): a command line cannot keep the contract. Which check of it stands for which. */

import { writeResult } from "./results.ts";

const STANDS_FOR: Readonly<Record<string, readonly string[]>> = {
  "metadata": ["-L lists the brokers"],
  "records": ["keys and headers", "-Z sends a null value"],
  "codec none": [
    "-P creates the topic and sends 5,000 lines of a file",
    "-C from the beginning prints them in order, once",
  ],
  "codec gzip": ["-z gzip"],
  "codec snappy": ["-z snappy"],
  "codec lz4": ["-z lz4"],
  "codec zstd": ["-z zstd"],
  "1 MB record": ["a record of 1 MB"],
  "seek": ["-o -10 prints the last ten", "-o 2500 -c 3 prints three from there"],
  "offsets by timestamp": ["-Q finds the end offset", "-Q finds the offset of a time"],
  "group classic": ["-G consumes 1,000 as a group and continues behind them"],
  "admin": [],
  "errors": [
    "an unknown topic is an error",
    "a partition that is not there is an error",
    "a bad name is an error",
    "an offset out of range is an error",
    "a record that is too large is an error",
  ],
  "group consumer": [],
};

/** Keeps what the suite found; `passed` says so of each of its checks. */
export async function writeKcatResult(passed: ReadonlyMap<string, boolean>): Promise<void> {
  const checks: Record<string, boolean | null> = {};
  for (const [name, parts] of Object.entries(STANDS_FOR)) {
    checks[name] = parts.length === 0 ? null : parts.every((each) => passed.get(each) === true);
  }
  const { stdout } = await new Deno.Command("kcat", { args: ["-V"] }).output();
  const said = new TextDecoder().decode(stdout);
  const kcat = /Version (\S+)/.exec(said)?.[1] ?? "unknown";
  const library = /librdkafka (\S+)/.exec(said)?.[1] ?? "unknown";
  await writeResult({ client: "kcat", language: "C", version: `${kcat} (librdkafka ${library})`, checks });
}
