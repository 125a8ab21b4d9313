/**
 * Requests that ask for a WebSocket instead of an answer: told from others, and refused as HTTP as long as there is no WebSocket yet.
 *
 * Source: RFC 6455, section 4.2.
 */
import { Problem } from "../problem.ts";

const VERSION = "13";
/** What a client offers beside its key, see `access.ts`, so that the server has something to choose. */
export const LIVE_PROTOCOL = "kavka.live";

export function wantsWebSocket({ headers }: Request): boolean {
  return tokensOf(headers.get("upgrade")).includes("websocket");
}

/** Throws the problem of a handshake that is not one. */
export function checkHandshake({ headers }: Request): void {
  if (headers.get("sec-websocket-version") !== VERSION) {
    throw new Problem(426, {
      detail: `Sec-WebSocket-Version is not ${VERSION}`,
      headers: { "sec-websocket-version": VERSION, upgrade: "websocket" },
    });
  }
  if (!tokensOf(headers.get("connection")).includes("upgrade")) {
    throw new Problem(400, { detail: "Connection does not say Upgrade" });
  }
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers.get("sec-websocket-key") ?? "")) {
    throw new Problem(400, { detail: "Sec-WebSocket-Key is not 16 bytes as base64" });
  }
}

/** The protocol to answer with; null when ours is not offered. */
export function chosenProtocol({ headers }: Request): string | null {
  return tokensOf(headers.get("sec-websocket-protocol")).includes(LIVE_PROTOCOL) ? LIVE_PROTOCOL : null;
}

function tokensOf(header: string | null): string[] {
  return (header ?? "").split(",").map((token) => token.trim().toLowerCase());
}
