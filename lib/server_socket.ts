/**
 * The server's end of a WebSocket, as routes see it: text out with back-pressure, bounded text in. Who makes one of a request is the
 * listener's matter (`net/http/web_socket.ts`), or the runtime's where that has the port (`env/deno_socket.ts`).
 */

/** Codes of RFC 6455, section 7.4.1. */
export const closeCodes = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  invalidData: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
} as const;

export interface SocketHandlers {
  opened(): void;
  /** A whole message. Null: bytes instead of text. */
  message(text: string | null): void;
  /** It is over, by whomever; called once, also when it never opened. */
  closed(): void;
}

export interface ServerSocket {
  /** To be set at once. */
  handlers: SocketHandlers | null;
  /** Bytes that were given and are not with the system yet. */
  readonly bufferedBytes: number;
  /** Does nothing once it is closing. */
  send(text: string): void;
  /** Resolves when at most so many bytes are left of what was given, or it is closing. */
  drained(bytesMax: number): Promise<void>;
  /** Tells the client why, and ends it. The reason has at most 123 bytes. */
  close(code: number, reason: string): void;
}

export interface SocketOptions {
  /** One of those that the client offers; null for none. */
  readonly protocol: string | null;
  /** Of a message of the client, its fragments together; a longer one ends it with 1009. */
  readonly messageBytesMax: number;
  /** A client that is silent for half of that is pinged, and is gone after all of it. */
  readonly silenceMsMax: number;
}

/** Makes a request a WebSocket. Throws a TypeError for one that cannot become it. */
export type UpgradeWebSocket = (
  request: Request,
  options: SocketOptions,
) => { readonly socket: ServerSocket; readonly response: Response };
