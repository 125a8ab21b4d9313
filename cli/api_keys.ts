/**
 * `kavka key create|list|revoke`: the keys of the HTTP door, over HTTP. The asking key comes from the environment (KAVKA_API_KEY, else
 * KAVKA_ADMIN_KEY), never from an argument, which others on the machine could see.
 */
import { collect, newCommand, parseOptions, type Terminal, UsageError, utf8 } from "./command_line.ts";

const DEFAULT_SERVER = "http://127.0.0.1:8080";
const DEADLINE_MS = 10_000;
const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

interface KeyOptions {
  readonly server?: string;
  readonly name?: string;
  readonly scope?: string[];
  readonly expiresIn?: string;
  readonly json?: boolean;
}

interface KeyView {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdMs: number;
  readonly expiresMs: number | null;
  readonly key?: string;
}

/** The command. */
export async function apiKeys(args: readonly string[], terminal: Terminal): Promise<number> {
  const [verb, ...rest] = args;
  const command = newCommand("kavka key", "Makes, lists and revokes the keys of the HTTP interface.")
    .argument("[id]", "with revoke: the key's id")
    .option("--server <url>", `the server (KAVKA_SERVER, default ${DEFAULT_SERVER})`)
    .option("--name <name>", "with create: what the key is for")
    .option(
      "--scope <scope>",
      "with create: admin, produce, consume, produce:TOPIC or consume:TOPIC; may be repeated",
      collect,
    )
    .option("--expires-in <time>", "with create: 90s, 15m, 12h or 30d; without it the key never expires")
    .option("--json", "print what the server answers");
  const options = parseOptions<KeyOptions>(command, rest);
  const [id] = command.args;
  switch (verb) {
    case "create":
      return await create(options, terminal);
    case "list":
      return await list(options, terminal);
    case "revoke":
      if (id === undefined) throw new UsageError("Usage: kavka key revoke ID");
      await call(options, terminal, "DELETE", `/${encodeURIComponent(id)}`);
      await terminal.writeOut(utf8(`Revoked ${id}\n`));
      return 0;
    default:
      throw new UsageError("Usage: kavka key create|list|revoke");
  }
}

async function create(options: KeyOptions, terminal: Terminal): Promise<number> {
  const { name, scope, expiresIn } = options;
  if (name === undefined || scope === undefined) {
    throw new UsageError("Usage: kavka key create --name NAME --scope SCOPE [--expires-in TIME]");
  }
  const body = {
    name,
    scopes: scope,
    ...(expiresIn === undefined ? {} : { expiresInMs: durationMs(expiresIn) }),
  };
  const made = await call(options, terminal, "POST", "", body) as KeyView;
  if (options.json === true) await terminal.writeOut(utf8(`${JSON.stringify(made)}\n`));
  else {
    // The key alone on standard output, so that a script can take it.
    terminal.writeError(`Key ${made.id}: ${describe(made)}. It is shown this once:`);
    await terminal.writeOut(utf8(`${made.key}\n`));
  }
  return 0;
}

async function list(options: KeyOptions, terminal: Terminal): Promise<number> {
  const { required, keys } = await call(options, terminal, "GET", "") as {
    required: boolean;
    keys: KeyView[];
  };
  const lines = options.json === true
    ? keys.map((key) => JSON.stringify(key))
    : keys.map((key) => `${key.id}  ${key.name}  ${describe(key)}`);
  await terminal.writeOut(utf8(lines.map((line) => `${line}\n`).join("")));
  if (!required) terminal.writeError("The server does not require keys: see http.api.keys.required");
  return 0;
}

function describe({ scopes, expiresMs }: KeyView): string {
  const end = expiresMs === null ? "never expires" : `expires ${new Date(expiresMs).toISOString()}`;
  return `${scopes.join(" ")}, ${end}`;
}

/** Throws `UsageError`. */
export function durationMs(text: string): number {
  const [, digits, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const factor = unitMs[unit];
  if (digits === undefined || factor === undefined || Number(digits) === 0) {
    throw new UsageError(`"${text}" is no time: expected 90s, 15m, 12h or 30d`);
  }
  return Number(digits) * factor;
}

/** The answer; throws `UsageError` with the server's words. */
async function call(
  { server }: KeyOptions,
  terminal: Terminal,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const base = (server ?? terminal.variable("KAVKA_SERVER") ?? DEFAULT_SERVER).replace(/\/+$/, "");
  if (!/^https?:\/\//.test(base)) throw new UsageError(`"${base}" is no URL: expected http://HOST:PORT`);
  const key = terminal.variable("KAVKA_API_KEY") ?? terminal.variable("KAVKA_ADMIN_KEY");
  const late = new AbortController();
  const cancel = terminal.env.timer(DEADLINE_MS, () => late.abort());
  try {
    const response = await fetch(`${base}/v1/api-keys${path}`, {
      method,
      signal: late.signal,
      headers: {
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new UsageError(detailOf(text) ?? `The server answered ${response.status}`);
    return text === "" ? null : JSON.parse(text);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`Cannot ask ${base}: ${late.signal.aborted ? "no answer in time" : String(error)}`);
  } finally {
    cancel();
  }
}

function detailOf(text: string): string | null {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    return typeof detail === "string" ? detail : null;
  } catch {
    return null;
  }
}
