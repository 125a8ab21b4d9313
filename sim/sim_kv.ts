/**
 * A fake Deno KV at the level of `Env.kv`, so that `storage/deno_kv.ts` runs on it unchanged. It does what was measured
 * on the real ones: `SimStore` is the durable state, which outlives processes, `SimKv` one process's handle on it, which
 * misbehaves as the seed's swarm says. Held to the real ones by the storage suite (`sim_kv_test.ts`).
 */
import type { KvKey, RawKv, RawKvAtomic, RawKvEntry } from "../lib/env.ts";
import { compareKeys, keyBytes } from "../storage/key_order.ts";
import type { FaultLog } from "./fault_log.ts";
import type { Rng } from "./rng.ts";
import type { EventOwner, Scheduler } from "./scheduler.ts";
import type { KvFaults, StoreProfile } from "./swarm.ts";

export interface StoredRow {
  readonly key: KvKey;
  /** As it was written. */
  readonly value: Uint8Array;
  readonly versionstamp: string;
  /** What readers get, when that is something else: bits of it flipped at rest. */
  readonly damaged?: Uint8Array;
}

export interface RowChange {
  readonly key: KvKey;
  readonly before: Uint8Array | null;
  readonly after: Uint8Array | null;
}

type Mutation =
  | { readonly type: "set"; readonly key: KvKey; readonly value: Uint8Array }
  | { readonly type: "delete"; readonly key: KvKey };

interface RawCommit {
  readonly checks: readonly { readonly key: KvKey; readonly versionstamp: string | null }[];
  readonly mutations: readonly Mutation[];
}

type RawResult = { ok: true; versionstamp: string } | { ok: false };

const LIMITS = {
  keyBytes: 2_048,
  valueBytes: 65_536,
  mutations: 1_000,
  commitBytes: 819_200,
  commitKeyBytes: 81_920,
  getMany: 10,
  page: 1_000,
  watched: 10,
};
const CHECKS_MAX: Readonly<Record<StoreProfile, number>> = { embedded: 100, remote: 10 };
const LIST_BATCH_DEFAULT = 100;
/** Chance that a commit on its way comes right after a read. */
const LATE_AFTER_READ = 0.05;

/** The rows, and who watches them. Nothing here fails: a commit is applied whole or refused. */
export class SimStore {
  readonly profile: StoreProfile;
  readonly #rng: Rng;
  #rows: StoredRow[] = [];
  readonly #watchers = new Set<{ readonly keys: readonly KvKey[]; readonly onChange: () => void }>();
  #version = 1;
  #appliedCount = 0;
  /** Told of every commit that was applied, and by which process; throws when an invariant is broken. */
  onApplied: ((writer: string, changes: readonly RowChange[]) => void) | null = null;
  /** While `scheduler.nowMs` is below it the store is away. */
  awayUntilMs = 0;
  /** While `scheduler.nowMs` is below it the disk under an embedded store takes no commit. */
  fullUntilMs = 0;

  constructor(profile: StoreProfile, rng: Rng) {
    this.profile = profile;
    this.#rng = rng;
  }

  get appliedCount(): number {
    return this.#appliedCount;
  }

  /** All rows in order, to be looked at from outside the simulation. */
  rows(): readonly StoredRow[] {
    return this.#rows;
  }

  get(key: KvKey): StoredRow | null {
    const { index, isFound } = this.#find(key);
    return isFound ? this.#rows[index] ?? null : null;
  }

  page(start: KvKey, end: KvKey, limit: number, reverse: boolean): StoredRow[] {
    const from = this.#find(start).index;
    const to = Math.max(from, this.#find(end).index);
    return reverse
      ? this.#rows.slice(Math.max(from, to - limit), to).reverse()
      : this.#rows.slice(from, Math.min(to, from + limit));
  }

  apply(writer: string, { checks, mutations }: RawCommit): RawResult {
    for (const check of checks) {
      if ((this.get(check.key)?.versionstamp ?? null) !== check.versionstamp) return { ok: false };
    }
    this.#version += 1 + this.#rng.int(9);
    this.#appliedCount++;
    const versionstamp = this.#version.toString(16).padStart(20, "0");
    const changes: RowChange[] = [];
    for (const mutation of mutations) {
      const { index, isFound } = this.#find(mutation.key);
      const before = isFound ? this.#rows[index]?.value ?? null : null;
      if (mutation.type === "delete") {
        if (isFound) this.#rows.splice(index, 1);
        changes.push({ key: mutation.key, before, after: null });
      } else {
        const row = { key: mutation.key, value: mutation.value, versionstamp };
        this.#rows.splice(index, isFound ? 1 : 0, row);
        changes.push({ key: mutation.key, before, after: mutation.value });
      }
    }
    this.onApplied?.(writer, changes);
    for (const watcher of this.#watchers) {
      if (watcher.keys.some((key) => mutations.some((each) => compareKeys(each.key, key) === 0))) {
        watcher.onChange();
      }
    }
    return { ok: true, versionstamp };
  }

  /** Puts other rows in the place of all, as whoever copies or loses files does; returns those that were there. */
  exchange(rows: readonly StoredRow[]): readonly StoredRow[] {
    const before = this.#rows;
    this.#rows = [...rows];
    return before;
  }

  /** Flips a bit of a stored value, until it is written anew or repaired. False when there is none that is whole. */
  flipBit(key: KvKey, random: () => number): boolean {
    const { index, isFound } = this.#find(key);
    const row = this.#rows[index];
    if (!isFound || row === undefined || row.damaged !== undefined || row.value.length === 0) return false;
    const damaged = row.value.slice();
    const bit = Math.floor(random() * 8 * damaged.length);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    this.#rows[index] = { ...row, damaged };
    return true;
  }

  /** Damaged values are what was written again: all of them, or those that qualify. */
  repair(qualifies: (row: StoredRow) => boolean = () => true): void {
    for (const [index, row] of this.#rows.entries()) {
      if (row.damaged === undefined || !qualifies(row)) continue;
      const { key, value, versionstamp } = row;
      this.#rows[index] = { key, value, versionstamp };
    }
  }

  watch(keys: readonly KvKey[], onChange: () => void): () => void {
    const watcher = { keys, onChange };
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #find(key: KvKey): { index: number; isFound: boolean } {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const difference = compareKeys((this.#rows[middle] as StoredRow).key, key);
      if (difference === 0) return { index: middle, isFound: true };
      if (difference < 0) low = middle + 1;
      else high = middle;
    }
    return { index: low, isFound: false };
  }
}

export interface SimKvOptions {
  readonly store: SimStore;
  readonly owner: EventOwner;
  readonly scheduler: Scheduler;
  readonly rng: Rng;
  readonly faultLog: FaultLog;
  /** As they are now: none once the world has healed. */
  readonly faults: () => KvFaults;
  /** A call that the process makes; false when it is dead, or dies by it. */
  readonly enter: () => boolean;
}

interface InFlight {
  readonly commit: RawCommit;
  isApplied: boolean;
}

/** A process's open handle. A call of a process that dies is never answered. */
export class SimKv implements RawKv {
  readonly #options: SimKvOptions;
  readonly #inFlight = new Set<InFlight>();
  /** Commits whose time has not come yet; each may come at any time. */
  readonly #late = new Set<() => void>();
  readonly #stopWatches = new Set<() => void>();
  /** Where the next page of the last list would begin: other commits between two pages are torn lists. */
  #lastList: { readonly next: KvKey; readonly end: KvKey; readonly appliedCount: number } | null = null;
  #isOpen = true;

  constructor(options: SimKvOptions) {
    this.#options = options;
  }

  async get(key: KvKey): Promise<RawKvEntry> {
    const [entry] = await this.getMany([key]);
    return entry as RawKvEntry;
  }

  getMany(keys: readonly KvKey[]): Promise<RawKvEntry[]> {
    if (keys.length > LIMITS.getMany) throw new TypeError(`Too many ranges (max ${LIMITS.getMany})`);
    return this.#read("kv get", () => keys.map((key) => this.#entry(key)));
  }

  async *list(
    selector: { start: KvKey; end: KvKey },
    options: { limit?: number; reverse?: boolean; batchSize?: number } = {},
  ): AsyncIterableIterator<RawKvEntry> {
    const { limit = Infinity, reverse = false, batchSize = LIST_BATCH_DEFAULT } = options;
    const { store, faultLog } = this.#options;
    if (Math.min(limit, batchSize) > LIMITS.page) {
      throw new TypeError(`Too many entries (max ${LIMITS.page})`);
    }
    let { start, end } = selector;
    for (let left = limit; left > 0;) {
      const count = Math.min(left, batchSize);
      const page = await this.#read("kv list", () => {
        const isGoingOn = this.#lastList !== null && compareKeys(this.#lastList.end, end) === 0 &&
          compareKeys(this.#lastList.next, start) === 0;
        if (isGoingOn && store.appliedCount > (this.#lastList?.appliedCount ?? 0)) faultLog.count("kvTorn");
        return store.page(start, end, count, reverse).map(copyOf);
      });
      yield* page;
      const last = page[page.length - 1];
      this.#lastList = last === undefined
        ? null
        : { next: [...last.key, new Uint8Array()], end, appliedCount: store.appliedCount };
      if (last === undefined || page.length < count) return;
      left -= page.length;
      if (reverse) end = last.key;
      else start = [...last.key, new Uint8Array()];
    }
  }

  atomic(): RawKvAtomic {
    const checks: { key: KvKey; versionstamp: string | null }[] = [];
    const mutations: Mutation[] = [];
    const atomic: RawKvAtomic = {
      check: (check) => {
        checks.push(check);
        return atomic;
      },
      set: (key, value) => {
        if (!(value instanceof Uint8Array)) throw new TypeError("Only bytes are stored in simulation");
        mutations.push({ type: "set", key, value: value.slice() });
        return atomic;
      },
      delete: (key) => {
        mutations.push({ type: "delete", key });
        return atomic;
      },
      commit: () => this.#commit({ checks, mutations }),
    };
    return atomic;
  }

  watch(keys: readonly KvKey[]): ReadableStream<RawKvEntry[]> {
    const { store, scheduler, owner, rng } = this.#options;
    if (keys.length > LIMITS.watched) throw new TypeError(`Too many keys (max ${LIMITS.watched})`);
    let stop = () => {};
    return new ReadableStream<RawKvEntry[]>({
      start: (controller) => {
        let isScheduled = false;
        const tell = () => {
          // Coalesced: one item for all changes of the delay.
          if (isScheduled) return;
          isScheduled = true;
          scheduler.schedule(rng.logBetween(1, 3_000), owner, "kv watch tells", () => {
            isScheduled = false;
            if (this.#stopWatches.has(stop)) controller.enqueue(keys.map((key) => this.#entry(key)));
          });
        };
        const isSilent = rng.chance(this.#options.faults().watchSilent);
        const unwatch = store.watch(keys, isSilent ? () => {} : tell);
        stop = () => {
          unwatch();
          this.#stopWatches.delete(stop);
        };
        this.#stopWatches.add(stop);
        tell();
      },
      cancel: () => stop(),
    });
  }

  close(): void {
    this.#isOpen = false;
    for (const stop of this.#stopWatches) stop();
  }

  /** The process died: what was on its way is lost, or applied now, or (remote) some time later. */
  ownerDied(): void {
    const { store, rng, faultLog, scheduler, owner } = this.#options;
    for (const each of this.#inFlight) {
      if (each.isApplied) continue;
      each.isApplied = true;
      const fate = rng.int(store.profile === "remote" ? 3 : 2);
      faultLog.count(
        (["crashedCommitLost", "crashedCommitApplied", "crashedCommitLate"] as const)[fate] ?? "crash",
      );
      if (fate === 1) store.apply(owner.name, each.commit);
      if (fate === 2) {
        scheduler.schedule(rng.logBetween(1, 60_000), null, "late commit of a dead process", () => {
          store.apply(owner.name, each.commit);
        });
      }
    }
    this.close();
  }

  #entry(key: KvKey): RawKvEntry {
    const row = this.#options.store.get(key);
    return row === null ? { key, value: null, versionstamp: null } : copyOf(row);
  }

  /** A delay, the moment at which the store is read, another delay. */
  #read<T>(what: string, look: () => T): Promise<T> {
    const { rng, scheduler, owner, store, faultLog } = this.#options;
    if (!this.#options.enter()) return new Promise(() => {});
    this.#throwIfClosed();
    const faults = this.#options.faults();
    return new Promise((resolve, reject) => {
      if (rng.chance(faults.hang)) return faultLog.count("kvHang");
      const isAway = store.awayUntilMs > scheduler.nowMs;
      if (rng.chance(faults.readThrown) || (isAway && store.profile === "embedded")) {
        faultLog.count("kvReadThrown");
        scheduler.schedule(rng.between(0.02, 20), owner, `${what} throws`, () => reject(weather()));
        return;
      }
      scheduler.schedule(this.#delay(faults), owner, what, () => {
        const result = look();
        // The worst moment for a late commit: right after somebody has looked.
        const [late] = this.#late;
        if (late !== undefined && rng.chance(LATE_AFTER_READ)) late();
        scheduler.schedule(rng.between(0.01, 0.5), owner, `${what} answered`, () => resolve(result));
      });
    });
  }

  #delay(faults: KvFaults): number {
    const { rng, store, scheduler, faultLog } = this.#options;
    const isStalled = rng.chance(faults.stall);
    if (isStalled) faultLog.count("kvStall");
    const awayMs = Math.max(0, store.awayUntilMs - scheduler.nowMs);
    const usualMs = store.profile === "embedded" ? rng.between(0.02, 2) : rng.between(0.3, 6);
    return awayMs + (isStalled ? rng.between(1, faults.stallMsMax) : usualMs);
  }

  #commit(commit: RawCommit): Promise<RawResult> {
    if (!this.#options.enter()) return new Promise(() => {});
    this.#throwIfClosed();
    checkLimits(commit, this.#options.store.profile);
    const inFlight: InFlight = { commit, isApplied: false };
    this.#inFlight.add(inFlight);
    return new Promise((resolve, reject) => {
      this.#send(inFlight, (result) => {
        this.#inFlight.delete(inFlight);
        if (result instanceof Error) reject(result);
        else resolve(result);
      });
    });
  }

  /** One fate for each commit. The store applies on its own, whatever became of the process, unless it lives in it. */
  #send(inFlight: InFlight, settle: (result: RawResult | Error) => void): void {
    const { rng, store, scheduler, owner, faultLog } = this.#options;
    const faults = this.#options.faults();
    const storeOwner = store.profile === "embedded" ? owner : null;
    const isAway = Math.max(store.awayUntilMs, store.fullUntilMs) > scheduler.nowMs;
    const answer = (delayMs: number, what: string, result: RawResult | Error) =>
      scheduler.schedule(delayMs, owner, what, () => settle(result));
    const applyOnce = (): RawResult | null => {
      if (inFlight.isApplied) return null;
      inFlight.isApplied = true;
      const result = store.apply(owner.name, inFlight.commit);
      scheduler.tellStep(
        owner.name,
        result.ok ? "kv applied" : "kv refused",
        inFlight.commit.mutations.length,
      );
      return result;
    };
    const apply = (delayMs: number, then: (result: RawResult) => void) =>
      scheduler.schedule(delayMs, storeOwner, "kv commit", () => {
        const result = applyOnce();
        if (result !== null) then(result);
      });
    const delayMs = this.#delay(faults);
    const replyMs = rng.between(0.01, 3);
    if (rng.chance(faults.thrownUnapplied) || (isAway && store.profile === "embedded")) {
      faultLog.count("kvThrownUnapplied");
      inFlight.isApplied = true;
      answer(replyMs + rng.between(0, 50), "kv commit throws", weather());
    } else if (rng.chance(faults.thrownApplied)) {
      apply(delayMs, () => {
        faultLog.count("kvThrownApplied");
        answer(replyMs, "kv commit throws", weather());
      });
    } else if (rng.chance(faults.conflict)) {
      faultLog.count("kvConflict");
      inFlight.isApplied = true;
      answer(delayMs, "kv commit refused", { ok: false });
    } else if (rng.chance(faults.hang)) {
      faultLog.count("kvHang");
      if (rng.chance(0.5)) inFlight.isApplied = true;
      else apply(delayMs, () => {});
    } else if (rng.chance(faults.late)) {
      faultLog.count("kvLate");
      const applyLate = () => {
        if (!this.#late.delete(applyLate)) return;
        const result = applyOnce();
        if (result !== null) answer(replyMs, "late answer", result);
      };
      this.#late.add(applyLate);
      scheduler.schedule(rng.logBetween(500, 90_000), null, "kv commit", applyLate);
    } else if (rng.chance(faults.refusedApplied)) {
      apply(delayMs, () => {
        // The reply is lost; the client inside the process sends the same bytes again.
        scheduler.schedule(rng.between(200, 300), null, "kv commit re-sent", () => {
          const again = store.apply(owner.name, inFlight.commit);
          faultLog.count(again.ok ? "kvTwice" : "kvRefusedApplied");
          answer(replyMs, "kv answered again", again);
        });
      });
    } else {
      apply(delayMs, (result) => answer(replyMs, "kv answered", result));
    }
  }

  #throwIfClosed(): void {
    if (!this.#isOpen) throw new TypeError("Bad resource ID");
  }
}

function copyOf(row: StoredRow): RawKvEntry {
  return { key: row.key, value: (row.damaged ?? row.value).slice(), versionstamp: row.versionstamp };
}

function weather(): Error {
  return new Error("simulated store failure");
}

/** As Deno KV does: throws before anything is sent. Keys of what is set count twice, and they alone towards the keys' own limit. */
function checkLimits({ checks, mutations }: RawCommit, profile: StoreProfile): void {
  if (checks.length > CHECKS_MAX[profile]) {
    throw new TypeError(`Too many checks (max ${CHECKS_MAX[profile]})`);
  }
  if (mutations.length > LIMITS.mutations) {
    throw new TypeError(`Too many mutations (max ${LIMITS.mutations})`);
  }
  let size = 0;
  for (const { key } of [...checks, ...mutations]) {
    const bytes = keyBytes(key);
    if (bytes > LIMITS.keyBytes) {
      throw new TypeError(`Key too large for write (max ${LIMITS.keyBytes} bytes)`);
    }
    size += bytes;
  }
  let keySize = 0;
  for (const mutation of mutations) {
    if (mutation.type !== "set") continue;
    if (mutation.value.length > LIMITS.valueBytes) {
      throw new TypeError(`Value too large (max ${LIMITS.valueBytes} bytes)`);
    }
    keySize += keyBytes(mutation.key);
    size += keyBytes(mutation.key) + mutation.value.length;
  }
  if (size > LIMITS.commitBytes) {
    throw new TypeError(`Total mutation size too large (max ${LIMITS.commitBytes})`);
  }
  if (keySize > LIMITS.commitKeyBytes) {
    throw new TypeError(`Total key size too large (max ${LIMITS.commitKeyBytes})`);
  }
}
