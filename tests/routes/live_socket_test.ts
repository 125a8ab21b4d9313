/** Live tails over WebSockets, on real sockets. */
import assert from "node:assert/strict";
import { limits } from "../../core/config/limits.ts";
import { serveBroker } from "../served_broker.ts";
import { HttpDoor, produceTo, SocketTail } from "./live_client.ts";

const ADMIN = "the-admin-key-of-these-tests";
const handshake = {
  upgrade: "websocket",
  connection: "Upgrade",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** A client that does by hand what others do not let one do. */
class RawSocket implements Disposable {
  readonly #conn: Deno.TcpConn;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  static async open(port: number, path: string): Promise<RawSocket> {
    const raw = new RawSocket(await Deno.connect({ hostname: "127.0.0.1", port }));
    await raw.write(new TextEncoder().encode(requestText(path, handshake)));
    const head = await raw.read(new Uint8Array(4_096));
    assert.match(new TextDecoder().decode(head ?? undefined), /^HTTP\/1\.1 101 /);
    return raw;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** Null at the end. */
  async read(buffer: Uint8Array): Promise<Uint8Array | null> {
    const length = await this.#conn.read(buffer);
    return length === null ? null : buffer.subarray(0, length);
  }

  [Symbol.dispose]() {
    this.#conn.close();
  }
}

function requestText(path: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries({ host: "127.0.0.1", ...headers }).map(([name, value]) =>
    `${name}: ${value}\r\n`
  );
  return `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** A masked frame of a client; the mask is zero. */
function frame(opcode: number, payload: Uint8Array, isLast = true): Uint8Array {
  const head = [(isLast ? 0x80 : 0) | opcode];
  if (payload.length < 126) head.push(0x80 | payload.length);
  else head.push(0x80 | 126, payload.length >> 8, payload.length & 255);
  return Uint8Array.from([...head, 0, 0, 0, 0, ...payload]);
}

/** Status of a handshake that is refused, and its headers. */
async function refusal(port: number, path: string, headers: Readonly<Record<string, string>>) {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(
    new TextEncoder().encode(requestText(path, { ...headers, host: headers["host"] ?? "127.0.0.1" })),
  );
  const buffer = new Uint8Array(8_192);
  const text = new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
  return { status: Number(text.split(" ")[1]), text };
}

Deno.test("live socket: the events of the stream as messages, and again from an id", async () => {
  await using served = await serveBroker({ config: { "num.partitions": "2" } });
  await using door = await HttpDoor.open(served);
  await produceTo(served.http, "a", [{ value: "old", partition: 0 }]);
  await produceTo(served.http, "b", [{ value: "old", partition: 1 }]);
  let id: string;
  {
    await using tail = new SocketTail(door, "/v1/live?topics=a,b");
    const [place] = await tail.take(1);
    assert.deepEqual([place?.event, place?.data], ["position", null]);
    await produceTo(served.http, "a", [{ key: "k", value: '"\n\r"', partition: 1 }]);
    const [record] = await tail.take(1);
    assert.deepEqual([record?.event, record?.data.topic, record?.data.value.data], ["record", "a", '"\n\r"']);
    id = record?.id ?? "";
  }
  await produceTo(served.http, "b", [{ value: "meanwhile", partition: 0 }]);
  await using again = new SocketTail(door, `/v1/live?topics=a,b&lastEventId=${id}`);
  assert.deepEqual((await again.take(2)).map(({ event, data }) => [event, data?.topic, data?.value.data]), [
    ["position", undefined, undefined],
    ["record", "b", "meanwhile"],
  ]);
  await using one = new SocketTail(door, "/v1/topics/b/live?partition=0&from=earliest");
  assert.deepEqual((await one.take(2)).map(({ id }) => id.replace(/^[0-9a-f]{12}/, "")), [".0-0", ".0-1"]);
});

Deno.test("live socket: paused it sends nothing, resumed it goes on without a gap", async () => {
  await using served = await serveBroker();
  await using door = await HttpDoor.open(served);
  await produceTo(served.http, "a", [{ value: "0" }]);
  await using tail = new SocketTail(door, "/v1/live?topics=a");
  await tail.take(1);
  tail.send('{"type":"pause"}');
  await new Promise((resolve) => setTimeout(resolve, 50));
  await produceTo(served.http, "a", Array.from({ length: 300 }, (_, n) => ({ value: String(n) })));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(tail.waitingCount, 0);
  tail.send('{"type":"resume"}');
  const records = await tail.take(300);
  assert.deepEqual(records.map(({ data }) => data.offset), Array.from({ length: 300 }, (_, n) => n + 1));
});

Deno.test("live socket: the same where Deno has the port", async () => {
  await using served = await serveBroker();
  await using door = await HttpDoor.open(served, { isDenoAlone: true });
  await produceTo(served.http, "a", [{ value: "0" }]);
  await using tail = new SocketTail(door, "/v1/live?topics=a&from=earliest", ["kavka.live"]);
  assert.deepEqual((await tail.take(2)).map(({ event }) => event), ["position", "record"]);
  assert.equal(tail.socket.protocol, "kavka.live");
  tail.send('{"type":"pause"}');
  await new Promise((resolve) => setTimeout(resolve, 50));
  await produceTo(served.http, "a", [{ value: "1" }]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(tail.waitingCount, 0);
  tail.send('{"type":"resume"}');
  assert.equal((await tail.take(1))[0]?.data.offset, 1);
  for (
    const [message, code] of [["{}", 1008], ["x".repeat(2_000), 1009], [new Uint8Array(3), 1003]] as const
  ) {
    await using bad = new SocketTail(door, "/v1/live?topics=a");
    await bad.take(1);
    bad.socket.send(message);
    assert.equal((await bad.closed).code, code);
  }
  await door.endStreams();
  assert.equal((await tail.closed).code, 1001);
});

Deno.test("live socket: its bytes count for the client's quota", async () => {
  await using served = await serveBroker();
  await using door = await HttpDoor.open(served);
  await produceTo(served.http, "a", [{ value: "x".repeat(1_000) }]);
  const { quotas } = served.broker;
  const counted: [key: string, bytes: number][] = [];
  quotas.record = (key, _client, bytes) => {
    counted.push([key, bytes]);
    return 0;
  };
  Object.defineProperty(quotas, "isEmpty", { value: false });
  await using tail = new SocketTail(door, "/v1/live?topics=a&from=earliest");
  await tail.take(2);
  const bytes = counted.filter(([key]) => key === "consumer_byte_rate").reduce(
    (sum, [, bytes]) => sum + bytes,
    0,
  );
  assert.ok(bytes >= 1_000 && bytes < 2_000, JSON.stringify(counted));
});

Deno.test("live socket: what a client must not send ends it with the right code", async () => {
  await using served = await serveBroker();
  await using door = await HttpDoor.open(served);
  await produceTo(served.http, "a", [{ value: "0" }]);
  const cases: readonly [what: string, message: string | Uint8Array<ArrayBuffer>, code: number][] = [
    ["no JSON", "hello", 1008],
    ["empty", "", 1008],
    ["no object", "null", 1008],
    ["a list", '["pause"]', 1008],
    ["an unknown type", '{"type":"subscribe"}', 1008],
    ["more than its type", '{"type":"pause","topics":["secret"]}', 1008],
    ["__proto__", '{"__proto__":{"type":"pause"}}', 1008],
    ["bytes", new Uint8Array([1, 2, 3]), 1003],
    ["too long", " ".repeat(limits.liveMessageBytesMax) + '{"type":"pause"}', 1009],
    ["1 MB", "x".repeat(1_000_000), 1009],
    ["nested 10^5 deep", "[".repeat(100_000), 1009],
  ];
  for (const [what, message, code] of cases) {
    await using tail = new SocketTail(door, "/v1/live?topics=a");
    await tail.take(1);
    tail.socket.send(message);
    const closed = await tail.closed;
    assert.equal(closed.code, code, `${what}: ${closed.reason}`);
    assert.notEqual(closed.reason, "", what);
  }
  await using flood = new SocketTail(door, "/v1/live?topics=a");
  await flood.take(1);
  for (let n = 0; n <= limits.liveMessagesPerSecondMax; n++) flood.send('{"type":"resume"}');
  assert.equal((await flood.closed).code, 1008);
  await using healthy = new SocketTail(door, "/v1/live?topics=a&from=earliest");
  assert.equal((await healthy.take(2)).at(-1)?.event, "record");
});

Deno.test("live socket: fragments are one message; what is too long, not UTF-8 or against the protocol is told by its code", async () => {
  await using served = await serveBroker();
  await using door = await HttpDoor.open(served);
  await produceTo(served.http, "a", [{ value: "0" }]);
  const text = (each: string) => new TextEncoder().encode(each);
  const codeAfter = async (...frames: Uint8Array[]): Promise<number | null> => {
    using raw = await RawSocket.open(door.port, "/v1/live?topics=a");
    for (const each of frames) await raw.write(each);
    let bytes: number[] = [];
    for (const buffer = new Uint8Array(65_536);;) {
      const read = await raw.read(buffer);
      if (read === null) return null;
      bytes.push(...read);
      // Only places and pongs come before; they are short.
      while ((bytes[0] === 0x81 || bytes[0] === 0x8a) && bytes.length >= 2 + (bytes[1] ?? 0)) {
        bytes = bytes.slice(2 + (bytes[1] ?? 0));
      }
      if (bytes[0] === 0x88 && bytes.length >= 4) return (bytes[2] ?? 0) << 8 | (bytes[3] ?? 0);
    }
  };
  const fragments = (part: Uint8Array, count: number) =>
    Array.from({ length: count }, (_, n) => frame(n === 0 ? 1 : 0, part, n === count - 1));
  assert.equal(await codeAfter(frame(1, text('{"type":'), false), frame(0, text('"nope"}'))), 1008);
  const pause = [frame(1, text('{"type":'), false), frame(9, text("ping")), frame(0, text('"pause"}'))];
  assert.equal(await codeAfter(...pause, frame(8, Uint8Array.of(3, 232))), 1000);
  assert.equal(await codeAfter(...fragments(text("x".repeat(500)), 3)), 1009);
  // At once, before what the head announces: here 1 GB.
  assert.equal(await codeAfter(Uint8Array.of(0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0)), 1009);
  assert.equal(await codeAfter(frame(1, Uint8Array.of(0xff, 0xfe))), 1007);
  assert.equal(await codeAfter(frame(3, text("x"))), 1002);
  assert.equal(await codeAfter(frame(0, text("x"))), 1002);
  assert.equal(await codeAfter(Uint8Array.of(0xc1, 0x81, 0, 0, 0, 0, 0x78)), 1002);
  assert.equal(await codeAfter(Uint8Array.of(0x81, 0x01, 0x78)), 1002);
});

Deno.test("live socket: what is wrong with the request is told before there is a socket", async () => {
  await using served = await serveBroker();
  await using door = await HttpDoor.open(served, { adminKey: ADMIN });
  const admin = { authorization: `Bearer ${ADMIN}` };
  for (const name of ["mine", "other"]) {
    const body = JSON.stringify({ name });
    const headers = { "content-type": "application/json", ...admin };
    assert.equal((await door.fetch("/v1/topics", { method: "POST", headers, body })).status, 201);
  }
  const body = JSON.stringify({ name: "k", scopes: ["consume:mine"] });
  const headers = { "content-type": "application/json", ...admin };
  const { key } = await (await door.fetch("/v1/api-keys", { method: "POST", headers, body })).json();
  const reader = { ...handshake, authorization: `Bearer ${key}` };
  const cases: readonly [path: string, headers: Record<string, string>, status: number][] = [
    ["/v1/live?topics=mine", handshake, 401],
    [`/v1/live?topics=mine&access_token=${key}`, handshake, 401],
    ["/v1/live?topics=mine", { ...handshake, authorization: "Bearer x" }, 401],
    ["/v1/live?topics=mine", { ...handshake, "sec-websocket-protocol": "kavka.live, kavka.key.x" }, 401],
    ["/v1/topics/mine/live", { "sec-websocket-protocol": `kavka.key.${key}` }, 401],
    ["/v1/live?topics=mine,other", reader, 403],
    ["/v1/topics/other/live", reader, 403],
    ["/v1/live?topics=mine", { ...reader, origin: "https://evil.example" }, 403],
    ["/v1/live?topics=mine", { ...reader, origin: "null" }, 403],
    ["/v1/live?topics=mine", { ...reader, host: "evil.example" }, 403],
    ["/v1/live?topics=mine", { ...reader, "sec-fetch-site": "cross-site" }, 403],
    ["/v1/live?topics=mine&from=x", reader, 400],
    ["/v1/live?topics=mine&lastEventId=x", reader, 400],
    ["/v1/live?topics=mine", { ...reader, "sec-websocket-version": "8" }, 426],
    ["/v1/live?topics=mine", { ...reader, "sec-websocket-key": "short" }, 400],
    ["/v1/live?topics=mine", { ...reader, connection: "keep-alive" }, 400],
    ["/v1/topics", { ...reader, authorization: `Bearer ${ADMIN}` }, 200],
  ];
  for (const [path, headers, status] of cases) {
    const answer = await refusal(door.port, path, headers);
    assert.equal(answer.status, status, `${path} ${JSON.stringify(headers)}: ${answer.text}`);
    if (status === 401) assert.match(answer.text, /www-authenticate: Bearer/i);
    if (status === 426) assert.match(answer.text, /sec-websocket-version: 13/i);
  }
  // A page has no other header to put its key into.
  await using page = new SocketTail(door, "/v1/live?topics=mine", ["kavka.live", `kavka.key.${key}`]);
  assert.equal((await page.take(1))[0]?.event, "position");
  assert.equal(page.socket.protocol, "kavka.live");
  await using client = new SocketTail(door, "/v1/live?pattern=.*", {
    headers: { authorization: `Bearer ${key}` },
  });
  assert.equal((await client.take(1))[0]?.event, "position");
  await produceTo(door.fetch, "mine", [{ value: "1" }], admin);
  await produceTo(door.fetch, "other", [{ value: "1" }], admin);
  await produceTo(door.fetch, "mine", [{ value: "2" }], admin);
  assert.deepEqual((await client.take(2)).map(({ data }) => data.topic), ["mine", "mine"]);
  assert.equal(
    (await door.fetch(`/v1/api-keys/${key.split("_")[1]}`, { method: "DELETE", headers: admin })).status,
    204,
  );
  await produceTo(door.fetch, "mine", [{ value: "not any more" }], admin);
  assert.deepEqual([(await client.closed).code, (await page.closed).code], [1008, 1008]);
});

Deno.test("live socket: it ends with 1000 when no topic is left, with 1001 when the server stops, paused or not", async () => {
  await using served = await serveBroker();
  await using door = await HttpDoor.open(served);
  for (const topic of ["a", "b"]) await produceTo(served.http, topic, [{ value: "0" }]);
  await using gone = new SocketTail(door, "/v1/live?topics=a");
  await gone.take(1);
  assert.equal((await served.http("/v1/topics/a", { method: "DELETE" })).status, 204);
  assert.deepEqual((await gone.take(1)).map(({ event }) => event), ["topicDeleted"]);
  assert.equal((await gone.closed).code, 1000);
  await using open = new SocketTail(door, "/v1/live?topics=b");
  await using paused = new SocketTail(door, "/v1/live?topics=b&from=earliest");
  await open.take(1);
  await paused.take(2);
  paused.send('{"type":"pause"}');
  await new Promise((resolve) => setTimeout(resolve, 20));
  await produceTo(served.http, "b", [{ value: "1" }]);
  await open.take(1);
  await door.endStreams();
  assert.deepEqual([(await open.closed).code, (await paused.closed).code], [1001, 1001]);
});

Deno.test("live socket: for a reader that does not read nothing is read ahead, and it loses nothing", async () => {
  await using served = await serveBroker();
  await using door = await HttpDoor.open(served);
  await produceTo(served.http, "a", [{ value: "0" }]);
  using raw = await RawSocket.open(door.port, "/v1/live?topics=a");
  const fetches = () =>
    [...served.broker.metrics.fetches.family().samples].reduce((sum, { value }) => sum + value, 0);
  const value = "x".repeat(60_000);
  const count = 300;
  for (let n = 0; n < count; n += 50) {
    await produceTo(served.http, "a", Array.from({ length: 50 }, () => ({ value })));
  }
  // Until it has stopped reading: what the sockets hold is full.
  for (let before = -1; before !== fetches();) {
    before = fetches();
    await new Promise((resolve) => setTimeout(resolve, 600));
  }
  const pages = count * value.length / limits.livePageBytesMax;
  assert.ok(fetches() < pages * 2 / 3, `${fetches()} of ${pages} pages`);
  const offsets: number[] = [];
  let text = "";
  for (const buffer = new Uint8Array(1_048_576); offsets.at(-1) !== count;) {
    const read = await raw.read(buffer);
    assert.ok(read !== null, "the server closed it");
    // Frames' heads are no ASCII that these words would have.
    text += new TextDecoder("latin1").decode(read);
    for (const [found, offset] of text.matchAll(/"event":"record".{1,200}?"offset":(\d+)/gs)) {
      offsets.push(Number(offset));
      text = text.slice(text.indexOf(found) + found.length);
    }
    text = text.slice(-500);
  }
  assert.deepEqual(offsets, Array.from({ length: count }, (_, n) => n + 1));
});

Deno.test("live socket: a client that leaves, at whichever moment, gives its place back", async () => {
  await using served = await serveBroker({ config: { "http.live.tails.max": "5" } });
  await using door = await HttpDoor.open(served);
  await produceTo(served.http, "a", [{ value: "0" }]);
  const isFull = async () => {
    const answer = await refusal(door.port, "/v1/live?topics=a", {});
    return answer.status === 503;
  };
  for (let round = 0; round < 20; round++) {
    // One that is gone before the answer, one that is gone after it, one that says good-bye; of both forms.
    for (const headers of [handshake, {}]) {
      using hasty = await Deno.connect({ hostname: "127.0.0.1", port: door.port });
      await hasty.write(new TextEncoder().encode(requestText("/v1/live?topics=a", headers)));
    }
    {
      using _raw = await RawSocket.open(door.port, "/v1/live?topics=a").catch(() => null);
    }
    for (let tries = 0; await isFull(); tries++) {
      assert.ok(tries < 100, `round ${round}: places are not given back`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await using _tail = new SocketTail(door, "/v1/live?topics=a");
    await _tail.take(1);
  }
});
