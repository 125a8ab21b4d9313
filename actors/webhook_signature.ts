/**
 * The headers that a webhook's request is signed with. Source: Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`, the key being
 * the bytes behind `whsec_`; one signature for each secret that counts, with a space between them.
 */
import { createHmac } from "node:crypto";
import { SECRET_PREFIX, type Webhook, type WebhookBody } from "../core/webhook/webhook.ts";
import { decodeBase64, encodeBase64 } from "../lib/base64.ts";
import type { Env } from "../lib/env.ts";

/** A new secret: 32 bytes, 244 bits of them random. */
export function generateWebhookSecret(env: Pick<Env, "uuid">): string {
  const hex = `${env.uuid()}${env.uuid()}`.replaceAll("-", "");
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return `${SECRET_PREFIX}${encodeBase64(bytes)}`;
}

export function signedHeaders(
  { secret, previousSecret }: Pick<Webhook, "secret" | "previousSecret">,
  messageId: string,
  { contentType, text }: WebhookBody,
  nowMs: number,
): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1_000));
  const secrets = [secret];
  if (previousSecret !== null && nowMs < previousSecret.untilMs) secrets.push(previousSecret.secret);
  return {
    "content-type": contentType,
    "user-agent": "kavka",
    "webhook-id": messageId,
    "webhook-timestamp": timestamp,
    "webhook-signature": secrets.map((each) => signature(each, `${messageId}.${timestamp}.${text}`)).join(
      " ",
    ),
  };
}

function signature(secret: string, text: string): string {
  const key = decodeBase64(secret.slice(SECRET_PREFIX.length)) ?? new Uint8Array();
  return `v1,${createHmac("sha256", key).update(text).digest("base64")}`;
}
