/**
 * A disk for tests, as bad as disks may be (`disk_model.ts`), behind the `Files` port: writes can be short or fail, and so
 * can syncs, as `fateOf` says. Chance comes from `random`.
 */
import type { Files, PositionalFile } from "../lib/env.ts";
import { DiskModel, type Inode, nameOf } from "./disk_model.ts";

export type DiskFate = "ok" | "short" | "fail" | "failAfter";

export class FakeDisk {
  /** Every call in order, such as `write 0000000000-….log 0+100`, without directories. */
  readonly calls: string[] = [];
  /** Asked before each `create`, `write` and `sync`. */
  fateOf: (call: string) => DiskFate = () => "ok";
  readonly #random: () => number;
  readonly #model = new DiskModel();
  #epoch = 0;

  constructor(random: () => number = () => 0.5) {
    this.#random = random;
  }

  /** Paths of all files, in order. */
  get paths(): string[] {
    return this.#model.paths;
  }

  /** Changes the bytes of a file behind everybody's back. */
  tamper(path: string, change: (bytes: Uint8Array) => void): void {
    const inode = this.#model.find(path);
    if (inode === null) throw new RangeError(`No such file: ${path}`);
    change(inode.bytes);
  }

  /** What is left after a power failure; files that were open are of no use any more. */
  crash(): void {
    this.#epoch++;
    this.#model.losePower(this.#random);
  }

  get files(): Files {
    const refuse = () => Promise.reject(new Error("not on this disk"));
    const model = this.#model;
    const epoch = this.#epoch;
    const remove = (path: string) =>
      this.#do(epoch, () => {
        model.open(path);
        this.calls.push(`remove ${nameOf(path)}`);
        model.remove(path);
      });
    return {
      readText: refuse,
      writeText: refuse,
      lock: refuse,
      rename: refuse,
      makeDirectory: (path) => this.#do(epoch, () => model.makeDirectory(path)),
      exists: (path) => this.#do(epoch, () => model.find(path) !== null || model.hasDirectory(path)),
      create: (path) =>
        this.#do(epoch, () => {
          this.#call(`create ${nameOf(path)}`);
          return this.#file(path, model.create(path), epoch);
        }),
      open: (path) => this.#do(epoch, () => this.#file(path, model.open(path), epoch)),
      list: (path) => this.#do(epoch, () => model.list(path)),
      syncDirectory: (path) =>
        this.#do(epoch, () => {
          this.#call(`syncDirectory ${nameOf(path)}`);
          model.syncDirectory(path);
        }),
      remove,
      removeInSteps: async (path) => {
        await this.#do(epoch, () => {
          this.calls.push(`shrink ${nameOf(path)}`);
          model.open(path).shrink();
        });
        await remove(path);
      },
      removeDirectory: (path) => this.#do(epoch, () => model.removeDirectory(path)),
    };
  }

  #file(path: string, inode: Inode, epoch: number): PositionalFile {
    return {
      write: (bytes, position) =>
        this.#do(epoch, () => {
          const fate = this.#call(`write ${nameOf(path)} ${position}+${bytes.length}`);
          const taken = bytes.subarray(0, fate === "short" ? bytes.length >> 1 : bytes.length);
          inode.write(taken, position);
          if (fate === "failAfter") throw new Error("input/output error");
          return taken.length;
        }),
      read: (buffer, position) => this.#do(epoch, () => inode.read(buffer, position)),
      syncData: () =>
        this.#do(epoch, () => {
          const fate = this.#call(`sync ${nameOf(path)}`);
          if (fate !== "failAfter") return inode.sync();
          inode.failSync(this.#random);
          throw new Error("input/output error");
        }),
      close: () => this.#do(epoch, () => {}),
    };
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
