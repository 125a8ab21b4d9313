/**
 * A first-in-first-out ring buffer: the mailbox of an actor, the queue of its output gate and the scheduler's run
 * queue. It grows by doubling, so that thousands of idle actors cost little, and `offer` respects a bound.
 */
const CAPACITY_AT_FIRST = 8;

export class Ring<T> {
  readonly lengthMax: number;
  #items: (T | undefined)[] = new Array(CAPACITY_AT_FIRST);
  #head = 0;
  #length = 0;

  constructor(lengthMax = Infinity) {
    this.lengthMax = lengthMax;
  }

  get length(): number {
    return this.#length;
  }

  /** Appends, unless that would exceed the bound: then it returns false. */
  offer(item: T): boolean {
    if (this.#length >= this.lengthMax) return false;
    this.push(item);
    return true;
  }

  /** Appends whatever the bound says. */
  push(item: T): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#length) & (this.#items.length - 1)] = item;
    this.#length++;
  }

  /** The oldest item, which stays; undefined when empty. */
  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** Takes the oldest item; undefined when empty. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length--;
    // A burst must not pin its memory for good.
    if (this.#length === 0 && this.#items.length > 1024) {
      this.#items = new Array(CAPACITY_AT_FIRST), this.#head = 0;
    }
    return item;
  }

  #grow(): void {
    const items = new Array<T | undefined>(this.#items.length * 2);
    for (let i = 0; i < this.#length; i++) {
      items[i] = this.#items[(this.#head + i) & (this.#items.length - 1)];
    }
    this.#items = items;
    this.#head = 0;
  }
}
