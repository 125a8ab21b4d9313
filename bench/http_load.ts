/**
 * A client as cheap as one can be, so that the server is what is measured: keep-alive connections, one request in flight on each, the same
 * bytes again and again, and of the answer only the length is read.
 */
export interface Load {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** What is sent; for Kafka's protocol with its length in front. */
  readonly request: Uint8Array;
  /** The length of a whole answer, or 0 while it is not known. */
  readonly answerLength: (bytes: Uint8Array) => number;
  /** What an answer must hold. */
  readonly check: (answer: Uint8Array) => boolean;
}

export interface Measured {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export async function load(options: Load): Promise<Measured> {
  const latencies: number[] = [];
  const started = performance.now();
  const endMs = started + options.seconds * 1_000;
  await Promise.all(Array.from({ length: options.connections }, () => connection(options, endMs, latencies)));
  const seconds = (performance.now() - started) / 1_000;
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor((latencies.length - 1) * share)] ?? NaN;
  return {
    requests: latencies.length,
    perSecond: latencies.length / seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  };
}

async function connection(
  { port, request, answerLength, check }: Load,
  endMs: number,
  latencies: number[],
): Promise<void> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay(true);
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const startMs = performance.now();
    if (startMs >= endMs) return;
    for (let at = 0; at < request.length;) at += await conn.write(request.subarray(at));
    let length = 0;
    let expected = 0;
    while (expected === 0 || length < expected) {
      const count = await conn.read(buffer.subarray(length));
      if (count === null) throw new Error("The server closed the connection");
      length += count;
      expected = answerLength(buffer.subarray(0, length));
    }
    if (!check(buffer.subarray(0, length))) {
      throw new Error(new TextDecoder().decode(buffer.subarray(0, Math.min(length, 1_000))));
    }
    latencies.push(performance.now() - startMs);
  }
}

const text = new TextDecoder("latin1");

/** For HTTP answers with a Content-Length. */
export function httpLength(bytes: Uint8Array): number {
  const head = text.decode(bytes);
  const end = head.indexOf("\r\n\r\n");
  if (end === -1) return 0;
  return end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? NaN);
}

export function isHttpOk(answer: Uint8Array): boolean {
  return text.decode(answer.subarray(0, 12)).startsWith("HTTP/1.1 20");
}

export function httpPost(path: string, type: string, body: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  const request = new Uint8Array(head.length + body.length);
  request.set(head);
  request.set(body, head.length);
  return request;
}

/** For frames of Kafka's protocol. */
export function frameLength(bytes: Uint8Array): number {
  if (bytes.length < 4) return 0;
  return 4 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(0);
}
