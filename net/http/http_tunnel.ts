/** Carries the bytes of one connection to another and back, and knows nothing of them. */
import type { Conn } from "../../lib/env.ts";
import { writeAll } from "./http_output.ts";

const BUFFER_BYTES = 16 * 1024;

export interface Tunnel {
  /** What the client sends, which was read from in part. */
  readonly input: Pick<Conn, "read">;
  readonly client: Conn;
  readonly server: Conn;
  /** Goes to the server before anything else. */
  readonly before: Uint8Array;
  /** Called for each piece in either direction. */
  readonly carried: () => void;
}

/** Resolves when `server` has nothing more to say or either side broke. */
export async function tunnel({ input, client, server, before, carried }: Tunnel): Promise<void> {
  void (async () => {
    try {
      await writeAll(server, before);
      const buffer = new Uint8Array(BUFFER_BYTES);
      for (;;) {
        const count = await input.read(buffer).catch(() => "broke" as const);
        // A server that is told of the end still answers what it has; for a client that broke there is no answer.
        if (count === "broke") return server.close();
        if (count === null) return await server.closeWrite?.();
        carried();
        await writeAll(server, buffer.subarray(0, count));
      }
    } catch {
      // The server listens no longer: what it said before is on its way to the client, and its end ends the tunnel.
    }
  })();
  try {
    const buffer = new Uint8Array(BUFFER_BYTES);
    for (let count = await server.read(buffer); count !== null; count = await server.read(buffer)) {
      await writeAll(client, buffer.subarray(0, count));
      carried();
    }
  } catch {
    // One side is gone: there is nobody to tell, and the caller closes both.
  }
}
