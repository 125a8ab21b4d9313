import assert from "node:assert/strict";
import { sealed } from "./sealed_testkit.ts";
import { CorruptStorageError } from "../errors.ts";
import {
  decodeResourceConfigs,
  encodeResourceConfigs,
  resourceConfigsKey,
  resourceOfKey,
} from "./resource_configs.ts";

Deno.test("stored configurations of a resource keep their layout", () => {
  const configs = { "a": "1", "share.auto.offset.reset": "earliest" };
  const bytes = encodeResourceConfigs(configs);
  assert.deepEqual(decodeResourceConfigs(bytes), configs);
  const golden = "0100000002" + "0001" + "61" + "0001" + "31" + "0017" +
    "73686172652e6175746f2e6f66667365742e7265736574" + "0008" + "6561726c69657374";
  assert.equal([...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(""), sealed(golden));
  assert.deepEqual(decodeResourceConfigs(Uint8Array.fromHex(golden)), configs);
  const newer = bytes.slice();
  newer[0] = 2;
  assert.throws(() => decodeResourceConfigs(newer), CorruptStorageError);
  assert.throws(() => decodeResourceConfigs(bytes.subarray(0, -1)), CorruptStorageError);
});

Deno.test("the key of a resource's configurations tells kind and name", () => {
  assert.deepEqual(resourceOfKey(resourceConfigsKey("group", "g 1")), { kind: "group", name: "g 1" });
  assert.deepEqual(resourceConfigsKey("broker", ""), ["m", "c", "broker", ""]);
  assert.throws(() => resourceOfKey(["m", "c", "nobody", "x"]), CorruptStorageError);
});
