/**
 * The Env port: every contact with the outside world that is not a pure function of the program.
 *
 * Time, randomness, files, key-value stores and sockets are reached through an `Env` that is passed in, never
 * through globals. `env/real.ts` is the one implementation for production; tests and the simulator bring
 * their own. The lint plugin (`tools/lint_plugin.ts`) fails on any other use of the globals behind it.
 *
 * The idea of owning every source of nondeterminism comes from TigerBeetle's VOPR and FoundationDB.
 */

/** Cancels what the call that returned it had scheduled; calling it twice is harmless. */
export type Cancel = () => void;

/** A connected byte stream, the shape of `Deno.Conn`. */
export interface Conn {
  /** Peer address for log lines, e.g. `127.0.0.1:50122`. */
  readonly remoteAddress: string;
  /** Reads up to `buffer.byteLength` bytes; null at end of stream. Throws when the connection broke. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes some of `bytes`, returns how many. Throws when the connection broke. */
  write(bytes: Uint8Array): Promise<number>;
  /** Tells the peer that nothing more comes; reading goes on. Throws when the connection broke. Absent where nobody needs it. */
  closeWrite?(): Promise<void>;
  /** Closes both directions; idempotent, and unblocks a pending read or write. */
  close(): void;
}

/** A listening socket. */
export interface Listener {
  /** The port that was bound; never 0. */
  readonly port: number;
  readonly hostname: string;
  /** The next connection; null once the listener was closed. */
  accept(): Promise<Conn | null>;
  /** Stops listening; idempotent. */
  close(): void;
}

/** Key parts that Deno KV orders: by type, then by value. */
export type KvKeyPart = Uint8Array | string | number | bigint | boolean;
export type KvKey = readonly KvKeyPart[];

/** The part of `Deno.Kv` that `storage/deno_kv.ts`, its only caller, uses. */
export interface RawKv {
  get(key: KvKey, options?: { consistency?: "strong" | "eventual" }): Promise<RawKvEntry>;
  getMany(
    keys: readonly KvKey[],
    options?: { consistency?: "strong" | "eventual" },
  ): Promise<RawKvEntry[]>;
  list(
    selector: { start: KvKey; end: KvKey },
    options?: { limit?: number; reverse?: boolean; batchSize?: number; consistency?: "strong" | "eventual" },
  ): AsyncIterableIterator<RawKvEntry>;
  atomic(): RawKvAtomic;
  watch(keys: readonly KvKey[]): ReadableStream<RawKvEntry[]>;
  close(): void;
}

export interface RawKvEntry {
  key: KvKey;
  value: unknown;
  versionstamp: string | null;
}

export interface RawKvAtomic {
  check(check: { key: KvKey; versionstamp: string | null }): RawKvAtomic;
  set(key: KvKey, value: unknown): RawKvAtomic;
  delete(key: KvKey): RawKvAtomic;
  commit(): Promise<{ ok: true; versionstamp: string } | { ok: false }>;
}

/** An open file that is read and written at positions; calls may overlap. Errors of the operating system are thrown. */
export interface PositionalFile {
  /** Writes at `position` and returns how many bytes went there: fewer than given is a short write, as on a full disk. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  /** Fills `buffer` from `position`, as far as the file reaches, and returns how many bytes came. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  /**
   * Resolves when everything is on the disk whose `write` was called before, whether or not that has answered yet
   * (fdatasync). After an error nothing is known of it.
   */
  syncData(): Promise<void>;
  close(): Promise<void>;
}

/** The file operations the broker needs. */
export interface Files {
  /** Creates the directory and its parents; no error when it exists. */
  makeDirectory(path: string): Promise<void>;
  readText(path: string): Promise<string>;
  writeText(path: string, text: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Removes a file a piece at a time, so that the disk is never busy with it for long; what a crash leaves is shorter. */
  removeInSteps(path: string): Promise<void>;
  /** Gives a file another name, in place of a file that had it. */
  rename(from: string, to: string): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Makes a file that must not exist yet. Its name is on the disk only after `syncDirectory` of its directory. */
  create(path: string): Promise<PositionalFile>;
  /** Opens an existing file for reading and writing. */
  open(path: string): Promise<PositionalFile>;
  /** Names of the files in a directory and their sizes in bytes, and of the directories in it; none when there is no directory. */
  list(path: string): Promise<{ readonly name: string; readonly sizeBytes: number }[]>;
  /** Resolves when the names in a directory are on the disk (fsync of the directory). */
  syncDirectory(path: string): Promise<void>;
  /** Removes a directory that is empty. */
  removeDirectory(path: string): Promise<void>;
  /**
   * Takes an exclusive lock on a file, which is created when absent; the lock ends with the process.
   * Returns null when another process holds it.
   */
  lock(path: string): Promise<{ release(): void } | null>;
}

export interface Env {
  /** Wall clock, milliseconds since 1970. May jump; only for record timestamps and for people. */
  now(): number;
  /** Monotonic clock in milliseconds. All durations and deadlines are computed on it. */
  mono(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `callback` once after `ms`, unless cancelled. */
  timer(ms: number, callback: () => void): Cancel;
  /** Uniform in [0, 1). */
  random(): number;
  /** A random UUID (version 4) in its 36-character text form. */
  uuid(): string;
  /** Opens a Deno KV: a file path, `:memory:`, a URL, or undefined for the platform's own. */
  kv(path: string | undefined): Promise<RawKv>;
  readonly files: Files;
  listen(options: { hostname: string; port: number }): Promise<Listener>;
  /** Throws when the connection is refused or the signal is aborted. */
  connect(options: { hostname: string; port: number; signal?: AbortSignal }): Promise<Conn>;
  /** The addresses of a host name as the system knows them; throws when there are none. */
  resolve(hostname: string): Promise<readonly string[]>;
  /** An HTTP request to another server. Throws `UnreachableError` when there is no answer, and the signal's reason when it is aborted. */
  fetch(url: string, init: OutboundRequest): Promise<Response>;
  /**
   * What a codec makes of `bytes`, in the pieces in which it comes. It works for about a millisecond at a time and awaits `rest` in
   * between. Throws what `rest` throws, and what zlib does for malformed bytes.
   */
  zlib(codec: ZlibCodec, bytes: Uint8Array, options: ZlibOptions): Promise<Uint8Array[]>;
}

/** Compression, and the one inflation that takes long; those of zstd take a fifth of it. */
export type ZlibCodec = "gzip" | "gunzip" | "zstd";

export interface ZlibOptions {
  /** Of compression; the codec's own default when left out. */
  readonly level?: number;
  /** Told how many bytes have come so far. */
  readonly rest: (byteLength: number) => Promise<void>;
}

/** Redirects are not followed: they are answers. */
export interface OutboundRequest {
  /** To connect to, in this order, instead of whatever the name resolves to at that moment. */
  readonly addresses: readonly string[];
  /** Default GET. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | null;
  readonly signal?: AbortSignal;
}

/** Another server gave no answer. The message is for people, without the URL, which may hold a secret. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}
