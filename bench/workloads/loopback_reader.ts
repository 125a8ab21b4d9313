/** The other end of the loopback measurement, on a thread of its own: reads until the connection ends. */
globalThis.addEventListener("message", async (event) => {
  const port = (event as MessageEvent<number>).data;
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(256 * 1_024);
  while (await conn.read(buffer) !== null);
});
