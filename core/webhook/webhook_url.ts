/**
 * Where a webhook may go: `https` to public addresses; to private ones, then over `http` too, when the operator allows their range.
 * Pure. Checked when a subscription is made, and again with the resolved addresses at every attempt.
 */
import { type AddressRange, isInRanges, isPublicAddress, parseAddress } from "./address_ranges.ts";

/** Why a webhook must not go there, as far as the URL itself tells, or null. */
export function webhookUrlFault(text: string, allowed: readonly AddressRange[]): string | null {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return "is not a URL";
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return "must be https";
  if (url.username !== "" || url.password !== "") return "must not hold credentials";
  const host = hostOf(url);
  if (parseAddress(host) !== null) return addressesFault(url, [host], allowed);
  if (allowed.length > 0 && (isLocalName(host) || url.protocol === "http:")) return null;
  if (url.protocol === "http:") return "must be https";
  return isLocalName(host) ? "must not lead into a local network" : null;
}

/** Why it must not go to one of the addresses that its host has, or null. */
export function addressesFault(
  { protocol }: Pick<URL, "protocol">,
  addresses: readonly string[],
  allowed: readonly AddressRange[],
): string | null {
  if (addresses.length === 0) return "has a host without an address";
  for (const address of addresses) {
    const bytes = parseAddress(address);
    if (bytes !== null && isInRanges(bytes, allowed)) continue;
    if (bytes === null || !isPublicAddress(bytes)) return "must not lead into a local network";
    if (protocol !== "https:") return "must be https";
  }
  return null;
}

/** The host as it is resolved: without brackets and a final dot. The URL parser has made all forms of IPv4 one. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "").toLowerCase();
}

function isLocalName(host: string): boolean {
  return !host.includes(".") || /(^|\.)(localhost|local|internal|home\.arpa|localdomain)$/.test(host);
}
