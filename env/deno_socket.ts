/**
 * A WebSocket of Deno's as a `ServerSocket`. Deno keeps the fragments of a message without a bound before it hands them over, takes frames
 * without a mask, and cannot drop a client that takes nothing: this is for where Deno has the port, and the listener of our own
 * does better.
 */
import type { Cancel } from "../lib/env.ts";
import { closeCodes, type ServerSocket, type SocketHandlers } from "../lib/server_socket.ts";

/** Between looks at how much was sent: Deno does not tell. */
const LOOK_MS_MIN = 5;
const LOOK_MS_MAX = 250;

export interface DenoSocketOptions {
  readonly messageBytesMax: number;
  readonly timer: (ms: number, callback: () => void) => Cancel;
}

export class DenoSocket implements ServerSocket {
  handlers: SocketHandlers | null = null;
  readonly #socket: WebSocket;
  readonly #timer: DenoSocketOptions["timer"];
  #isClosed = false;

  constructor(socket: WebSocket, { messageBytesMax, timer }: DenoSocketOptions) {
    this.#socket = socket;
    this.#timer = timer;
    socket.onopen = () => this.handlers?.opened();
    socket.onmessage = ({ data }) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      if (typeof data !== "string") this.handlers?.message(null);
      else if (data.length <= messageBytesMax) this.handlers?.message(data);
      else this.close(closeCodes.messageTooBig, `A message has at most ${messageBytesMax} bytes`);
    };
    socket.onclose = () => this.#closed();
    // Of an open socket it is followed by `close`; one whose client left during the handshake is never closed.
    socket.onerror = () => {
      if (socket.readyState === WebSocket.CONNECTING) this.#closed();
    };
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  async drained(bytesMax: number): Promise<void> {
    for (let waitMs = LOOK_MS_MIN; this.#socket.bufferedAmount > bytesMax; waitMs *= 2) {
      await new Promise<void>((resolve) => this.#timer(Math.min(waitMs, LOOK_MS_MAX), resolve));
    }
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.handlers?.closed();
  }
}
