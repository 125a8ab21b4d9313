/**
 * The production Env on Deno: the only file that touches clocks, randomness, timers, files, key-value stores and sockets.
 */
import { lookup } from "node:dns/promises";
import type * as Tls from "node:tls";
import type { Cancel, Conn, Env, Files, Listener, PositionalFile, RawKv } from "../lib/env.ts";
import type { UpgradeWebSocket } from "../lib/server_socket.ts";
import { DenoSocket } from "./deno_socket.ts";
import { type ByteConn, type Dialer, requestPinned, type SecureTarget } from "./pinned_request.ts";
import { positionalFile } from "./positional_file.ts";
import { removeInSteps } from "./remove_in_steps.ts";
import { TlsSocket } from "./tls_socket.ts";
import { zlibInPieces } from "./zlib_pieces.ts";

/** Beyond this `setTimeout` would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The world as it is. `authorities`: certificate authorities that other servers may have besides those that Deno knows, as PEM. */
export function realEnv({ authorities = [] }: { readonly authorities?: readonly string[] } = {}): Env {
  let trusted: Tls.SecureContext | null = null;
  const dialer: Dialer = {
    connect: tcpConn,
    async connectSecurely(target) {
      // Loading it takes some of a server's start, and most never need it.
      const tls = await import("node:tls");
      return await secureConn(tls, trusted ??= trusting(tls, authorities), target);
    },
  };
  return {
    now: () => Date.now(),
    mono: () => performance.now(),
    sleep,
    timer,
    random: () => Math.random(),
    uuid: () => crypto.randomUUID(),
    // The port is the subset of `Deno.Kv` that we use; Deno's own types carry a type parameter for each key part.
    kv: async (path) => await Deno.openKv(path) as unknown as RawKv,
    files: realFiles,
    listen,
    connect,
    resolve,
    fetch: (url, request) => requestPinned(url, request, dialer),
    zlib: zlibInPieces,
  };
}

/** As `connect` and `fetch` find them: by getaddrinfo, the hosts file included. */
async function resolve(hostname: string): Promise<string[]> {
  return (await lookup(hostname, { all: true })).map(({ address }) => address);
}

const READ_BYTES = 16 * 1024;

async function tcpConn(hostname: string, port: number, signal: AbortSignal | null): Promise<ByteConn> {
  const conn = await Deno.connect({ hostname, port, ...(signal === null ? {} : { signal }) });
  conn.setNoDelay(true);
  let isClosed = false;
  return {
    async read() {
      const buffer = new Uint8Array(READ_BYTES);
      const count = await conn.read(buffer);
      return count === null ? null : buffer.subarray(0, count);
    },
    async write(bytes) {
      for (let written = 0; written < bytes.byteLength;) written += await conn.write(bytes.subarray(written));
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      conn.close();
    },
  };
}

/** Who is trusted: whom Deno knows, DENO_CERT included, and these authorities, as PEM. */
function trusting(tls: typeof Tls, authorities: readonly string[]): Tls.SecureContext {
  const secure = tls.createSecureContext();
  // Its option `ca` would take the place of those that are known; to list them needs --allow-sys.
  for (const authority of authorities) secure.context.addCACert(authority);
  return secure;
}

function secureConn(
  tls: typeof Tls,
  secureContext: Tls.SecureContext,
  { address, port, hostname, signal }: SecureTarget,
): Promise<TlsSocket> {
  const socket = tls.connect({
    host: address,
    port,
    // Names alone are told; for an address in the URL the certificate is held against `host`.
    ...(hostname === address ? {} : { servername: hostname }),
    secureContext,
    ALPNProtocols: ["http/1.1"],
    // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
    rejectUnauthorized: true,
  });
  return TlsSocket.reach(socket, signal);
}

/** Calls back once, unless cancelled. */
export function timer(ms: number, callback: () => void): Cancel {
  const id = setTimeout(callback, Math.min(ms, TIMER_MS_MAX));
  return () => clearTimeout(id);
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = timer(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

const realFiles: Files = {
  makeDirectory: (path) => Deno.mkdir(path, { recursive: true }),
  readText: (path) => Deno.readTextFile(path),
  writeText,
  remove: (path) => Deno.remove(path),
  removeInSteps: (path) =>
    removeInSteps(path, {
      sizeOf: async (each) => (await Deno.stat(each)).size,
      truncate: Deno.truncate,
      remove: (each) => Deno.remove(each),
      mono: () => performance.now(),
      sleep,
    }),
  exists,
  create: (path) => open(path, true),
  open: (path) => open(path, false),
  list,
  syncDirectory,
  removeDirectory: (path) => Deno.remove(path),
  rename: (from, to) => Deno.rename(from, to),
  lock,
};

/** Replaces the whole file or nothing of it, and has it on disk when it returns. */
async function writeText(path: string, text: string): Promise<void> {
  const newPath = `${path}.new`;
  const file = await Deno.open(newPath, { write: true, create: true, truncate: true });
  try {
    await writeAll(file, new TextEncoder().encode(text));
    await file.sync();
  } finally {
    file.close();
  }
  await Deno.rename(newPath, path);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function open(path: string, isNew: boolean): Promise<PositionalFile> {
  const file = await Deno.open(path, { read: true, write: true, createNew: isNew });
  return positionalFile(file, () => Deno.open(path));
}

async function list(path: string): Promise<{ name: string; sizeBytes: number }[]> {
  const found: { name: string; sizeBytes: number }[] = [];
  try {
    for await (const { name } of Deno.readDir(path)) {
      const sizeBytes = await sizeOf(`${path}/${name}`);
      // Gone since it was named: that hides no other.
      if (sizeBytes !== null) found.push({ name, sizeBytes });
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

/** Null: there is no such file. */
async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await Deno.open(path);
  try {
    await directory.sync();
  } finally {
    directory.close();
  }
}

/** A lock that is free is had at once; this long it may take on a busy machine. */
const LOCK_WAIT_MS = 1_000;

/** Whether the lock was free; if not, the file is given up. */
async function tryLock(file: Deno.FsFile): Promise<boolean> {
  if ("tryLock" in file) {
    const locked = await file.tryLock(true);
    if (!locked) file.close();
    return locked;
  }
  // Deno before 2.6 only has the lock that waits. It keeps the file open for as long as it does, so it is not closed here.
  const waiting = (file as Deno.FsFile).lock(true).then(() => true);
  return await Promise.race([waiting, sleep(LOCK_WAIT_MS).then(() => false)]);
}

/** The holder's process id is in the file, so that whoever is refused can name it. */
async function lock(path: string): Promise<{ release(): void } | null> {
  // Not truncated on opening: that would erase the id of a holder.
  const file = await Deno.open(path, { read: true, write: true, create: true });
  try {
    if (!await tryLock(file)) return null;
    await file.truncate();
    await writeAll(file, new TextEncoder().encode(`${Deno.pid}\n`));
  } catch (error) {
    file.close();
    throw error;
  }
  let released = false;
  return {
    release: () => {
      if (released) return;
      released = true;
      // Closing ends the lock.
      file.close();
    },
  };
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.byteLength;) written += await file.write(bytes.subarray(written));
}

/** For requests of `Deno.serve`. */
export const upgradeWebSocket: UpgradeWebSocket = (request, { protocol, messageBytesMax, silenceMsMax }) => {
  const { socket, response } = Deno.upgradeWebSocket(request, {
    idleTimeout: Math.ceil(silenceMsMax / 1_000),
    ...(protocol === null ? {} : { protocol }),
  });
  return { socket: new DenoSocket(socket, { messageBytesMax, timer }), response };
};

class RealConn implements Conn {
  readonly remoteAddress: string;
  readonly #conn: Deno.TcpConn;
  #closed = false;

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.remoteAddress = `${conn.remoteAddr.hostname}:${conn.remoteAddr.port}`;
    try {
      conn.setNoDelay(true);
    } catch {
      // The peer is gone already; the first read says so.
    }
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    if (this.#closed) return null;
    try {
      return await this.#conn.read(buffer);
    } catch (error) {
      // Our own close() interrupts the read: that is an end, not a fault.
      if (this.#closed) return null;
      throw error;
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#conn.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }
}

// deno-lint-ignore require-await -- listening is synchronous on Deno, and elsewhere it is not
async function listen(options: { hostname: string; port: number }): Promise<Listener> {
  const listener = Deno.listen({ ...options, transport: "tcp" });
  let closed = false;
  return {
    port: listener.addr.port,
    hostname: listener.addr.hostname,
    accept: async () => {
      if (closed) return null;
      try {
        return new RealConn(await listener.accept());
      } catch (error) {
        if (closed) return null;
        throw error;
      }
    },
    close: () => {
      if (closed) return;
      closed = true;
      listener.close();
    },
  };
}

async function connect(
  { hostname, port, signal }: { hostname: string; port: number; signal?: AbortSignal },
): Promise<Conn> {
  signal?.throwIfAborted();
  const conn = await Deno.connect({ hostname, port, transport: "tcp", ...(signal ? { signal } : {}) });
  return new RealConn(conn);
}
