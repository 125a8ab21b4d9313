import assert from "node:assert/strict";
import fc from "fast-check";
import { formatPlaces, parsePartitionPlaces, parsePlaces, topicTag } from "./places.ts";

const offset = fc.nat({ max: 999_999_999_999_999 });
const places = fc.uniqueArray(fc.nat({ max: 2_147_483_647 }), { maxLength: 5 }).chain((partitions) =>
  fc.tuple(...partitions.map((partition) => offset.map((nextOffset) => ({ partition, nextOffset }))))
);
const mapOf = (list: readonly { partition: number; nextOffset: number }[]) =>
  new Map(list.map(({ partition, nextOffset }) => [partition, nextOffset]));

Deno.test("parsePlaces() reads what formatPlaces() writes, in characters that a URL takes as they are", () => {
  const topics = fc.uniqueArray(
    fc.record({ tag: fc.uuid().map(topicTag), places }),
    { maxLength: 4, selector: ({ tag }) => tag },
  );
  fc.assert(fc.property(topics, (topics) => {
    const text = formatPlaces(topics);
    assert.equal(encodeURIComponent(text), text);
    assert.deepEqual(parsePlaces(text), new Map(topics.map(({ tag, places }) => [tag, mapOf(places)])));
  }));
});

Deno.test("parsePartitionPlaces() reads what was written once", () => {
  assert.deepEqual(parsePartitionPlaces("0:12"), new Map([[0, 12]]));
  assert.deepEqual(parsePartitionPlaces("0:12,3:40"), new Map([[0, 12], [3, 40]]));
});

Deno.test("parsePlaces() and parsePartitionPlaces() refuse everything else", () => {
  const tag = "0123456789ab";
  const bad = [
    "",
    "~~",
    "x",
    tag.slice(1),
    `${tag}.0`,
    `${tag}.0-`,
    `${tag}.0-1.`,
    `${tag}.0-1~`,
    `~${tag}.0-1`,
  ];
  bad.push(`${tag}.-1-1`, `${tag}.0-1234567890123456`, `${tag}.0-1 `, `${tag}.0-1\n`, tag.toUpperCase());
  bad.push(Array(1_000).fill(`${tag}.0-1`).join("~"));
  for (const text of bad) assert.equal(parsePlaces(text), null, text.slice(0, 100));
  for (const text of ["", "0", "0:", "0:1,", ",0:1", "0:-1", "0:1;1:2", `${"0:1,".repeat(5_000)}0:1`]) {
    assert.equal(parsePartitionPlaces(text), null, text.slice(0, 100));
  }
});
