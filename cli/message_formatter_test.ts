import assert from "node:assert/strict";
import type { ConsumedRecord } from "../client/mod.ts";
import { utf8 } from "./command_line.ts";
import { MessageFormatter } from "./message_formatter.ts";

const record: ConsumedRecord = {
  topic: "t",
  partition: 3,
  offset: 42,
  timestamp: 1795380645940,
  timestampType: "CreateTime",
  key: utf8("k"),
  value: utf8("v"),
  headers: [{ key: "h1", value: utf8("x") }, { key: "h2", value: null }],
  leaderEpoch: -1,
};

function format(properties: Record<string, string>, change: Partial<ConsumedRecord> = {}): string {
  const formatter = new MessageFormatter(new Map(Object.entries(properties)));
  formatter.add({ ...record, ...change });
  return new TextDecoder().decode(formatter.take());
}

Deno.test("MessageFormatter prints the columns of Kafka's formatter in its order", () => {
  const all = Object.fromEntries(
    ["timestamp", "partition", "offset", "epoch", "headers", "key"].map((
      column,
    ) => [`print.${column}`, "true"]),
  );
  // As Kafka 4.3.1 printed it.
  assert.equal(
    format(all),
    "CreateTime:1795380645940\tPartition:3\tOffset:42\tEpoch:NOT_PRESENT\th1:x,h2:null\tk\tv\n",
  );
  assert.equal(format({ "print.headers": "true", "print.value": "false" }, { headers: [] }), "NO_HEADERS\n");
  assert.equal(format({ "print.key": "true" }, { key: null }), "null\tv\n");
  assert.equal(format({ "print.key": "true", "print.value": "false" }), "k\n");
  assert.equal(format({ "print.value": "false" }), "");
  assert.equal(format({ "print.timestamp": "true" }, { timestamp: -1 }), "NO_TIMESTAMP\tv\n");
});

Deno.test("MessageFormatter takes separators and the null literal from properties", () => {
  const properties = {
    "print.key": "true",
    "key.separator": "|",
    "line.separator": ";",
    "null.literal": "NIL",
  };
  assert.equal(format(properties, { key: null }), "NIL|v;");
  assert.equal(format({ "print.headers": "true", "headers.separator": "&" }), "h1:x&h2:null\tv\n");
});

Deno.test("MessageFormatter passes bytes through, and grows with them", () => {
  const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => i & 0xff);
  const formatter = new MessageFormatter(new Map());
  formatter.add({ ...record, value: bytes });
  formatter.add({ ...record, value: Uint8Array.of(0xff, 0x00, 0x0a) });
  const printed = formatter.take();
  assert.deepEqual(printed.subarray(0, 200_000), bytes);
  assert.deepEqual([...printed.subarray(200_000)], [0x0a, 0xff, 0x00, 0x0a, 0x0a]);
  assert.equal(formatter.take().length, 0);
});

Deno.test("MessageFormatter reads numbers by their deserializer, and drops a line that it cannot read", () => {
  const long = { "value.deserializer": "org.apache.kafka.common.serialization.LongDeserializer" };
  assert.equal(format(long, { value: Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 0) }), "256\n");
  const formatter = new MessageFormatter(new Map(Object.entries({ ...long, "print.key": "true" })));
  assert.throws(() => formatter.add(record), /8 bytes/);
  assert.equal(formatter.take().length, 0);
  assert.throws(() => format({ "value.deserializer": "my.Deserializer" }), /not known/);
  assert.throws(() => format({ "print.colour": "true" }), /not known/);
});
