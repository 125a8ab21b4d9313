/**
 * The terminal of a process: standard streams, environment, signals.
 */
import { realEnv } from "../env/real.ts";
import { runCommand, type Terminal } from "./command_line.ts";

const encoder = new TextEncoder();

export function realTerminal(): Terminal {
  return {
    env: realEnv(),
    variable: (name) => Deno.env.get(name),
    writeOut: async (bytes) => {
      for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
    },
    writeError: (line) => {
      const bytes = encoder.encode(`${line}\n`);
      for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
    },
    ...(Deno.stderr.isTerminal() && {
      writeStatus: (line: string) => void Deno.stderr.writeSync(encoder.encode(`\r\x1b[K${line}`)),
    }),
  };
}

/** Runs a command as this process, and ends it with the command's exit code. */
export async function runProcess(
  command: (args: readonly string[], terminal: Terminal) => Promise<number>,
): Promise<never> {
  Deno.exit(await runCommand(command, Deno.args, realTerminal()));
}

/** Aborted by SIGINT or SIGTERM; a second one ends the process at once. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      if (controller.signal.aborted) Deno.exit(130);
      controller.abort();
    });
  }
  return controller.signal;
}
