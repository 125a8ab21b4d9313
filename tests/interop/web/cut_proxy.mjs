// A proxy before the server whose connections are cut on purpose.
import net from "node:net";

export async function cutProxy(server) {
  const sockets = new Set();
  const proxy = net.createServer((from) => {
    const to = net.connect(Number(server.port), server.hostname);
    sockets.add(from);
    from.pipe(to).pipe(from);
    for (const end of [from, to]) end.on("error", () => {});
    from.on("close", () => {
      sockets.delete(from);
      to.destroy();
    });
  });
  await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
  return {
    host: `127.0.0.1:${proxy.address().port}`,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

// Records `first` and the ones after, over the topics and their two partitions in turn.
export async function produce(server, topics, first, count) {
  for (const [index, topic] of topics.entries()) {
    const records = Array.from({ length: count }, (_, n) => first + n)
      .filter((n) => n % topics.length === index)
      .map((n) => ({
        value: String(n),
        partition: Math.floor(n / topics.length) % 2,
      }));
    const answer = await fetch(`${server.origin}/v1/topics/${topic}/records`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ records }),
    });
    if (!answer.ok) throw new Error(await answer.text());
  }
}
