/**
 * A disk in memory for tests, as bad as disks may be: what files and directories hold as running processes see it, and
 * what of it a power failure leaves. Bytes that were not synced, names that were not synced and removals may or may not
 * survive, in part or whole. Calls are synchronous and always work; `fake_disk.ts` and the simulator's `sim_files.ts` put
 * time and faults around it.
 */

interface Write {
  readonly position: number;
  readonly bytes: Uint8Array;
  /** What lay there before, as far as the file reached. */
  readonly before: Uint8Array;
  /** Length of the file before. */
  readonly lengthBefore: number;
  /** A sync failed with it: it is not on the disk, whatever readers see (as Linux does: what failed is not tried again). */
  isDoomed: boolean;
}

/** A file without its name. */
export class Inode {
  #bytes = new Uint8Array();
  #length = 0;
  #unsynced: Write[] = [];
  /** Bits that flipped at rest, by position; readers get them so, whatever was written. */
  readonly #flipped = new Map<number, number>();

  /** As a running process sees it, less what has flipped. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Whether all of the range is surely on the disk. */
  isSynced(position: number, length: number): boolean {
    return position + length <= this.#length &&
      !this.#unsynced.some((write) =>
        write.position < position + length && position < write.position + write.bytes.length
      );
  }

  get hasUnsynced(): boolean {
    return this.#unsynced.length > 0;
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    const lengthBefore = this.#length;
    const before = this.#bytes.slice(position, Math.min(end, Math.max(position, lengthBefore)));
    this.#unsynced.push({ position, bytes: bytes.slice(), before, lengthBefore, isDoomed: false });
    this.#put(bytes, position);
  }

  /** As on the way to being removed. */
  shrink(): void {
    this.#length >>= 1;
    this.#bytes = this.#bytes.slice(0, this.#length);
    this.#unsynced = [];
  }

  /** Returns how many bytes came. */
  read(buffer: Uint8Array, position: number): number {
    const found = this.bytes.subarray(position, position + buffer.length);
    buffer.set(found);
    for (const [at, mask] of this.#flipped) {
      const index = at - position;
      if (index >= 0 && index < found.length) buffer[index] = (buffer[index] ?? 0) ^ mask;
    }
    return found.length;
  }

  /** Positions of bytes that readers do not get as they were written. */
  get flippedPositions(): number[] {
    return [...this.#flipped.keys()];
  }

  /** Flips some bit, until it is repaired, and returns its byte's position; null when there is none that has not flipped. */
  flipBit(random: () => number): number | null {
    const bit = Math.floor(random() * 8 * this.#length);
    const at = bit >> 3;
    if (at >= this.#length || this.#flipped.has(at)) return null;
    this.#flipped.set(at, 1 << (bit & 7));
    return at;
  }

  /** The byte at that position, or all of them, are what was written again. */
  repair(at: number | null = null): void {
    if (at === null) this.#flipped.clear();
    else this.#flipped.delete(at);
  }

  sync(): void {
    this.#unsynced = this.#unsynced.filter((write) => write.isDoomed);
  }

  /** A sync that fails: some of what it was for never gets to the disk. */
  failSync(random: () => number): void {
    for (const write of this.#unsynced) write.isDoomed ||= random() < 0.5;
  }

  /** What is left after a power failure. */
  losePower(random: () => number): void {
    const writes = this.#unsynced;
    this.#unsynced = [];
    for (const write of writes.toReversed()) {
      this.#bytes.set(write.before, write.position);
      this.#length = write.lengthBefore;
    }
    for (const { position, bytes, isDoomed } of writes) {
      const isTaken = random() < 0.5;
      const length = random() < 0.5 ? bytes.length : Math.floor(bytes.length * random());
      if (isTaken && !isDoomed) this.#put(bytes.subarray(0, length), position);
    }
  }

  #put(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    // A gap reads as zeros.
    if (position > this.#length) this.#bytes.fill(0, this.#length, position);
    this.#bytes.set(bytes, position);
    this.#length = Math.max(this.#length, end);
  }
}

export class DiskModel {
  #inodes = new Map<string, Inode>();
  /** Names as they are on the disk for certain; directories have null. */
  #durable = new Map<string, Inode | null>();
  #directories = new Set<string>();

  /** Paths of all files, in order. */
  get paths(): string[] {
    return [...this.#inodes.keys()].sort();
  }

  /** The file of that name; null when there is none. */
  find(path: string): Inode | null {
    return this.#inodes.get(path) ?? null;
  }

  /** Throws when there is none. */
  open(path: string): Inode {
    const inode = this.#inodes.get(path);
    if (inode === undefined) throw new Error(`No such file: ${path}`);
    return inode;
  }

  /** Whether the name surely stays after a power failure. */
  isDurable(path: string): boolean {
    for (let at = path; at !== "." && at !== ""; at = parentOf(at)) if (!this.#durable.has(at)) return false;
    return true;
  }

  hasDirectory(path: string): boolean {
    return this.#directories.has(path);
  }

  makeDirectory(path: string): void {
    for (let at = path; at !== "." && at !== ""; at = parentOf(at)) this.#directories.add(at);
  }

  create(path: string): Inode {
    if (this.#inodes.has(path)) throw new Error(`File exists: ${path}`);
    if (!this.#directories.has(parentOf(path))) throw new Error(`No such directory: ${parentOf(path)}`);
    const inode = new Inode();
    this.#inodes.set(path, inode);
    return inode;
  }

  list(path: string): { name: string; sizeBytes: number }[] {
    const files = [...this.#inodes].filter(([each]) => parentOf(each) === path)
      .map(([each, inode]) => ({ name: nameOf(each), sizeBytes: inode.bytes.length }));
    const directories = [...this.#directories].filter((each) => each !== path && parentOf(each) === path)
      .map((each) => ({ name: nameOf(each), sizeBytes: 0 }));
    return [...files, ...directories];
  }

  remove(path: string): void {
    this.open(path);
    this.#inodes.delete(path);
  }

  removeDirectory(path: string): void {
    if (!this.#directories.has(path)) throw new Error(`No such directory: ${path}`);
    if (this.list(path).length > 0) throw new Error(`Directory not empty: ${path}`);
    this.#directories.delete(path);
  }

  syncDirectory(path: string): void {
    for (const each of [...this.#durable.keys()]) {
      if (parentOf(each) === path && !this.#inodes.has(each) && !this.#directories.has(each)) {
        this.#durable.delete(each);
      }
    }
    for (const [each, inode] of this.#inodes) if (parentOf(each) === path) this.#durable.set(each, inode);
    for (const each of this.#directories) if (parentOf(each) === path) this.#durable.set(each, null);
  }

  /** What is left after a power failure; files that were open are of no use any more. False when all was synced. */
  losePower(random: () => number): boolean {
    let isAllSynced = true;
    const inodes = new Map<string, Inode>();
    for (const path of new Set([...this.#inodes.keys(), ...this.#durable.keys()])) {
      const durable = this.#durable.get(path);
      const inode = this.#inodes.get(path) ?? durable ?? null;
      if (inode === null) continue;
      const isCertain = durable !== undefined && this.#inodes.has(path);
      // Made or removed without a sync of the directory: either may be.
      if (!isCertain || inode.hasUnsynced) isAllSynced = false;
      if (!isCertain && random() < 0.5) continue;
      inode.losePower(random);
      inodes.set(path, inode);
    }
    this.#directories = new Set([...this.#directories].filter((path) => this.#durable.has(path)));
    // A file cannot be in a directory that is gone.
    for (const path of inodes.keys()) if (!this.#directories.has(parentOf(path))) inodes.delete(path);
    this.#inodes = inodes;
    this.#durable = new Map<string, Inode | null>(inodes);
    for (const path of this.#directories) this.#durable.set(path, null);
    return !isAllSynced;
  }
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/"))) || ".";
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
