/**
 * A live tail over a WebSocket: the events as text messages, and from the client nothing but `{"type":"pause"}` and
 * `{"type":"resume"}`, for a page that cannot keep up: a browser takes in what the network brings, whatever the page does.
 *
 * A page is read when most of the one before has left. What a client must not send ends the connection with RFC 6455's codes.
 */
import { limits } from "../../core/config/limits.ts";
import type { Env } from "../../lib/env.ts";
import { messageText } from "./live_event.ts";
import type { LiveTail, TailEnd } from "./live_tail.ts";
import type { Seat } from "./live_tails.ts";

/** Between looks at whether a socket has sent what it was given. */
const LOOK_MS_MIN = 5;
const LOOK_MS_MAX = 250;
const RATE_WINDOW_MS = 1_000;

const GOING_AWAY = 1001;
const UNSUPPORTED_DATA = 1003;
const POLICY_VIOLATION = 1008;
const MESSAGE_TOO_BIG = 1009;
const INTERNAL_ERROR = 1011;

const endings: Readonly<Record<Exclude<TailEnd, "left">, readonly [code: number, reason: string]>> = {
  stopping: [GOING_AWAY, "The server is stopping"],
  topicsGone: [1000, "No topic is left to read"],
  keyInvalid: [POLICY_VIOLATION, "The key is not valid any more"],
  failed: [INTERNAL_ERROR, "Reading failed: come again with the newest id"],
};

export interface LiveSocketOptions {
  readonly env: Env;
  readonly tail: LiveTail;
  readonly seat: Seat;
}

/** Serves the socket until it is closed, by whomever. */
export function liveSocket(socket: WebSocket, { env, tail, seat }: LiveSocketOptions): void {
  let isPaused = false;
  let onResume: (() => void) | null = null;
  let windowMs = env.mono();
  let messageCount = 0;

  function setPaused(value: boolean): void {
    isPaused = value;
    if (!isPaused) onResume?.();
  }

  /** What is wrong with a message, as it is told; null for what was done. */
  function take(data: unknown): readonly [code: number, reason: string] | null {
    if (typeof data !== "string") return [UNSUPPORTED_DATA, "Messages are text"];
    if (data.length > limits.liveMessageLengthMax) {
      return [MESSAGE_TOO_BIG, `A message has at most ${limits.liveMessageLengthMax} characters`];
    }
    const nowMs = env.mono();
    if (nowMs - windowMs >= RATE_WINDOW_MS) [windowMs, messageCount] = [nowMs, 0];
    if (++messageCount > limits.liveMessagesPerSecondMax) return [POLICY_VIOLATION, "Too many messages"];
    switch (typeOf(data)) {
      case "pause":
        setPaused(true);
        return null;
      case "resume":
        setPaused(false);
        return null;
      default:
        return [POLICY_VIOLATION, 'Expected {"type":"pause"} or {"type":"resume"}'];
    }
  }

  /** Until the client wants more, has taken what it was given, or is gone. */
  async function room(): Promise<void> {
    if (isPaused) await new Promise<void>((resolve) => onResume = resolve);
    onResume = null;
    for (
      let waitMs = LOOK_MS_MIN;
      socket.bufferedAmount > limits.liveSocketBufferBytesMax && tail.ended === null;
      waitMs = Math.min(waitMs * 2, LOOK_MS_MAX)
    ) await new Promise<void>((resolve) => env.timer(waitMs, resolve));
  }

  async function send(): Promise<void> {
    socket.send(messageText(tail.position));
    while (true) {
      const events = await tail.next();
      if (events === null) break;
      for (const event of events) {
        if (isPaused || socket.bufferedAmount > limits.liveSocketBufferBytesMax) await room();
        // What was read and is not sent is read again by whoever comes with the newest id that it has.
        if (tail.ended !== null) break;
        socket.send(messageText(event));
      }
    }
    if (tail.ended !== null && tail.ended !== "left") socket.close(...endings[tail.ended]);
  }

  tail.onEnd = () => setPaused(false);
  socket.onopen = () => void send();
  socket.onmessage = ({ data }) => {
    if (tail.ended !== null) return;
    const fault = take(data);
    if (fault === null) return;
    tail.end("left");
    socket.close(...fault);
  };
  // Of an open socket it is followed by `close`; one whose client left during the handshake is never closed.
  socket.onerror = () => {
    if (socket.readyState === WebSocket.CONNECTING) seat.leave();
  };
  socket.onclose = () => seat.leave();
}

/** `type` of a message that has nothing else; null for everything else. */
function typeOf(text: string): unknown {
  try {
    const message: unknown = JSON.parse(text);
    if (typeof message !== "object" || message === null || Object.keys(message).length !== 1) return null;
    return (message as { type?: unknown }).type;
  } catch {
    // No JSON is one more thing that it must not send.
    return null;
  }
}
