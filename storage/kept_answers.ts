/**
 * The answers that one transactional id keeps for Idempotency-Keys: found by the hash of the key, forgotten by age. A new one takes
 * some of the oldest with it, in its own commit, so that there are never many and nothing has to sweep them.
 */
import { isForgotten, isSameBytes, type KeptAnswer } from "../core/transaction/kept_answer.ts";
import { below } from "./keys/keyspace.ts";
import {
  decodeKeptAnswer,
  decodeKeptNumber,
  encodeKeptAnswer,
  encodeKeptNumber,
  keptAnswerKey,
  keptNumberKey,
  keptNumbersPrefix,
  numberOfKey,
} from "./keys/kept_answer.ts";
import type { Mutation, Storage } from "./storage.ts";

export interface KeepingOptions {
  /** Answers that one transactional id keeps; beyond that the oldest goes. */
  readonly countMax: number;
  /** After which a key means nothing any more. */
  readonly expirationMs: number;
}

/** Answers that go with one new one, at most: more than one, so that a lower bound is reached some time. */
const FORGOTTEN_AT_ONCE_MAX = 4;

export class KeptAnswers {
  readonly #storage: Storage;
  readonly #shardIndex: number;
  readonly #transactionalId: string;
  /** Of the oldest. */
  #first: number;
  /** Of the next one; equal to `#first` when there is none. */
  #next: number;

  private constructor(
    storage: Storage,
    shardIndex: number,
    transactionalId: string,
    first: number,
    next: number,
  ) {
    this.#storage = storage;
    this.#shardIndex = shardIndex;
    this.#transactionalId = transactionalId;
    this.#first = first;
    this.#next = next;
  }

  /** Reads two keys, however many answers there are. */
  static async open(storage: Storage, shardIndex: number, transactionalId: string): Promise<KeptAnswers> {
    const range = below(keptNumbersPrefix(shardIndex, transactionalId));
    const [first] = await storage.list(range, { limit: 1 });
    const [last] = await storage.list(range, { limit: 1, reverse: true });
    const numbers = first === undefined || last === undefined
      ? [0, 0] as const
      : [numberOfKey(first.key), numberOfKey(last.key) + 1] as const;
    return new KeptAnswers(storage, shardIndex, transactionalId, ...numbers);
  }

  get count(): number {
    return this.#next - this.#first;
  }

  /** As last committed, however old; null: none. Throws `CorruptStorageError`. */
  async find(keyHash: Uint8Array): Promise<KeptAnswer | null> {
    const found = await this.#storage.get(keptAnswerKey(this.#shardIndex, this.#transactionalId, keyHash));
    return found === null ? null : decodeKeptAnswer(keyHash, found.value).answer;
  }

  /** What keeps `answer` and forgets older ones; `kept` is to be called when that is committed. */
  async keep(
    answer: KeptAnswer,
    { countMax, expirationMs }: KeepingOptions,
  ): Promise<{ readonly mutations: readonly Mutation[]; readonly kept: () => void }> {
    const newest = this.#next;
    const { mutations, first } = await this.#forget(
      (kept, number) => this.#next - number >= countMax || isForgotten(kept, expirationMs, answer.keptMs),
      answer.key.hash,
    );
    mutations.push(
      {
        type: "set",
        key: this.#answerKey(answer.key.hash),
        value: encodeKeptAnswer({ number: newest, answer }),
      },
      {
        type: "set",
        key: this.#numberKey(newest),
        value: encodeKeptNumber({ keptMs: answer.keptMs, keyHash: answer.key.hash }),
      },
    );
    return {
      mutations,
      kept: () => {
        this.#first = first;
        this.#next = newest + 1;
      },
    };
  }

  /** What forgets some of the oldest, whatever their age; null when there is none left. */
  async forgetSome(): Promise<
    { readonly mutations: readonly Mutation[]; readonly forgotten: () => void } | null
  > {
    if (this.count === 0) return null;
    const { mutations, first } = await this.#forget(() => true, null);
    return { mutations, forgotten: () => this.#first = first };
  }

  /** Deletes the oldest as long as `isDue` says so of them; the answer to `written` is about to be overwritten. */
  async #forget(
    isDue: (kept: { readonly keptMs: number }, number: number) => boolean,
    written: Uint8Array | null,
  ) {
    const mutations: Mutation[] = [];
    let first = this.#first;
    const end = Math.min(this.#next, first + FORGOTTEN_AT_ONCE_MAX);
    for (; first < end; first++) {
      const found = await this.#storage.get(this.#numberKey(first));
      if (found !== null) {
        const kept = decodeKeptNumber(found.value);
        if (!isDue(kept, first)) break;
        const { keyHash } = kept;
        mutations.push({ type: "delete", key: this.#numberKey(first) });
        const isWritten = written !== null && isSameBytes(keyHash, written);
        if (!isWritten && await this.#isNumbered(keyHash, first)) {
          mutations.push({ type: "delete", key: this.#answerKey(keyHash) });
        }
      }
    }
    return { mutations, first };
  }

  /** Whether the key's answer is this one, and not one that came after it was forgotten. */
  async #isNumbered(keyHash: Uint8Array, number: number): Promise<boolean> {
    const found = await this.#storage.get(this.#answerKey(keyHash));
    return found !== null && decodeKeptAnswer(keyHash, found.value).number === number;
  }

  #answerKey(keyHash: Uint8Array) {
    return keptAnswerKey(this.#shardIndex, this.#transactionalId, keyHash);
  }

  #numberKey(number: number) {
    return keptNumberKey(this.#shardIndex, this.#transactionalId, number);
  }
}
