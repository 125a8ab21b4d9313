/**
 * A disk for tests, as bad as disks may be: bytes that were not synced, names that were not synced, and removals may or may
 * not survive a crash, in part or whole; writes can be short or fail, and so can syncs. Chance comes from `random`.
 */
import type { Files, PositionalFile } from "../lib/env.ts";

interface Write {
  readonly position: number;
  readonly bytes: Uint8Array;
}

interface Inode {
  /** As a running process sees it. */
  bytes: Uint8Array;
  /** As surely on the disk. */
  synced: Uint8Array;
  unsynced: Write[];
}

export type DiskFate = "ok" | "short" | "fail" | "failAfter";

export class FakeDisk {
  /** Every call in order, such as `write 0000000000-….log 0+100`, without directories. */
  readonly calls: string[] = [];
  /** Asked before each `create`, `write` and `sync`. */
  fateOf: (call: string) => DiskFate = () => "ok";
  readonly #random: () => number;
  #inodes = new Map<string, Inode>();
  /** Names as they are on the disk for certain; directories have null. */
  #durable = new Map<string, Inode | null>();
  #directories = new Set<string>();
  #epoch = 0;

  constructor(random: () => number = () => 0.5) {
    this.#random = random;
  }

  /** Paths of all files, in order. */
  get paths(): string[] {
    return [...this.#inodes.keys()].sort();
  }

  /** Changes the bytes of a file behind everybody's back. */
  tamper(path: string, change: (bytes: Uint8Array) => void): void {
    const inode = this.#inodes.get(path);
    if (inode === undefined) throw new RangeError(`No such file: ${path}`);
    change(inode.bytes);
  }

  /** What is left after a power failure; files that were open are of no use any more. */
  crash(): void {
    this.#epoch++;
    const inodes = new Map<string, Inode>();
    for (const path of new Set([...this.#inodes.keys(), ...this.#durable.keys()])) {
      const durable = this.#durable.get(path);
      const inode = this.#inodes.get(path) ?? durable ?? null;
      if (inode === null) continue;
      const isCertain = durable !== undefined && this.#inodes.has(path);
      // Made or removed without a sync of the directory: either may be.
      if (!isCertain && this.#random() < 0.5) continue;
      inodes.set(path, this.#afterCrash(inode));
    }
    this.#directories = new Set([...this.#directories].filter((path) => this.#durable.has(path)));
    // A file cannot be in a directory that is gone.
    for (const path of inodes.keys()) if (!this.#directories.has(parentOf(path))) inodes.delete(path);
    this.#inodes = inodes;
    this.#durable = new Map<string, Inode | null>(inodes);
    for (const path of this.#directories) this.#durable.set(path, null);
  }

  get files(): Files {
    const refuse = () => Promise.reject(new Error("not on this disk"));
    const epoch = this.#epoch;
    return {
      readText: refuse,
      writeText: refuse,
      lock: refuse,
      makeDirectory: (path) =>
        this.#do(epoch, () => {
          for (let at = path; at !== "." && at !== ""; at = parentOf(at)) this.#directories.add(at);
        }),
      exists: (path) => this.#do(epoch, () => this.#inodes.has(path)),
      create: (path) => this.#do(epoch, () => this.#create(path, epoch)),
      open: (path) => this.#do(epoch, () => this.#file(path, this.#find(path), epoch)),
      list: (path) =>
        this.#do(epoch, () =>
          [...this.#inodes].filter(([each]) => parentOf(each) === path)
            .map(([each, inode]) => ({ name: nameOf(each), sizeBytes: inode.bytes.length }))),
      syncDirectory: (path) => this.#do(epoch, () => this.#syncDirectory(path)),
      remove: (path) =>
        this.#do(epoch, () => {
          this.#find(path);
          this.calls.push(`remove ${nameOf(path)}`);
          this.#inodes.delete(path);
        }),
      removeDirectory: (path) =>
        this.#do(epoch, () => {
          if (!this.#directories.delete(path)) throw new Error(`No such directory: ${path}`);
        }),
    };
  }

  #create(path: string, epoch: number): PositionalFile {
    this.#call(`create ${nameOf(path)}`);
    if (this.#inodes.has(path)) throw new Error(`File exists: ${path}`);
    if (!this.#directories.has(parentOf(path))) throw new Error(`No such directory: ${parentOf(path)}`);
    const inode = { bytes: new Uint8Array(), synced: new Uint8Array(), unsynced: [] };
    this.#inodes.set(path, inode);
    return this.#file(path, inode, epoch);
  }

  #file(path: string, inode: Inode, epoch: number): PositionalFile {
    return {
      write: (bytes, position) =>
        this.#do(epoch, () => {
          const fate = this.#call(`write ${nameOf(path)} ${position}+${bytes.length}`);
          const taken = bytes.slice(0, fate === "short" ? bytes.length >> 1 : bytes.length);
          inode.bytes = applied(inode.bytes, { position, bytes: taken });
          inode.unsynced.push({ position, bytes: taken });
          if (fate === "failAfter") throw new Error("input/output error");
          return taken.length;
        }),
      read: (buffer, position) =>
        this.#do(epoch, () => {
          const found = inode.bytes.subarray(position, position + buffer.length);
          buffer.set(found);
          return found.length;
        }),
      syncData: () =>
        this.#do(epoch, () => {
          const fate = this.#call(`sync ${nameOf(path)}`);
          if (fate === "failAfter") {
            // As Linux does: what failed is not tried again.
            inode.unsynced = inode.unsynced.filter(() => this.#random() < 0.5);
            throw new Error("input/output error");
          }
          for (const write of inode.unsynced) inode.synced = applied(inode.synced, write);
          inode.unsynced = [];
        }),
      close: () => this.#do(epoch, () => {}),
    };
  }

  #syncDirectory(path: string): void {
    this.#call(`syncDirectory ${nameOf(path)}`);
    for (const each of [...this.#durable.keys()]) {
      if (parentOf(each) === path && !this.#inodes.has(each) && !this.#directories.has(each)) {
        this.#durable.delete(each);
      }
    }
    for (const [each, inode] of this.#inodes) if (parentOf(each) === path) this.#durable.set(each, inode);
    for (const each of this.#directories) if (parentOf(each) === path) this.#durable.set(each, null);
  }

  #find(path: string): Inode {
    const inode = this.#inodes.get(path);
    if (inode === undefined) throw new Error(`No such file: ${path}`);
    return inode;
  }

  #afterCrash({ synced, unsynced }: Inode): Inode {
    let bytes = synced;
    for (const write of unsynced) {
      const isTaken = this.#random() < 0.5;
      const length = this.#random() < 0.5
        ? write.bytes.length
        : Math.floor(write.bytes.length * this.#random());
      if (isTaken) {
        bytes = applied(bytes, { position: write.position, bytes: write.bytes.subarray(0, length) });
      }
    }
    return { bytes, synced: bytes, unsynced: [] };
  }

  #call(call: string): DiskFate {
    this.calls.push(call);
    const fate = this.fateOf(call);
    if (fate === "fail") throw new Error("no space left on device");
    return fate;
  }

  async #do<T>(epoch: number, work: () => T): Promise<T> {
    // A call of a process that is dead never ends.
    if (epoch !== this.#epoch) return new Promise(() => {});
    await null;
    if (epoch !== this.#epoch) return new Promise(() => {});
    return work();
  }
}

function applied(before: Uint8Array, { position, bytes }: Write): Uint8Array {
  const after = new Uint8Array(Math.max(before.length, position + bytes.length));
  after.set(before);
  after.set(bytes, position);
  return after;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/"))) || ".";
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
