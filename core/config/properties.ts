/**
 * Reads `.properties` text, the format of Kafka's server.properties.
 *
 * Source: the format that java.util.Properties documents: `#` and `!` comments, `=`, `:` or blanks between key and
 * value, a backslash before the line's end continues it, escapes \t \n \r \f \uXXXX.
 */

const escapes: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };

/** Keys and values in the order of the text; a later key replaces an earlier one. */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  for (const line of logicalLines(text)) {
    const keyEnd = findKeyEnd(line);
    const key = unescape(line.slice(0, keyEnd));
    const value = line.slice(keyEnd).replace(/^[ \t\f]*[=:]?[ \t\f]*/, "");
    properties.delete(key);
    properties.set(key, unescape(value));
  }
  return properties;
}

/** Lines without comments and blank ones, continuations joined, leading blanks cut. */
function* logicalLines(text: string): Generator<string> {
  let pending: string | null = null;
  for (const natural of text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/)) {
    const line = natural.replace(/^[ \t\f]+/, "");
    // A comment sign within a continued line is part of the value.
    if (pending === null && (line === "" || line[0] === "#" || line[0] === "!")) continue;
    const whole: string = (pending ?? "") + line;
    if (endsWithOddBackslashes(line)) {
      pending = whole.slice(0, -1);
    } else {
      pending = null;
      if (whole !== "") yield whole;
    }
  }
  if (pending !== null && pending !== "") yield pending;
}

function endsWithOddBackslashes(line: string): boolean {
  let count = 0;
  while (count < line.length && line[line.length - 1 - count] === "\\") count++;
  return count % 2 === 1;
}

function findKeyEnd(line: string): number {
  for (let index = 0; index < line.length; index++) {
    const character = line[index];
    if (character === "\\") index++;
    else if (character !== undefined && "=: \t\f".includes(character)) return index;
  }
  return line.length;
}

function unescape(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g, (_all, code?: string, character?: string) => {
    if (code !== undefined) return String.fromCharCode(parseInt(code, 16));
    return character === undefined ? "" : escapes[character] ?? character;
  });
}
