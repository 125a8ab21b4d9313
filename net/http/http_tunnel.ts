/** Carries the bytes of one connection to another and back, and knows nothing of them. */
import type { Conn } from "../../lib/env.ts";
import { writeAll } from "./http_output.ts";

const BUFFER_BYTES = 16 * 1024;

export interface Tunnel {
  /** What the client sends, which was read from in part. */
  readonly input: Pick<Conn, "read">;
  readonly client: Conn;
  readonly server: Conn;
}

/** Resolves when `server` has nothing more to say or either side broke. */
export async function tunnel({ input, client, server }: Tunnel): Promise<void> {
  // A server that is told of the end still answers what it has; one that broke ends both ways.
  carry(input, server).then(() => server.closeWrite?.()).catch(() => server.close());
  try {
    await carry(server, client);
  } catch {
    // One side is gone: there is nobody to tell, and the caller closes both.
  }
}

async function carry(from: Pick<Conn, "read">, to: Conn): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    await writeAll(to, buffer.subarray(0, count));
  }
}
