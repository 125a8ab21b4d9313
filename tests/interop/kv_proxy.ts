/**
 * A TCP proxy in front of a denokv server that delays replies, loses them, and can be switched off. It reads no more of HTTP/2
 * than the heads of frames, to tell a reply from the noise of the protocol.
 */
const FRAME_HEAD_BYTES = 9;
const HEADERS_FRAME = 1;

export class KvProxy {
  readonly port: number;
  /** Milliseconds that what the server sends waits; asked for each piece. */
  delayMs: () => number = () => 0;
  /** Whether the reply that begins now is lost, together with the connection. */
  losesReply: () => boolean = () => false;
  /** Replies lost so far. */
  lostCount = 0;
  readonly #listener: Deno.TcpListener;
  readonly #target: number;
  readonly #open = new Set<Deno.Conn>();

  constructor(target: number) {
    this.#target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    void this.#accept();
  }

  close(): void {
    this.#listener.close();
    for (const conn of this.#open) closeQuietly(conn);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      let server: Deno.Conn;
      try {
        server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
      } catch {
        closeQuietly(client);
        continue;
      }
      this.#open.add(client).add(server);
      const over = () => undefined; // whichever side broke, both are closed
      void this.#forward(client, server).catch(over).finally(() => {
        for (const conn of [client, server]) {
          closeQuietly(conn);
          this.#open.delete(conn);
        }
      });
    }
  }

  async #forward(client: Deno.Conn, server: Deno.Conn): Promise<void> {
    await Promise.race([copy(client, server), this.#replies(server, client)]);
  }

  async #replies(server: Deno.Conn, client: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    /** Bytes of the frame in hand that are still to come, and the head of the next as far as it is there. */
    let left = 0;
    let head: number[] = [];
    for (let count = await server.read(buffer); count !== null; count = await server.read(buffer)) {
      for (let at = 0; at < count;) {
        const skipped = Math.min(left, count - at);
        left -= skipped;
        at += skipped;
        if (at >= count) break;
        head.push(buffer[at++] as number);
        if (head.length < FRAME_HEAD_BYTES) continue;
        const [a = 0, b = 0, c = 0, type] = head;
        left = a << 16 | b << 8 | c;
        head = [];
        if (type === HEADERS_FRAME && this.losesReply()) {
          this.lostCount++;
          return;
        }
      }
      const ms = this.delayMs();
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
      await writeAll(client, buffer.subarray(0, count));
    }
  }
}

async function copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    await writeAll(to, buffer.subarray(0, count));
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

function closeQuietly(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // The other side was faster.
  }
}
