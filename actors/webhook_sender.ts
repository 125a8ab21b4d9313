/**
 * Sends a stream subscription's wake to its webhook, signed (`webhook_post.ts` is how). Whatever the other server does, the outcome is one
 * of three.
 *
 * Signature: `Webhook-Signature: t=<seconds>,kid=<key>,ed25519=<base64url>` over `<seconds>.<body>`. Source: PROTOCOL.md §7.1, §6.5.
 */
import type { StreamLink } from "../core/stream/subscription.ts";
import { formatStreamOffset } from "../core/stream/stream_offset.ts";
import type { AddressRange } from "../core/webhook/address_ranges.ts";
import type { Env } from "../lib/env.ts";
import type { WakeView, WebhookAnswered } from "./messages/subscription.ts";
import { postWebhook } from "./webhook_post.ts";

const SEND_MS_MAX = 30_000;

export interface WebhookSenderOptions {
  readonly env: Env;
  /** The private key as a JWK (OKP, Ed25519). */
  readonly key: JsonWebKey;
  /** Private addresses that webhooks may go to, as configured at the moment. */
  readonly allowed: () => readonly AddressRange[];
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
    const { env, allowed } = this.#options;
    const body = JSON.stringify(wakeBody(view));
    const outcome = await postWebhook(env, {
      url: view.subscription.config.webhookUrl ?? "",
      headers: { "content-type": "application/json", "webhook-signature": await this.#sign(body) },
      body,
      timeoutMs: SEND_MS_MAX,
      allowed: allowed(),
    }, stopped);
    // Not reached, broken off, too late, not allowed: all the same to the subscription.
    if (outcome.type !== "answered" || outcome.status < 200 || outcome.status > 299) return "failed";
    return saysDone(outcome.text) ? "done" : "accepted";
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
