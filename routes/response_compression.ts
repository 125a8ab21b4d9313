/**
 * Compresses answers with zstd or gzip for clients that take it. Left alone are small answers, streams (which must flow), and
 * those with an ETag: a strong one names exact bytes, and those answers are for caches that compress themselves.
 */
import { bodyOf, knownResponse } from "../lib/known_body.ts";
import { compress } from "../protocol/records/compression.ts";

/** Below this the headers cost more than is saved. */
const BYTES_MIN = 1_024;
/** gzip takes 10 ms a megabyte: larger answers go without, so that others do not wait. zstd is five times faster. */
const GZIP_BYTES_MAX = 4 * 1024 * 1024;

const compressibleType =
  /^(application\/([\w.-]+\+)?json|application\/openmetrics-text|text\/(plain|html|csv))\b/;

/** The answer as it goes out. Takes what `Accept-Encoding` says; resolves at once when there is nothing to do. */
export function compressResponse(request: Request, response: Response): Response | Promise<Response> {
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (!isRead || response.status !== 200) return response;
  if (bodyOf(response) === undefined && response.body === null) return response;
  const { headers } = response;
  if (!compressibleType.test(headers.get("content-type") ?? "")) return response;
  if (headers.has("etag") || headers.has("content-encoding") || headers.has("x-accel-buffering")) {
    return response;
  }
  headers.append("vary", "accept-encoding");
  const encoding = acceptedEncoding(request.headers.get("accept-encoding"));
  return encoding === null ? response : encode(response, encoding);
}

async function encode(response: Response, encoding: "gzip" | "zstd"): Promise<Response> {
  const { status, headers } = response;
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes.length < BYTES_MIN || (encoding === "gzip" && bytes.length > GZIP_BYTES_MAX)) {
    return knownResponse(bytes, { status, headers });
  }
  headers.set("content-encoding", encoding);
  return knownResponse(new Uint8Array(compress(encoding, bytes)), { status, headers });
}

/** The better one of what is accepted; null for neither. Weights count only where they are 0. */
export function acceptedEncoding(accept: string | null): "gzip" | "zstd" | null {
  if (accept === null) return null;
  const accepted = new Set<string>();
  for (const part of accept.toLowerCase().split(",", 32)) {
    const [name = "", ...parameters] = part.split(";").map((text) => text.trim());
    if (!parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))) accepted.add(name);
  }
  return accepted.has("zstd") ? "zstd" : accepted.has("gzip") ? "gzip" : null;
}
