/**
 * Answers to HEAD: those to GET without the body, with the length that it would have where that is known. Source: RFC 9110 §8.6, §9.3.2.
 */
import { bodyOf } from "../lib/known_body.ts";

const encoder = new TextEncoder();

/** The head of an answer. Of a body that flows there is no length, and none is told; nothing of it is made. */
export function headOf(response: Response): Response {
  const { status, headers } = response;
  const body = bodyOf(response);
  if (body !== undefined) {
    const length = typeof body === "string" ? encoder.encode(body).byteLength : body.byteLength;
    const known = new Response(null, { status, headers });
    known.headers.set("content-length", String(length));
    return known;
  }
  if (status === 204 || status === 304) return response;
  response.body?.cancel().catch(() => {
    // It broke before it began.
  });
  // For no body at all the server would tell a length of 0.
  return new Response(new ReadableStream({ start: (controller) => controller.close() }), { status, headers });
}
