/**
 * Benchmark of the history checker: `deno run -A bench/checker.ts [OPERATIONS] [SEED]`, 1,000,000 operations by default.
 *
 * A child process writes a valid random history to a temporary file, so that its memory does not count; this process reads
 * and judges it as `sim/check.ts` does, and prints operations a second and the peak of its resident memory.
 */

import { check } from "../sim/checker/check.ts";
import { readHistoryStream } from "../sim/check.ts";
import { REFERENCE_HEADER, referenceHistory } from "../sim/checker/reference_log.ts";
import { renderReport } from "../sim/checker/render_report.ts";

/** 16 partitions, 14 clients, polls of up to 50 records. */
async function generate(path: string, operationCount: number, seed: number): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const encoder = new TextEncoder();
  let text = JSON.stringify(REFERENCE_HEADER) + "\n";
  const flush = () => {
    let bytes = encoder.encode(text);
    while (bytes.length > 0) bytes = bytes.subarray(file.writeSync(bytes));
    text = "";
  };
  const options = {
    seed,
    operationCount,
    partitionCount: 16,
    producerCount: 8,
    txnProducerCount: 2,
    consumerCount: 4,
  };
  for (const line of referenceHistory({ ...options, pollRecordsMax: 50 })) {
    text += JSON.stringify(line) + "\n";
    if (text.length > 1 << 20) flush();
  }
  flush();
}

/** Peak resident memory of this process in MB: from the kernel where it tells, else what is resident now. */
function peakMegabytes(): number {
  try {
    const match = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"));
    if (match !== null) return Number(match[1]) / 1024;
  } catch {
    // Not Linux.
  }
  return Deno.memoryUsage().rss / (1 << 20);
}

async function measure(operationCount: number, seed: number): Promise<boolean> {
  const path = await Deno.makeTempFile({ suffix: ".jsonl" });
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        import.meta.filename ?? "",
        "--generate",
        path,
        String(operationCount),
        String(seed),
      ],
      stdout: "inherit",
      stderr: "inherit",
    });
    if (!(await child.output()).success) throw new Error(`Cannot generate history: ${path}`);
    const megabytes = (await Deno.stat(path)).size / (1 << 20);
    const startMs = performance.now();
    const history = await readHistoryStream((await Deno.open(path)).readable);
    const readMs = performance.now() - startMs;
    const report = check(history);
    const totalMs = performance.now() - startMs;
    console.log(renderReport(report));
    console.log(
      `${history.operationCount} operations, ${history.microKind.length} entries, ${
        megabytes.toFixed(0)
      } MB of text`,
    );
    console.log(`read ${(readMs / 1000).toFixed(1)} s, judged ${((totalMs - readMs) / 1000).toFixed(1)} s`);
    console.log(
      `${Math.round(history.operationCount / totalMs * 1000)} operations/s, peak memory ${
        peakMegabytes().toFixed(0)
      } MB`,
    );
    return report.valid;
  } finally {
    await Deno.remove(path);
  }
}

const args = [...Deno.args];
if (args[0] === "--generate") await generate(args[1] ?? "", Number(args[2]), Number(args[3]));
else if (!await measure(Number(args[0] ?? 1_000_000), Number(args[1] ?? 1))) Deno.exit(1);
