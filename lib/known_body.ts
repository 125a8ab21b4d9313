/**
 * What an answer's body is, told beside the `Response` that holds it: whoever writes the answer to a socket need not make a stream
 * of a text and read it again.
 */
const knownBody: unique symbol = Symbol("knownBody");

interface Known {
  [knownBody]?: string | Uint8Array<ArrayBuffer>;
}

/** `new Response` with a body that is known. */
export function knownResponse(body: string | Uint8Array<ArrayBuffer>, init: ResponseInit): Response {
  const response = new Response(body, init);
  (response as Known)[knownBody] = body;
  return response;
}

/** The body of a response that `knownResponse` made; undefined for another. */
export function bodyOf(response: Response): string | Uint8Array<ArrayBuffer> | undefined {
  return (response as Known)[knownBody];
}
