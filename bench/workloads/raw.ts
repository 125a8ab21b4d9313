/** What the machine gives without a broker, in the same run: the ceilings that the other figures are read against. MB/s. */

const SECONDS = 3;
const VALUE_BYTES = 60 * 1_024;
const VALUES_PER_COMMIT = 12;
const FILE_BYTES = 1_024 * 1_024;
const SOCKET_BYTES = 256 * 1_024;

export const rawLimits: readonly { readonly name: string; run(): Promise<number> }[] = [
  { name: "raw: Deno KV, 12 values of 60 KB a commit, 2 in flight", run: () => inDirectory(kv) },
  { name: "raw: a file, 1 MB and fdatasync", run: () => inDirectory(file) },
  { name: "raw: TCP over loopback, Deno to Deno", run: loopback },
];

async function inDirectory(measure: (directory: string) => Promise<number>): Promise<number> {
  const directory = Deno.makeTempDirSync({ prefix: "kavka-bench-" });
  try {
    return await measure(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** MB/s of `inFlight` loops of `work`, which returns the bytes it moved. */
async function rate(inFlight: number, work: () => Promise<number>): Promise<number> {
  const begun = performance.now();
  let bytes = 0;
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (performance.now() - begun < SECONDS * 1_000) {
      const moved = await work();
      bytes += moved;
    }
  }));
  return bytes / 1_000 / (performance.now() - begun);
}

function noise(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

async function kv(directory: string): Promise<number> {
  const store = await Deno.openKv(`${directory}/kv.sqlite`);
  const value = noise(VALUE_BYTES);
  let key = 0;
  try {
    return await rate(2, async () => {
      const atomic = store.atomic();
      for (let i = 0; i < VALUES_PER_COMMIT; i++) atomic.set(["raw", key++], value);
      await atomic.commit();
      return VALUES_PER_COMMIT * VALUE_BYTES;
    });
  } finally {
    store.close();
  }
}

async function file(directory: string): Promise<number> {
  using opened = await Deno.open(`${directory}/file`, { write: true, create: true });
  const bytes = noise(FILE_BYTES);
  return await rate(1, async () => {
    for (let at = 0; at < FILE_BYTES;) at += await opened.write(bytes.subarray(at));
    await opened.syncData();
    return FILE_BYTES;
  });
}

async function loopback(): Promise<number> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const reader = new Worker(new URL("loopback_reader.ts", import.meta.url).href, { type: "module" });
  const accepted = listener.accept();
  reader.postMessage(listener.addr.port);
  const conn = await accepted;
  listener.close();
  const bytes = noise(SOCKET_BYTES);
  try {
    return await rate(1, () => conn.write(bytes));
  } finally {
    conn.close();
    reader.terminate();
  }
}
