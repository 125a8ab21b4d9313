/** Requests in the form in which our own listener hands them to the routes, so that tests without a socket see what clients see. */
import type { PlainMethod } from "../lib/http_head.ts";
import { asRequest } from "../net/http/plain_request.ts";

const plainMethods: ReadonlySet<string> = new Set(["GET", "POST", "PUT", "PATCH", "DELETE"]);

/**
 * As `new Request`, which tidies up the URL unless it is to stay as a client wrote it; a real one for what the listener leaves to Deno's
 * server: other methods, bodies of unknown length.
 */
export async function plainForm(
  url: string,
  init: RequestInit = {},
  { isAsWritten = false } = {},
): Promise<Request> {
  const real = new Request(url, init);
  if (!plainMethods.has(real.method) || init.body instanceof ReadableStream) return real;
  const headers = new Headers(real.headers);
  headers.set("host", new URL(url).host);
  const hasBody = init.body !== undefined && init.body !== null;
  let left = hasBody ? await real.bytes() : new Uint8Array(0);
  if (hasBody && !headers.has("content-length")) headers.set("content-length", String(left.byteLength));
  const length = headers.get("content-length");
  const rest = () => {
    const bytes = left;
    left = new Uint8Array(0);
    return Promise.resolve(bytes);
  };
  return asRequest({
    method: real.method as PlainMethod,
    url: isAsWritten ? url : real.url,
    names: [...headers.keys()],
    values: [...headers.values()],
    bodyBytes: length === null ? null : Number(length),
    keepsAlive: true,
    isWebSocket: false,
  }, {
    bodyBytes: rest,
    bodyChunk: async () => left.byteLength === 0 ? null : await rest(),
    whenGone(callback) {
      if (real.signal.aborted) callback();
      else real.signal.addEventListener("abort", callback, { once: true });
    },
  });
}
