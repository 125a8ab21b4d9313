/**
 * Which addresses a webhook may go to: public ones, and private ones that the operator names as ranges. Pure; names are resolved by the
 * caller, at every attempt, and every address of a name must be allowed.
 *
 * Source: IANA's registries of special-purpose addresses (RFC 6890 and its updates). IPv6 is public only inside 2000::/3.
 */

/** Bytes of an address, 4 or 16, and how many of its leading bits count. */
export interface AddressRange {
  readonly bytes: readonly number[];
  readonly prefixLength: number;
}

/** Of one machine: what `stream.webhook.local.enable` allows. */
export const loopbackRanges: readonly AddressRange[] = [
  { bytes: [127, 0, 0, 0], prefixLength: 24 },
  { bytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], prefixLength: 128 },
];

/** Inside 2000::/3, but nobody's public host: Teredo and other protocol assignments, documentation, 6to4. */
const specialIpv6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"].map(rangeOf);
const specialIpv4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
].map(rangeOf);
const globalIpv6 = rangeOf("2000::/3");

/** The bytes of an IPv4 or IPv6 address in its text form; null for anything else, an address with a zone too. */
export function parseAddress(text: string): readonly number[] | null {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** `10.0.0.0/8`, `fd00::/8` or one address; null for what is neither. */
export function parseRange(text: string): AddressRange | null {
  const [, address = "", length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const bytes = parseAddress(address);
  if (bytes === null) return null;
  const prefixLength = length === undefined ? bytes.length * 8 : Number(length);
  return prefixLength <= bytes.length * 8 ? { bytes, prefixLength } : null;
}

/** The ranges of a configuration value: ranges with commas between them, `*` for every address. What is wrong is left out. */
export function parseRanges(text: string): readonly AddressRange[] {
  return text.split(",").map((part) => part.trim()).flatMap((part) =>
    part === "*" ? [rangeOf("0.0.0.0/0"), rangeOf("::/0")] : parseRange(part) ?? []
  );
}

/** What is wrong with such a value, or null. */
export function rangesFault(text: string): string | null {
  const parts = text.split(",").map((part) => part.trim()).filter((part) => part !== "");
  return parts.every((part) => part === "*" || parseRange(part) !== null)
    ? null
    : "expected address ranges as 10.0.0.0/8, or *";
}

export function isInRanges(bytes: readonly number[], ranges: readonly AddressRange[]): boolean {
  return ranges.some((range) => isInRange(bytes, range));
}

/** Whether the address is one of the public internet. */
export function isPublicAddress(bytes: readonly number[]): boolean {
  if (bytes.length === 4) return !isInRanges(bytes, specialIpv4);
  return isInRange(bytes, globalIpv6) && !isInRanges(bytes, specialIpv6);
}

function isInRange(bytes: readonly number[], { bytes: prefix, prefixLength }: AddressRange): boolean {
  if (bytes.length !== prefix.length) return false;
  for (let bit = 0; bit < prefixLength; bit += 8) {
    const mask = 0xff & (0xff << Math.max(0, 8 - (prefixLength - bit)));
    if ((((bytes[bit / 8] ?? 0) ^ (prefix[bit / 8] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

function parseIpv4(text: string): readonly number[] | null {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  return parts !== undefined && parts.every((part) => part <= 255) ? parts : null;
}

function parseIpv6(text: string): readonly number[] | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half) => groupsOf(half));
  if (head === null || head === undefined || tail === null) return null;
  if (tail === undefined) return head.length === 16 ? head : null;
  const zeros = 16 - head.length - tail.length;
  return zeros >= 2 ? [...head, ...new Array<number>(zeros).fill(0), ...tail] : null;
}

/** The bytes of groups with colons between them, the last of which may be an IPv4 address. */
function groupsOf(text: string): readonly number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [index, group] of groups.entries()) {
    const ipv4 = index === groups.length - 1 ? parseIpv4(group) : null;
    if (ipv4 !== null) bytes.push(...ipv4);
    else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else return null;
  }
  return bytes;
}

function rangeOf(text: string): AddressRange {
  const range = parseRange(text);
  if (range === null) throw new RangeError(`Cannot read an address range "${text}"`);
  return range;
}
