/**
 * A regular expression that a whole topic name must match, evaluated without backtracking: an automaton whose sets of
 * states are remembered (Thompson's construction, as in RE2). Time is linear in the name, memory is bounded.
 */
import { type CharSet, parseRegex, RegexError, type RegexNode } from "../../../lib/parse_regex.ts";

/** Of the automaton; `{n,m}` multiplies. */
const STATE_COUNT_MAX = 10_000;
/** Remembered sets of states; beyond, all are forgotten and found anew. */
const SET_COUNT_MAX = 1_000;
const MATCH = -1;

type Assertion = Exclude<Extract<RegexNode, { type: `${string}oundary` | `assert${string}` }>["type"], never>;

interface State {
  /** Characters that lead to `next`; null: no character is taken. */
  readonly set: CharSet | null;
  readonly assertion: Assertion | null;
  next: readonly number[];
}

/** States with the characters that they were reached by; `moves` by character code. */
interface StateSet {
  readonly states: readonly number[];
  readonly previous: number;
  readonly moves: (StateSet | undefined)[];
  readonly matchesAtEnd: boolean;
}

const END = 128;
const isWord = (code: number) => code < END && /\w/.test(String.fromCharCode(code));

export class TopicRegex {
  readonly #states: State[] = [];
  readonly #start: number;
  readonly #sets = new Map<string, StateSet>();

  /** Throws `RegexError` for what is not valid, not supported, or too large. */
  constructor(pattern: string) {
    this.#start = this.#add(parseRegex(pattern), MATCH);
  }

  /** Whether the whole name matches. */
  matches(name: string): boolean {
    let set = this.#setOf([this.#start], END);
    for (let i = 0; i < name.length; i++) {
      const code = name.charCodeAt(i);
      if (code >= END || set.states.length === 0) return false;
      set = this.#move(set, code);
    }
    return set.matchesAtEnd;
  }

  /** Adds the node's states in front of `next`, and returns where they begin. */
  #add(node: RegexNode, next: number): number {
    switch (node.type) {
      case "empty":
        return next;
      case "chars":
        return this.#push({ set: node.set, assertion: null, next: [next] });
      case "sequence":
        return node.nodes.reduceRight((after, each) => this.#add(each, after), next);
      case "alternation":
        return this.#push({
          set: null,
          assertion: null,
          next: node.nodes.map((each) => this.#add(each, next)),
        });
      case "repeat": {
        const { node: repeated, min, max } = node;
        let begin = next;
        if (max === Infinity) {
          const loop: State = { set: null, assertion: null, next: [] };
          begin = this.#push(loop);
          loop.next = [this.#add(repeated, begin), next];
        } else {
          for (let i = min; i < max; i++) {
            begin = this.#push({ set: null, assertion: null, next: [this.#add(repeated, begin), next] });
          }
        }
        for (let i = 0; i < min; i++) begin = this.#add(repeated, begin);
        return begin;
      }
      default:
        return this.#push({ set: null, assertion: node.type, next: [next] });
    }
  }

  #push(state: State): number {
    if (this.#states.length >= STATE_COUNT_MAX) throw new RegexError("It is too large");
    return this.#states.push(state) - 1;
  }

  #move(from: StateSet, code: number): StateSet {
    const known = from.moves[code];
    if (known !== undefined) return known;
    const reached: number[] = [];
    for (const index of this.#closure(from.states, from.previous, code)) {
      const state = this.#states[index];
      if (state?.set?.[code] === true) reached.push(...state.next);
    }
    return from.moves[code] = this.#setOf(reached, code);
  }

  #setOf(reached: readonly number[], previous: number): StateSet {
    const states = [...new Set(reached)].sort((a, b) => a - b);
    const key = `${previous}:${states.join()}`;
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    if (this.#sets.size >= SET_COUNT_MAX) {
      for (const set of this.#sets.values()) set.moves.length = 0;
      this.#sets.clear();
    }
    const matchesAtEnd = this.#closure(states, previous, END).includes(MATCH);
    const set = { states, previous, moves: [], matchesAtEnd };
    this.#sets.set(key, set);
    return set;
  }

  /** What is reached without taking a character, between the two. */
  #closure(states: readonly number[], previous: number, following: number): number[] {
    const seen = new Set<number>(states);
    const open = [...states];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      const state = index === MATCH ? undefined : this.#states[index];
      if (state === undefined || state.set !== null) continue;
      if (state.assertion !== null && !holds(state.assertion, previous, following)) continue;
      for (const next of state.next) {
        if (seen.has(next)) continue;
        seen.add(next);
        open.push(next);
      }
    }
    return [...seen];
  }
}

function holds(assertion: Assertion, previous: number, following: number): boolean {
  switch (assertion) {
    case "assertStart":
      return previous === END;
    case "assertEnd":
      return following === END;
    case "wordBoundary":
      return isWord(previous) !== isWord(following);
    case "notWordBoundary":
      return isWord(previous) === isWord(following);
  }
}
