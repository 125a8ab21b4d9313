/**
 * A live tail over a WebSocket: the events as text messages, and from the client nothing but `{"type":"pause"}` and
 * `{"type":"resume"}`, for a page that cannot keep up: a browser takes in what the network brings, whatever the page does.
 *
 * A page is read when most of the one before has left. What a client must not send ends the connection with RFC 6455's codes.
 */
import type { Broker } from "../../actors/broker.ts";
import { limits } from "../../core/config/limits.ts";
import type { QuotaClient } from "../../core/quota/client_quotas.ts";
import { closeCodes, type ServerSocket } from "../../lib/server_socket.ts";
import { messageText } from "./live_event.ts";
import type { LiveTail, TailEnd } from "./live_tail.ts";
import type { Seat } from "./live_tails.ts";

const RATE_WINDOW_MS = 1_000;

const endings: Readonly<Record<Exclude<TailEnd, "left">, readonly [code: number, reason: string]>> = {
  stopping: [closeCodes.goingAway, "The server is stopping"],
  topicsGone: [closeCodes.normal, "No topic is left to read"],
  keyInvalid: [closeCodes.policyViolation, "The key is not valid any more"],
  failed: [closeCodes.internalError, "Reading failed: come again with the newest id"],
};

export interface LiveSocketOptions {
  readonly broker: Broker;
  /** For whom its bytes count. */
  readonly client: QuotaClient;
  readonly tail: LiveTail;
  readonly seat: Seat;
}

/** Serves the socket until it is closed, by whomever. */
export function liveSocket(socket: ServerSocket, { broker, client, tail, seat }: LiveSocketOptions): void {
  const { env, quotas } = broker;
  let isPaused = false;
  /** Of whoever waits for the client to resume, or for its quota. */
  let wake: (() => void) | null = null;
  let windowMs = env.mono();
  let messageCount = 0;

  /** What is wrong with a message, as it is told; null for what was done. */
  function take(text: string | null): readonly [code: number, reason: string] | null {
    if (text === null) return [closeCodes.unsupportedData, "Messages are text"];
    const nowMs = env.mono();
    if (nowMs - windowMs >= RATE_WINDOW_MS) [windowMs, messageCount] = [nowMs, 0];
    if (++messageCount > limits.liveMessagesPerSecondMax) {
      return [closeCodes.policyViolation, "Too many messages"];
    }
    switch (typeOf(text)) {
      case "pause":
        isPaused = true;
        return null;
      case "resume":
        isPaused = false;
        wake?.();
        return null;
      default:
        return [closeCodes.policyViolation, 'Expected {"type":"pause"} or {"type":"resume"}'];
    }
  }

  /** Until the client wants more, and has taken most of what it was given. */
  async function room(): Promise<void> {
    while (isPaused && tail.ended === null) await new Promise<void>((resolve) => wake = resolve);
    await socket.drained(limits.liveSocketBufferBytesMax);
  }

  /** As fast as the client's quota lets it, as all that is read over HTTP. */
  async function hold(bytes: number): Promise<void> {
    const throttleMs = quotas.isEmpty ? 0 : quotas.record("consumer_byte_rate", client, bytes, env.mono());
    if (throttleMs <= 0 || tail.ended !== null) return;
    const untilMs = env.mono() + Math.min(throttleMs, limits.throttledStreamMsMax);
    while (tail.ended === null && env.mono() < untilMs) {
      await new Promise<void>((resolve) => {
        const cancel = env.timer(untilMs - env.mono(), resolve);
        wake = () => {
          cancel();
          resolve();
        };
      });
    }
  }

  async function send(): Promise<void> {
    socket.send(messageText(tail.position));
    while (true) {
      const events = await tail.next();
      if (events === null) break;
      let bytes = 0;
      for (const event of events) {
        if (isPaused || socket.bufferedBytes > limits.liveSocketBufferBytesMax) await room();
        // What was read and is not sent is read again by whoever comes with the newest id that it has.
        if (tail.ended !== null) break;
        const text = messageText(event);
        bytes += text.length;
        socket.send(text);
      }
      await hold(bytes);
    }
    if (tail.ended !== null && tail.ended !== "left") socket.close(...endings[tail.ended]);
  }

  tail.onEnd = () => wake?.();
  socket.handlers = {
    opened: () => void send(),
    message(text) {
      if (tail.ended !== null) return;
      const fault = take(text);
      if (fault === null) return;
      tail.end("left");
      socket.close(...fault);
    },
    closed: () => seat.leave(),
  };
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
