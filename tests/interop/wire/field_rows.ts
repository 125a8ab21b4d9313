/** Fields that lie: counts, lengths, nulls, tags. */

import assert from "node:assert/strict";
import { apiVersions } from "../../../protocol/messages/18_api_versions.ts";
import { frame, header, sized } from "./peer.ts";
import { int32, row } from "./row.ts";

export async function fieldRows(): Promise<void> {
  const bytes = (...values: number[]) => Uint8Array.from(values);

  const LIES: Record<string, Uint8Array> = {
    "array length -2": sized(header(3, 1), int32(-2)),
    "array of 2^31-1 elements": sized(header(3, 1), int32(0x7fff_ffff)),
    "array of 1,000,000 elements with 10 bytes left": sized(
      header(3, 1),
      int32(1_000_000),
      new Uint8Array(10),
    ),
    "string longer than the frame": sized(header(3, 1), int32(1), bytes(0x7f, 0xff, 0x61)),
    "string of length -2": sized(header(3, 1), int32(1), bytes(0xff, 0xfe)),
    "null where none may be": sized(header(3, 1), int32(1), bytes(0xff, 0xff)),
    "compact array whose length is a varint of 11 bytes": sized(
      header(3, 9),
      bytes(0),
      new Uint8Array(11).fill(0xff),
    ),
    "compact array of 2^31 elements": sized(header(3, 9), bytes(0, 0xff, 0xff, 0xff, 0xff, 0x07)),
    "tagged field longer than the frame": sized(header(18, 3), bytes(1, 0, 0xff, 0x7f)),
    "one million tagged fields": sized(header(18, 3), bytes(0xc0, 0x84, 0x3d)),
    "a tagged field twice": sized(header(1, 12), bytes(2, 5, 1, 0, 5, 1, 0)),
  };
  for (const [name, wire] of Object.entries(LIES)) {
    await row(`${name}: closed, at once`, async (peer) => {
      await peer.send(wire);
      assert.equal(await peer.reply(), null);
    });
  }

  await row("bytes behind the last field are left alone, as Kafka leaves them", async (peer) => {
    const good = frame(apiVersions, 2, {});
    await peer.send(sized(good.subarray(4), bytes(1, 2, 3)));
    assert.notEqual(await peer.reply(), null);
  });
}
