/**
 * One POST to somebody else's server: the boundary to the world outside. The name is resolved anew at every attempt and every one of its
 * addresses must be allowed; redirects are not followed; the answer is read as far as it can matter; there is a deadline.
 */
import { type AddressRange, parseAddress } from "../core/webhook/address_ranges.ts";
import { addressesFault, hostOf, webhookUrlFault } from "../core/webhook/webhook_url.ts";
import { type Env, UnreachableError } from "../lib/env.ts";

/** What is read of an answer; the rest does not matter. */
const ANSWER_BYTES_MAX = 65_536;
/** When a webhook is made, so that the answer does not wait for a slow name server. */
const LOOK_UP_MS_MAX = 2_000;
const REASON_LENGTH_MAX = 200;
/** A longer Retry-After is taken for this. */
const RETRY_AFTER_MS_MAX = 3_600_000;

export interface WebhookPost {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly timeoutMs: number;
  /** Private addresses that it may go to. */
  readonly allowed: readonly AddressRange[];
}

export type PostOutcome =
  | {
    readonly type: "answered";
    readonly status: number;
    /** Null: the answer does not say. */
    readonly retryAfterMs: number | null;
    readonly text: string;
  }
  /** Not reached, broken off, too late. */
  | { readonly type: "failed"; readonly reason: string }
  /** Nothing was sent: it must not go there. */
  | { readonly type: "refused"; readonly reason: string };

/** Never rejects. After `stopped` the outcome is `failed`, whatever came of it. */
export async function postWebhook(env: Env, post: WebhookPost, stopped: AbortSignal): Promise<PostOutcome> {
  const late = new AbortController();
  const cancel = env.timer(post.timeoutMs, () => late.abort());
  const signal = AbortSignal.any([late.signal, stopped]);
  try {
    const fault = webhookUrlFault(post.url, post.allowed);
    if (fault !== null) return { type: "refused", reason: `The URL ${fault}` };
    const url = new URL(post.url);
    const addresses = await unlessAborted(resolve(env, hostOf(url)), signal);
    const addressFault = addressesFault(url, addresses, post.allowed);
    if (addressFault !== null) return { type: "refused", reason: `The URL ${addressFault}` };
    const response = await env.fetch(post.url, {
      method: "POST",
      headers: post.headers,
      body: post.body,
      signal,
      addresses,
    });
    const { status } = response;
    const text = await readSome(response);
    return { type: "answered", status, retryAfterMs: retryAfterMs(response, env.now()), text };
  } catch (error) {
    const reason = late.signal.aborted ? `no answer within ${post.timeoutMs} ms` : reasonOf(error);
    return { type: "failed", reason };
  } finally {
    cancel();
  }
}

/** Why a webhook must not go there, with the name resolved when that is quick; null also when it is not known. */
export async function webhookTargetFault(
  env: Env,
  text: string,
  allowed: readonly AddressRange[],
): Promise<string | null> {
  const fault = webhookUrlFault(text, allowed);
  if (fault !== null) return fault;
  const url = new URL(text);
  const late = new AbortController();
  const cancel = env.timer(LOOK_UP_MS_MAX, () => late.abort());
  try {
    return addressesFault(url, await unlessAborted(resolve(env, hostOf(url)), late.signal), allowed);
  } catch {
    // Every attempt looks again.
    return null;
  } finally {
    cancel();
  }
}

async function resolve(env: Env, host: string): Promise<readonly string[]> {
  return parseAddress(host) === null ? await env.resolve(host) : [host];
}

/** Resolving cannot be called off. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((settle, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(settle, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

async function readSome(response: Response): Promise<string> {
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > ANSWER_BYTES_MAX) break;
  }
  return text;
}

/** Source: RFC 9110, 10.2.3: seconds, or a date. */
function retryAfterMs({ headers }: Response, nowMs: number): number | null {
  const text = headers.get("retry-after")?.trim() ?? "";
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? null : Math.min(Math.max(0, ms), RETRY_AFTER_MS_MAX);
}

/** In a few words, without the URL, which may hold a secret. */
function reasonOf(error: unknown): string {
  if (error instanceof UnreachableError) return error.message.slice(0, REASON_LENGTH_MAX);
  return /ENOTFOUND|EAI_AGAIN/.test(String(error))
    ? "cannot be reached: the name has no address"
    : "cannot be reached: broken off";
}
