/** A terminal that remembers what a command printed. */
import { runCommand, type Terminal } from "../cli/command_line.ts";
import { realEnv } from "../env/real.ts";

export interface CliTerminal extends Terminal {
  /** What was printed since the last call. */
  takeOut(): string;
  /** Lines of standard error since the last call. */
  takeErrors(): string[];
}

export function cliTerminal(bootstrapServers: string): CliTerminal {
  const decoder = new TextDecoder();
  let out = "";
  let errors: string[] = [];
  return {
    env: realEnv(),
    variable: (name) => name === "KAVKA_BOOTSTRAP" ? bootstrapServers : undefined,
    writeOut: (bytes) => {
      out += decoder.decode(bytes);
      return Promise.resolve();
    },
    writeError: (line) => void errors.push(line),
    takeOut: () => {
      const taken = out;
      out = "";
      return taken;
    },
    takeErrors: () => {
      const taken = errors;
      errors = [];
      return taken;
    },
  };
}

type Command = (args: readonly string[], terminal: Terminal) => Promise<number>;

/** Runs a command line, split at spaces; `error` only where something was printed there. */
export async function run(
  command: Command,
  line: string,
  terminal: CliTerminal,
): Promise<{ code: number; out: string; error?: string }> {
  terminal.takeOut();
  terminal.takeErrors();
  const code = await runCommand(command, line.split(" ").filter((word) => word !== ""), terminal);
  const error = terminal.takeErrors().join("\n");
  const out = terminal.takeOut();
  return error === "" ? { code, out } : { code, out, error };
}
