/**
 * The regular expressions of topic subscriptions: RE2's language as far as names of topics call for it. Bounded in
 * length, depth and repetition, without back references and look-around, so that matching takes linear time.
 * Source: RE2's syntax; topic names are letters, digits, `.`, `_` and `-`, so that characters are ASCII here.
 */

/** Which of the 128 ASCII characters match. */
export type CharSet = readonly boolean[];

export type RegexNode =
  | { readonly type: "empty" }
  | { readonly type: "chars"; readonly set: CharSet }
  | { readonly type: "assertStart" | "assertEnd" | "wordBoundary" | "notWordBoundary" }
  | { readonly type: "sequence" | "alternation"; readonly nodes: readonly RegexNode[] }
  /** `max` Infinity: any number of times. */
  | { readonly type: "repeat"; readonly node: RegexNode; readonly min: number; readonly max: number };

/** The message is in RE2's words where it has some: they reach the user. */
export class RegexError extends Error {
  override readonly name = "RegexError";
}

export const regexLimits = {
  /** Characters of an expression. */
  lengthMax: 4_096,
  depthMax: 100,
  /** `{n,m}`, as in RE2. */
  repeatMax: 1_000,
} as const;

const digits = charsOf("0123456789");
const words = charsOf("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
const spaces = charsOf("\t\n\f\r ");
const CLASSES: Readonly<Record<string, CharSet>> = {
  d: digits,
  D: inverse(digits),
  w: words,
  W: inverse(words),
  s: spaces,
  S: inverse(spaces),
};
const POSIX: Readonly<Record<string, CharSet>> = {
  alnum: where((c) => /[0-9A-Za-z]/.test(c)),
  alpha: where((c) => /[A-Za-z]/.test(c)),
  ascii: where(() => true),
  blank: charsOf("\t "),
  cntrl: where((c) => c < " " || c === "\x7f"),
  digit: digits,
  graph: where((c) => c > " " && c < "\x7f"),
  lower: where((c) => /[a-z]/.test(c)),
  print: where((c) => c >= " " && c < "\x7f"),
  punct: where((c) => c > " " && c < "\x7f" && !/[0-9A-Za-z]/.test(c)),
  space: charsOf("\t\n\v\f\r "),
  upper: where((c) => /[A-Z]/.test(c)),
  word: words,
  xdigit: where((c) => /[0-9A-Fa-f]/.test(c)),
};
const CONTROLS: Readonly<Record<string, string>> = {
  a: "\x07",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** Throws `RegexError` for what is not valid, too large, or not in the language. */
export function parseRegex(pattern: string): RegexNode {
  if (pattern.length > regexLimits.lengthMax) {
    throw new RegexError(`longer than ${regexLimits.lengthMax} characters`);
  }
  return new Parser(pattern).parse();
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #foldCase = false;
  #dotAll = false;

  constructor(text: string) {
    this.#text = unquoted(text);
  }

  parse(): RegexNode {
    const node = this.#alternation();
    if (this.#at < this.#text.length) throw new RegexError("unexpected )");
    return node;
  }

  #alternation(): RegexNode {
    if (++this.#depth > regexLimits.depthMax) throw new RegexError("expression nests too deeply");
    const nodes = [this.#sequence()];
    while (this.#take("|")) nodes.push(this.#sequence());
    this.#depth--;
    const [only] = nodes;
    return nodes.length === 1 && only !== undefined ? only : { type: "alternation", nodes };
  }

  #sequence(): RegexNode {
    const nodes: RegexNode[] = [];
    while (this.#at < this.#text.length && !"|)".includes(this.#peek())) {
      nodes.push(this.#repeated(this.#atom()));
    }
    return { type: "sequence", nodes };
  }

  #repeated(node: RegexNode): RegexNode {
    const range = this.#repetition();
    if (range === null) return node;
    // Greedy or not is the same for whether something matches.
    this.#take("?");
    const again = this.#repetition();
    if (again !== null || this.#peek() === "+") throw new RegexError("invalid nested repetition operator");
    return { type: "repeat", node, ...range };
  }

  #repetition(): { min: number; max: number } | null {
    if (this.#take("*")) return { min: 0, max: Infinity };
    if (this.#take("+")) return { min: 1, max: Infinity };
    if (this.#take("?")) return { min: 0, max: 1 };
    const counted = /^\{(\d+)(,(\d*))?\}/.exec(this.#text.slice(this.#at, this.#at + 32));
    if (counted === null) return null;
    this.#at += counted[0].length;
    const min = Number(counted[1]);
    const max = counted[2] === undefined ? min : counted[3] === "" ? Infinity : Number(counted[3]);
    const largest = max === Infinity ? min : max;
    if (max < min || largest > regexLimits.repeatMax) {
      throw new RegexError("invalid repeat count");
    }
    return { min, max };
  }

  #atom(): RegexNode {
    const char = this.#next();
    switch (char) {
      case "(":
        return this.#group();
      case "[":
        return { type: "chars", set: this.#charClass() };
      case ".":
        return { type: "chars", set: this.#dotAll ? where(() => true) : where((c) => c !== "\n") };
      case "^":
        return { type: "assertStart" };
      case "$":
        return { type: "assertEnd" };
      case "\\":
        return this.#escape();
      case "*":
      case "+":
      case "?":
        throw new RegexError("missing argument to repetition operator");
      default:
        return this.#literal(char);
    }
  }

  #group(): RegexNode {
    const { foldCase, dotAll } = { foldCase: this.#foldCase, dotAll: this.#dotAll };
    if (this.#take("?")) {
      const named = /^P?<[A-Za-z_]\w*>/.exec(this.#text.slice(this.#at));
      if (named !== null) {
        this.#at += named[0].length;
      } else {
        const flags = /^([imsU]*)(?:-([imsU]+))?([:)])/.exec(this.#text.slice(this.#at));
        if (flags === null) throw new RegexError("invalid or unsupported Perl syntax");
        this.#at += flags[0].length;
        this.#setFlags(flags[1] ?? "", true);
        this.#setFlags(flags[2] ?? "", false);
        // `(?i)`: from here to the end of the group around it.
        if (flags[3] === ")") return { type: "empty" };
      }
    }
    const node = this.#alternation();
    if (!this.#take(")")) throw new RegexError("missing closing )");
    this.#foldCase = foldCase;
    this.#dotAll = dotAll;
    return node;
  }

  #setFlags(flags: string, value: boolean): void {
    if (flags.includes("i")) this.#foldCase = value;
    if (flags.includes("s")) this.#dotAll = value;
  }

  #escape(): RegexNode {
    const char = this.#next("trailing backslash at end of expression");
    switch (char) {
      case "A":
        return { type: "assertStart" };
      case "z":
        return { type: "assertEnd" };
      case "b":
        return { type: "wordBoundary" };
      case "B":
        return { type: "notWordBoundary" };
    }
    const set = CLASSES[char];
    if (set !== undefined) return { type: "chars", set };
    return this.#literal(this.#escapedChar(char));
  }

  /** The character that the escape stands for. */
  #escapedChar(char: string): string {
    const control = CONTROLS[char];
    if (control !== undefined) return control;
    if (char === "x") {
      const hex = /^(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/.exec(this.#text.slice(this.#at));
      const code = parseInt(hex?.[1] ?? hex?.[2] ?? "", 16);
      if (hex === null || code > 0x10ffff) throw new RegexError("invalid escape sequence");
      this.#at += hex[0].length;
      return String.fromCodePoint(code);
    }
    // Back references, properties and whatever else begins with a letter or a digit.
    if (/[0-9A-Za-z]/.test(char)) throw new RegexError("invalid escape sequence");
    return char;
  }

  #literal(char: string): RegexNode {
    // Beyond ASCII: in no name of a topic.
    return { type: "chars", set: this.#fold(charsOf(char)) };
  }

  #charClass(): CharSet {
    const set = new Array<boolean>(128).fill(false);
    const add = (other: CharSet) => other.forEach((value, code) => set[code] ||= value);
    const isInverse = this.#take("^");
    for (let isFirst = true;; isFirst = false) {
      const char = this.#next("missing closing ]");
      if (char === "]" && !isFirst) break;
      const posix = char === "[" ? /^:(\^?)(\w+):\]/.exec(this.#text.slice(this.#at)) : null;
      if (posix !== null) {
        const named = POSIX[posix[2] ?? ""];
        if (named === undefined) throw new RegexError("invalid character class range");
        this.#at += posix[0].length;
        add(posix[1] === "^" ? inverse(named) : named);
        continue;
      }
      const escaped = char === "\\" ? this.#next("trailing backslash at end of expression") : null;
      const named = escaped === null ? undefined : CLASSES[escaped];
      if (named !== undefined) {
        add(named);
        continue;
      }
      const low = escaped === null ? char : this.#escapedChar(escaped);
      const isRange = this.#peek() === "-" && !["]", ""].includes(this.#text[this.#at + 1] ?? "");
      if (!isRange) {
        add(charsOf(low));
        continue;
      }
      this.#at++;
      const end = this.#next("missing closing ]");
      const high = end === "\\"
        ? this.#escapedChar(this.#next("trailing backslash at end of expression"))
        : end;
      if (high < low) throw new RegexError("invalid character class range");
      add(where((each) => each >= low && each <= high));
    }
    const folded = this.#fold(set);
    return isInverse ? inverse(folded) : folded;
  }

  #fold(set: CharSet): CharSet {
    if (!this.#foldCase) return set;
    const has = (char: string) => set[char.charCodeAt(0)] === true;
    return where((char) => has(char) || has(char.toLowerCase()) || has(char.toUpperCase()));
  }

  #peek(): string {
    return this.#text[this.#at] ?? "";
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at++;
    return true;
  }

  #next(missing = "unexpected end"): string {
    const code = this.#text.codePointAt(this.#at);
    if (code === undefined) throw new RegexError(missing);
    const char = String.fromCodePoint(code);
    this.#at += char.length;
    return char;
  }
}

/** `\Q…\E` written as escapes; without the end, to the end of the expression. */
function unquoted(text: string): string {
  return text.replace(
    /\\(?:Q(.*?)(?:\\E|$)|.)/gs,
    (escape, quoted?: string) => quoted === undefined ? escape : quoted.replace(/[^0-9A-Za-z]/gu, "\\$&"),
  );
}

function charsOf(chars: string): CharSet {
  return where((char) => chars.includes(char));
}

function inverse(set: CharSet): CharSet {
  return set.map((value) => !value);
}

function where(passes: (char: string) => boolean): CharSet {
  return Array.from({ length: 128 }, (_, code) => passes(String.fromCharCode(code)));
}
