import assert from "node:assert/strict";
import { features, featureUpdateFault } from "./features.ts";

Deno.test("featureUpdateFault() takes the level that there is and refuses any other", () => {
  const at = (feature: string, maxVersionLevel: number, upgradeType = 1) =>
    featureUpdateFault({ feature, maxVersionLevel, upgradeType });
  for (const { name, minVersion, maxVersion } of features) {
    for (const upgradeType of [1, 2, 3]) assert.equal(at(name, maxVersion, upgradeType), null);
    assert.match(at(name, maxVersion + 1) ?? "", /are supported/);
    assert.match(at(name, minVersion) ?? "", /no downgrade/);
    assert.match(at(name, minVersion, 2) ?? "", /always at level/);
    assert.match(at(name, -1) ?? "", /less than 0/);
  }
  assert.match(at("nope", 1) ?? "", /not known/);
  assert.match(at("group.version", 1, 0) ?? "", /upgrade type/);
  assert.match(at("group.version", 1, 4) ?? "", /upgrade type/);
});
