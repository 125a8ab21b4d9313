/** What commands share that ask the server over HTTP: where it is, the key, and the words of its problem documents. */
import { type Terminal, UsageError } from "./command_line.ts";

const DEFAULT_SERVER = "http://127.0.0.1:8080";
/** A server that takes a request but says nothing for that long is given up. */
const SILENCE_MS = 60_000;

/** For the help. */
export const SERVER_OPTION = `the server (KAVKA_SERVER, default ${DEFAULT_SERVER})`;

export interface ServerRequest {
  readonly server?: string | undefined;
  readonly path: string;
  readonly body?: ReadableStream<Uint8Array>;
  /** Milliseconds without an answer. */
  readonly silenceMs?: number;
}

/** The answer, if it is not a problem. Throws `UsageError` with the server's words. */
export async function askServer(terminal: Terminal, request: ServerRequest): Promise<Response> {
  const { server, path, body, silenceMs = SILENCE_MS } = request;
  const base = (server ?? terminal.variable("KAVKA_SERVER") ?? DEFAULT_SERVER).replace(/\/+$/, "");
  if (!/^https?:\/\//.test(base)) throw new UsageError(`"${base}" is no URL: expected http://HOST:PORT`);
  const key = terminal.variable("KAVKA_API_KEY") ?? terminal.variable("KAVKA_ADMIN_KEY");
  const late = new AbortController();
  // An upload takes as long as it takes; the server has its own deadlines for it.
  const cancel = body === undefined ? terminal.env.timer(silenceMs, () => late.abort()) : () => {};
  try {
    const response = await fetch(base + path, {
      method: body === undefined ? "GET" : "POST",
      signal: late.signal,
      headers: {
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { "content-type": "application/octet-stream" }),
      },
      ...(body === undefined ? {} : { body: body as ReadableStream<Uint8Array<ArrayBuffer>> }),
    });
    if (response.ok) return response;
    throw new UsageError(detailOf(await response.text()) ?? `The server answered ${response.status}`);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(
      `Cannot ask ${base}: ${
        late.signal.aborted ? "no answer in time" : causeOf(error)
      }; is it running? Name it with --server URL`,
    );
  } finally {
    cancel();
  }
}

function detailOf(text: string): string | null {
  try {
    const { detail, title } = JSON.parse(text) as { detail?: string; title?: string };
    return detail ?? title ?? null;
  } catch {
    // Somebody else's server.
    return null;
  }
}

function causeOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
