/**
 * Runs child processes for the tasks, and adds up what they report.
 *
 * Tasks must work where `deno` is not on PATH (`npx -y deno task test`), so children are started through
 * `Deno.execPath()`. Every child has a deadline and is ended by its own handle.
 */

/** Passed and failed checks; the last line of every test task is made from one. */
export interface Tally {
  passed: number;
  failed: number;
}

/** What a finished child left behind. */
export interface Finished {
  readonly code: number;
  /** Standard output and standard error, in the order of arrival, without colours. */
  readonly text: string;
}

/** Options of `runDeno`: the deadline in milliseconds, and whether the output is also shown. */
export interface RunOptions {
  readonly deadlineMs: number;
  readonly quiet?: boolean;
  readonly env?: Record<string, string>;
}

/** The repository's root, with a slash at its end. */
export const ROOT: string = decodeURIComponent(new URL("..", import.meta.url).pathname);

/** Runs this same Deno with `args` at the repository's root. A missed deadline is exit code 124. */
export async function runDeno(args: readonly string[], options: RunOptions): Promise<Finished> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { ...(Deno.stdout.isTerminal() ? { FORCE_COLOR: "1" } : {}), ...options.env },
  }).spawn();
  let text = "";
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, options.deadlineMs);
  async function collect(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    sink: { writeSync(b: Uint8Array): number },
  ) {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      if (options.quiet !== true) writeAll(sink, chunk);
      text += decoder.decode(chunk, { stream: true });
    }
  }
  await Promise.all([collect(child.stdout, Deno.stdout), collect(child.stderr, Deno.stderr)]);
  const status = await child.status;
  clearTimeout(deadline);
  if (late) text += `\nstopped: not finished after ${options.deadlineMs} ms\n`;
  return { code: late ? 124 : status.code, text: withoutColours(text) };
}

/** Prints the one line that every test task ends with, and returns the exit code that goes with it. */
export function report(tally: Tally): number {
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed === 0 && tally.passed > 0 ? 0 : 1;
}

function writeAll(sink: { writeSync(b: Uint8Array): number }, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += sink.writeSync(bytes.subarray(at));
}

function withoutColours(text: string): string {
  // deno-lint-ignore no-control-regex -- the escape character is what begins a colour.
  return text.replace(/\x1b\[[0-9;]*m/g, "");
}
