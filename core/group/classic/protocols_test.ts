/** The vote on the protocol. */
import assert from "node:assert/strict";
import { bytesOf, GroupHarness } from "../../../tests/group_harness.ts";

function voted(...preferences: string[][]): string | null {
  const group = new GroupHarness();
  const joins = preferences.map((names) =>
    group.join({ protocols: names.map((name) => ({ name, metadata: bytesOf(name) })) })
  );
  group.advance(6_000);
  return joins[0]?.now.protocolName ?? null;
}

Deno.test("selectProtocol() takes what most members prefer among what all support", () => {
  assert.equal(voted(["range"]), "range");
  assert.equal(voted(["range", "sticky"], ["sticky", "range"], ["sticky", "range"]), "sticky");
  assert.equal(voted(["range", "sticky"], ["sticky"]), "sticky");
  assert.equal(voted(["only-a", "range"], ["only-b", "range"]), "range");
  assert.equal(voted(["range", "sticky"], ["sticky", "range"]), "range", "a tie goes to the first");
});
