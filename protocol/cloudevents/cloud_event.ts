/**
 * A CloudEvent apart from how it travels, and what makes one valid: the attributes that must be there, the names and the values that
 * attributes may have. Values are kept as their canonical strings, since Kafka's and HTTP's headers have nothing else.
 *
 * Source: CloudEvents 1.0.2, "Context Attributes" and "Type System". `http_binding.ts`, `json_format.ts` and `kafka_binding.ts` are
 * the forms in which it travels.
 */

export interface CloudEvent {
  /** All but datacontenttype, in the order in which they came. */
  readonly attributes: ReadonlyMap<string, string>;
  /** `datacontenttype`: the media type of the data; null for none. */
  readonly dataContentType: string | null;
  /** Null for none, which is not the same as empty. */
  readonly data: Uint8Array | null;
}

/** What is wrong with one attribute, or with `data`. */
export interface CloudEventFault {
  readonly attribute: string;
  readonly detail: string;
}

export const SPEC_VERSION = "1.0";
/** From which Kafka's key is made, by the extension "Partitioning". */
export const PARTITION_KEY = "partitionkey";
const REQUIRED_ATTRIBUTES = ["specversion", "id", "source", "type"] as const;
/** Those that the specification itself defines: all of them are written as strings. */
export const OWN_ATTRIBUTES: ReadonlySet<string> = new Set([
  ...REQUIRED_ATTRIBUTES,
  "datacontenttype",
  "dataschema",
  "subject",
  "time",
]);

/** What is wrong with the attributes, the absent ones included; empty when nothing is. */
export function eventFaults(
  attributes: ReadonlyMap<string, string>,
  dataContentType: string | null,
): CloudEventFault[] {
  const faults: CloudEventFault[] = [];
  for (const attribute of REQUIRED_ATTRIBUTES) {
    if (!attributes.has(attribute)) faults.push({ attribute, detail: "is missing" });
  }
  for (const [attribute, value] of attributes) {
    const detail = nameFault(attribute) ?? valueFault(attribute, value);
    if (detail !== null) faults.push({ attribute, detail });
  }
  if (dataContentType !== null && !isMediaType(dataContentType)) {
    faults.push({ attribute: "datacontenttype", detail: "expected a media type" });
  }
  return faults;
}

/** What is wrong with the name of an attribute, or null. */
export function nameFault(name: string): string | null {
  if (!/^[a-z0-9]+$/.test(name)) return "the name of an attribute has only a to z and 0 to 9";
  return name === "data" ? "is not the name of an attribute" : null;
}

function valueFault(name: string, value: string): string | null {
  const character = characterFault(value);
  if (character !== null) return character;
  switch (name) {
    case "specversion":
      return value === SPEC_VERSION ? null : `expected ${SPEC_VERSION}`;
    case "id":
    case "type":
    case "subject":
    case PARTITION_KEY:
      return value === "" ? "is empty" : null;
    case "source":
      return value === "" ? "is empty" : isUriReference(value) ? null : "expected a URI reference";
    case "dataschema":
      return isUriReference(value) && /^[A-Za-z][A-Za-z0-9+.-]*:/.test(value)
        ? null
        : "expected a URI with its scheme";
    case "time":
      return isTimestamp(value) ? null : "expected a time as in RFC 3339";
    default:
      return null;
  }
}

/** The characters that the type String does not have: controls, noncharacters, lone surrogates. */
function characterFault(value: string): string | null {
  if (!value.isWellFormed()) return "has a lone surrogate";
  // deno-lint-ignore no-control-regex -- these are what is refused
  if (/[\u0000-\u001f\u007f-\u009f]/.test(value)) return "has a control character";
  return /[\ufdd0-\ufdef\ufffe\uffff]/.test(value) || hasAstralNoncharacter(value)
    ? "has a character that Unicode keeps for nobody"
    : null;
}

/** The last two of each plane. */
function hasAstralNoncharacter(value: string): boolean {
  if (!/[\ud800-\udbff]/.test(value)) return false;
  for (const character of value) {
    if (((character.codePointAt(0) ?? 0) & 0xfffe) === 0xfffe) return true;
  }
  return false;
}

/** By its characters: RFC 3986 has no others, and every percent sign begins an encoded byte. */
function isUriReference(text: string): boolean {
  return /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/.test(text) &&
    text.indexOf("#") === text.lastIndexOf("#");
}

const timestamp =
  /^(\d{4}-\d\d-\d\d)[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

function isTimestamp(text: string): boolean {
  const day = timestamp.exec(text)?.[1];
  if (day === undefined) return false;
  // A day that the month has not is moved into the next month.
  const parsed = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(day);
}

/** Whether it is a type and a subtype, with or without parameters. */
export function isMediaType(text: string): boolean {
  return /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+\s*(;[\x20-\x7e\t]*)?$/.test(text);
}

/** Type and subtype in lower case, without parameters. */
export function mediaTypeWithoutParameters(text: string): string {
  return text.split(";")[0]?.trim().toLowerCase() ?? "";
}

/** Whether data of this media type is JSON; so it is where no type is told. */
export function isJsonData(dataContentType: string | null): boolean {
  if (dataContentType === null) return true;
  return /\/(?:[^/]+\+)?json$/.test(mediaTypeWithoutParameters(dataContentType));
}

/** Whether data of this media type is text in UTF-8. */
export function isTextData(dataContentType: string): boolean {
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(dataContentType)?.[1] ?? "utf-8";
  if (!/^(utf-?8|us-ascii)$/i.test(charset)) return false;
  const type = mediaTypeWithoutParameters(dataContentType);
  return type.startsWith("text/") || /[/+](xml|yaml)$/.test(type) ||
    type === "application/x-www-form-urlencoded";
}
