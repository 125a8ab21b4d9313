/** The server's settings about webhooks, as the code needs them. Pure. */
import { type AddressRange, loopbackRanges, parseRanges } from "./address_ranges.ts";

type ConfigReader = (name: string) => string;

/** Private addresses that webhooks may go to: `webhook.allowed.addresses`. */
export function webhookRanges(config: ConfigReader): readonly AddressRange[] {
  return parseRanges(config("webhook.allowed.addresses"));
}

/** The same for webhooks of durable streams, which have a setting of their own for this machine. */
export function streamWebhookRanges(config: ConfigReader): readonly AddressRange[] {
  const isLocalAllowed = config("stream.webhook.local.enable") === "true";
  return [...webhookRanges(config), ...(isLocalAllowed ? loopbackRanges : [])];
}
