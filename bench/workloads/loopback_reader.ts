/** The other end of the loopback measurement, on a thread of its own: reads until the connection ends. */
self.onmessage = async ({ data: port }: MessageEvent<number>) => {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(256 * 1_024);
  while (await conn.read(buffer) !== null);
};
