/** Carries the bytes of one connection to another and back, and knows nothing of them. */
import type { Conn } from "../../lib/env.ts";
import { writeAll } from "./http_output.ts";

const BUFFER_BYTES = 16 * 1024;

/** Resolves when `server` has nothing more to say or either side broke; `first` goes to it before anything else. */
export async function tunnel(client: Conn, server: Conn, first: Uint8Array): Promise<void> {
  try {
    await writeAll(server, first);
    const there = carry(client, server).then(() => server.closeWrite?.());
    // A server that is told of the end still answers what it has; one that broke ends both ways.
    there.catch(() => server.close());
    await carry(server, client);
  } catch {
    // One side is gone: there is nobody to tell, and the caller closes both.
  }
}

async function carry(from: Conn, to: Conn): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    await writeAll(to, buffer.subarray(0, count));
  }
}
