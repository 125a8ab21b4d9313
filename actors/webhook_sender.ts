/**
 * Sends a subscription's wake to its webhook: a signed POST, at most so long, without following redirects. The boundary to other
 * people's servers: whatever they do, the outcome is one of three.
 *
 * Signature: `Webhook-Signature: t=<seconds>,kid=<key>,ed25519=<base64url>` over `<seconds>.<body>`. Source: PROTOCOL.md §7.1, §6.5.
 */
import type { StreamLink } from "../core/stream/subscription.ts";
import { formatStreamOffset } from "../core/stream/stream_offset.ts";
import type { Env } from "../lib/env.ts";
import type { WakeView, WebhookAnswered } from "./messages/subscription.ts";

/** What is read of an answer; the rest does not matter. */
const ANSWER_BYTES_MAX = 65_536;
const SEND_MS_MAX = 30_000;

export interface WebhookSenderOptions {
  readonly env: Env;
  /** The private key as a JWK (OKP, Ed25519). */
  readonly key: JsonWebKey;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

/** A new key to sign with. */
export async function generateSigningKey(): Promise<JsonWebKey> {
  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]) as CryptoKeyPair;
  return await crypto.subtle.exportKey("jwk", pair.privateKey);
}

export class WebhookSender {
  readonly publicKey: { readonly kid: string; readonly x: string };
  readonly #options: WebhookSenderOptions;
  readonly #key: CryptoKey;

  private constructor(options: WebhookSenderOptions, key: CryptoKey, kid: string) {
    this.#options = options;
    this.#key = key;
    this.publicKey = { kid, x: options.key.x ?? "" };
  }

  static async open(options: WebhookSenderOptions): Promise<WebhookSender> {
    const { kty = "", crv = "", x = "", d = "" } = options.key;
    const key = await crypto.subtle.importKey("jwk", { kty, crv, x, d }, "Ed25519", false, ["sign"]);
    // The key's thumbprint (RFC 7638): the same key has the same name everywhere.
    const thumbprint = await crypto.subtle.digest(
      "SHA-256",
      new TextEncoder().encode(JSON.stringify({ crv, kty, x })),
    );
    return new WebhookSender(options, key, `ds_${base64Url(new Uint8Array(thumbprint))}`);
  }

  /** Never rejects. */
  async send(view: WakeView, stopped: AbortSignal): Promise<WebhookAnswered["outcome"]> {
    const { env, fetch } = this.#options;
    const late = new AbortController();
    const cancel = env.timer(SEND_MS_MAX, () => late.abort());
    try {
      const body = JSON.stringify(wakeBody(view));
      const response = await fetch(view.subscription.config.webhookUrl ?? "", {
        method: "POST",
        headers: { "content-type": "application/json", "webhook-signature": await this.#sign(body) },
        body,
        redirect: "manual",
        signal: AbortSignal.any([late.signal, stopped]),
      });
      const text = await readSome(response);
      if (!response.ok) return "failed";
      return saysDone(text) ? "done" : "accepted";
    } catch {
      // Not reached, broken off, too late: all the same to the subscription.
      return "failed";
    } finally {
      cancel();
    }
  }

  async #sign(body: string): Promise<string> {
    const seconds = Math.floor(this.#options.env.now() / 1_000);
    const bytes = new TextEncoder().encode(`${seconds}.${body}`);
    const signature = await crypto.subtle.sign("Ed25519", this.#key, bytes);
    return `t=${seconds},kid=${this.publicKey.kid},ed25519=${base64Url(new Uint8Array(signature))}`;
  }
}

function wakeBody({ subscription, wake, links }: WakeView) {
  const { id, generation, streamRoot } = subscription;
  return {
    subscription_id: id,
    wake_id: wake.wakeId,
    generation,
    streams: describeWokenStreams(wake.tails, links),
    callback_url: `${streamRoot}__ds/subscriptions/${encodeURIComponent(id)}/callback`,
    callback_token: wake.token,
  };
}

/** The streams with work as workers see them. */
export function describeWokenStreams(
  tails: Readonly<Record<string, number>>,
  links: ReadonlyMap<string, StreamLink>,
) {
  return Object.entries(tails).map(([path, tail]) => {
    const link = links.get(path);
    const ackedOffset = link?.ackedOffset ?? 0;
    return {
      path,
      link_type: link?.explicit === true ? "explicit" : "glob",
      acked_offset: formatStreamOffset(ackedOffset),
      tail_offset: formatStreamOffset(tail),
      has_pending: tail > ackedOffset,
    };
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

function saysDone(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && (value as { done?: unknown }).done === true;
  } catch {
    return false;
  }
}

function base64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
