/**
 * The embedded formats of REST v2: what a key or a value in JSON stands for, chosen by the media type.
 *
 * `application/vnd.kafka.<format>.v2+json` with binary (base64), json, or text; without a format it is binary. Plain
 * `application/json` is accepted too, and is json. Source: Confluent's documentation of API v2; text is Strimzi's.
 */
import { decodeBase64, encodeBase64 } from "../../lib/base64.ts";
import { Problem } from "../problem.ts";
import { mediaTypeOf } from "../request_body.ts";
import { confluentProblem } from "./confluent_error.ts";

export type EmbeddedFormat = "binary" | "json" | "text";

export const V2_TYPE = "application/vnd.kafka.v2+json";

const embedded = /^application\/vnd\.kafka(?:\.(\w+))?(?:\.v2)?\+json$/;

/** The format of a request's records. Throws 415. */
export function requestFormat(request: Request): EmbeddedFormat {
  const mediaType = mediaTypeOf(request);
  if (mediaType === "application/json") return "json";
  const format = formatOf(mediaType);
  if (format !== null) return format;
  throw new Problem(415, {
    detail: `HTTP 415 Unsupported Media Type: send ${typeOf("json")}, ${typeOf("binary")}, ${
      typeOf("text")
    } or application/json`,
  });
}

/** The first format that Accept names; binary when it names none, 406 when it names only others. */
export function acceptedFormat(request: Request, fallback: EmbeddedFormat): EmbeddedFormat {
  const accept = request.headers.get("accept") ?? "*/*";
  let isGeneral = false;
  for (const part of accept.split(",")) {
    const mediaType = (part.split(";")[0] ?? "").trim().toLowerCase();
    if (mediaType === "" || mediaType === "*/*" || mediaType === "application/*" || mediaType === V2_TYPE) {
      isGeneral = true;
    } else if (mediaType === "application/json") return "json";
    else {
      const format = formatOf(mediaType);
      if (format !== null) return format;
    }
  }
  if (isGeneral) return fallback;
  throw confluentProblem(406, "HTTP 406 Not Acceptable");
}

export function typeOf(format: EmbeddedFormat): string {
  return `application/vnd.kafka.${format}.v2+json`;
}

function formatOf(mediaType: string): EmbeddedFormat | null {
  const match = embedded.exec(mediaType);
  if (match === null) return null;
  const format = match[1] === "v2" ? undefined : match[1];
  if (format === undefined) return "binary";
  return format === "binary" || format === "json" || format === "text" ? format : null;
}

const encoder = new TextEncoder();

/** The bytes of a key or a value; null stays null. Throws 422 for what the format cannot hold. */
export function decodeEmbedded(value: unknown, format: EmbeddedFormat): Uint8Array | null {
  if (value === null || value === undefined) return null;
  if (format === "json") return encoder.encode(JSON.stringify(value));
  if (typeof value !== "string") {
    throw confluentProblem(42206, `Keys and values of format ${format} are strings`);
  }
  if (format === "text") {
    if (value.isWellFormed()) return encoder.encode(value);
    throw confluentProblem(42206, "A key or a value of format text has a lone surrogate");
  }
  const bytes = decodeBase64(value);
  if (bytes === null) throw confluentProblem(42206, "A key or a value of format binary is not base64");
  return bytes;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The JSON text of a key or a value. What is not JSON is shown as a string, so that one record does not stop a reader. */
export function encodeEmbedded(bytes: Uint8Array | null, format: EmbeddedFormat): string {
  if (bytes === null) return "null";
  if (format === "binary") return `"${encodeBase64(bytes)}"`;
  const text = utf8.decode(bytes);
  return format === "json" && isJson(text) ? text : JSON.stringify(text);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
