/** The Kafka door with hand-made frames on real sockets: peers that leave, drains, frames that make no sense. */
import assert from "node:assert/strict";
import { ByteReader, concat } from "../lib/bytes.ts";
import { encodeRequestFrame } from "../protocol/header.ts";
import { oldProduce } from "../protocol/messages/00_produce_old.ts";
import { apiVersions } from "../protocol/messages/18_api_versions.ts";
import { joinGroup } from "../protocol/messages/11_join_group.ts";
import { metadata } from "../protocol/messages/03_metadata.ts";
import { decodeResponse } from "../protocol/schema/api.ts";
import { serveBroker, type ServedBroker } from "./served_broker.ts";

const APPEAR_MS_MAX = 5_000;

function apiVersionsFrame(correlationId: number): Uint8Array {
  const request = { clientSoftwareName: "test", clientSoftwareVersion: "1" };
  return concat(encodeRequestFrame(apiVersions, 3, correlationId, "test", request));
}

/** A join that the group parks for its initial rebalance delay. */
function joinFrame(): Uint8Array {
  return concat(encodeRequestFrame(joinGroup, 3, 1, "test", {
    groupId: "g",
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 60_000,
    memberId: "",
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: new Uint8Array() }],
  }));
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + APPEAR_MS_MAX;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "it did not come about in time");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) at += await conn.write(bytes.subarray(at));
}

/** The correlation ids of the answers until the peer closes. */
async function answers(conn: Deno.Conn): Promise<number[]> {
  const bytes: number[] = [];
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null) break;
    bytes.push(...buffer.subarray(0, count));
  }
  const view = new DataView(Uint8Array.from(bytes).buffer);
  const ids: number[] = [];
  for (let at = 0; at + 8 <= view.byteLength; at += 4 + view.getInt32(at)) ids.push(view.getInt32(at + 4));
  return ids;
}

async function connect(served: ServedBroker): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname: "127.0.0.1", port: served.port });
}

/** Another client is served as if nothing had happened. */
async function assertServes(served: ServedBroker): Promise<void> {
  using conn = await connect(served);
  await writeAll(conn, apiVersionsFrame(7));
  await conn.closeWrite();
  assert.deepEqual(await answers(conn), [7]);
}

/** Whether the group's actor holds the answer of a join. */
function parksJoin({ broker }: ServedBroker): boolean {
  return broker.inspect().some((actor) => actor.kind === "consumer_group" && actor.parkedReplyCount > 0);
}

const slowGroups = { "group.initial.rebalance.delay.ms": "60000" };

Deno.test("a connection ends when its peer leaves while a request is parked", async () => {
  await using served = await serveBroker({ config: slowGroups });
  const conn = await connect(served);
  await writeAll(conn, joinFrame());
  await until(() => parksJoin(served));
  conn.close();
  await until(() => served.connectionCount === 0);
});

Deno.test("a drain does not wait for parked requests", async () => {
  const served = await serveBroker({ config: slowGroups });
  using conn = await connect(served);
  await writeAll(conn, joinFrame());
  await until(() => parksJoin(served));
  await served[Symbol.asyncDispose]();
  assert.equal(served.connectionCount, 0);
});

Deno.test("pipelined requests are answered in order, also after the peer has finished writing", async () => {
  await using served = await serveBroker();
  using conn = await connect(served);
  const ids = Array.from({ length: 300 }, (_, i) => i);
  await writeAll(conn, concat(ids.map(apiVersionsFrame)));
  await conn.closeWrite();
  assert.deepEqual(await answers(conn), ids);
});

Deno.test("an unknown version of ApiVersions is answered in version 0 with UNSUPPORTED_VERSION", async () => {
  await using served = await serveBroker();
  using conn = await connect(served);
  const frame = apiVersionsFrame(5);
  new DataView(frame.buffer).setInt16(6, 99);
  await writeAll(conn, frame);
  await conn.closeWrite();
  const buffer = new Uint8Array(65_536);
  await conn.read(buffer);
  const view = new DataView(buffer.buffer);
  assert.deepEqual([view.getInt32(4), view.getInt16(8)], [5, 35]);
  // Itself alone, as Kafka answers.
  assert.deepEqual([view.getInt32(10), view.getInt16(14)], [1, 18]);
});

Deno.test("Produce before version 3 is answered with UNSUPPORTED_VERSION, or ends the connection with acks=0", async () => {
  await using served = await serveBroker();
  for (const version of [0, 1, 2]) {
    using conn = await connect(served);
    const request = (acks: number) => ({
      acks,
      timeoutMs: 100,
      topicData: [{ name: "t", partitionData: [{ index: 3, records: new Uint8Array(20) }] }],
    });
    await writeAll(conn, concat(encodeRequestFrame(oldProduce, version, 9, "test", request(1))));
    const buffer = new Uint8Array(65_536);
    const count = await conn.read(buffer) ?? 0;
    const answer = decodeResponse(oldProduce, version, new ByteReader(buffer.subarray(8, count)));
    const [partition] = answer.responses[0]?.partitionResponses ?? [];
    assert.deepEqual([partition?.index, partition?.errorCode, partition?.baseOffset], [3, 35, -1]);
    await writeAll(conn, concat(encodeRequestFrame(oldProduce, version, 10, "test", request(0))));
    assert.equal(await conn.read(buffer), null);
  }
  await assertServes(served);
});

Deno.test("connections over max.connections.per.ip are closed, others are served, and places become free", async () => {
  await using served = await serveBroker({ config: { "max.connections.per.ip": "2" } });
  const first = await connect(served);
  const second = await connect(served);
  await until(() => served.connectionCount === 2);
  {
    using third = await connect(served);
    assert.equal(await third.read(new Uint8Array(1)), null);
  }
  assert.equal(served.connectionCount, 2);
  first.close();
  await until(() => served.connectionCount === 1);
  await assertServes(served);
  second.close();
});

Deno.test("what is no request closes its own connection and disturbs nobody", async () => {
  await using served = await serveBroker();
  const sized = (size: number, ...rest: number[]) => {
    const bytes = new Uint8Array(4 + rest.length);
    new DataView(bytes.buffer).setInt32(0, size);
    bytes.set(rest, 4);
    return bytes;
  };
  const truncated = concat(encodeRequestFrame(metadata, 9, 1, "test", { topics: null })).slice(0, -3);
  new DataView(truncated.buffer).setInt32(0, truncated.byteLength - 4);
  const cases: Record<string, Uint8Array> = {
    "size -1": sized(-1),
    "size 0": sized(0),
    "size 3": sized(3, 1, 2, 3),
    "size 2^31-1": sized(0x7fff_ffff),
    "HTTP": new TextEncoder().encode("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "TLS": Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03),
    "unknown API": sized(10, 0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff),
    "unknown version": sized(10, 0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff),
    "truncated body": truncated,
    "array of 2^31-1": sized(14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    using conn = await connect(served);
    await writeAll(conn, bytes);
    assert.deepEqual(await answers(conn), [], name);
    await assertServes(served);
  }
  await until(() => served.connectionCount === 0);
});

Deno.test("connections.max.idle.ms ends a connection that asks nothing, however it dawdles", async () => {
  const config = { ...slowGroups, "connections.max.idle.ms": "200" };
  await using served = await serveBroker({ config });
  const frame = apiVersionsFrame(1);
  const silent = await connect(served);
  const begun = await connect(served);
  await writeAll(begun, frame.subarray(0, 6));
  const slow = await connect(served);
  let slowEnded = false;
  const dribble = (async () => {
    // A frame of a thousand bytes that would take half a minute.
    await writeAll(slow, Uint8Array.of(0, 0, 3, 0xe8));
    try {
      while (!slowEnded) {
        await writeAll(slow, Uint8Array.of(0));
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    } catch {
      // The broker has closed it, which is what this waits for.
      slowEnded = true;
    }
  })();
  using parked = await connect(served);
  await writeAll(parked, joinFrame());
  await until(() => parksJoin(served));
  await until(() => served.connectionCount === 1);
  assert.ok(parksJoin(served), "the request that is being answered was cut off");
  for (const conn of [silent, begun]) {
    assert.deepEqual(await answers(conn), []);
    conn.close();
  }
  await dribble;
  slow.close();
  await assertServes(served);
});
