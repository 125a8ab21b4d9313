import assert from "node:assert/strict";
import { ByteReader, concat } from "../../lib/bytes.ts";
import { api, decodeRequest, encodeRequest, supportsVersion } from "./api.ts";
import { int32 } from "./fields.ts";

Deno.test("api() asks for the fields of a message on first use, and once", () => {
  let requests = 0;
  let responses = 0;
  const probe = api({
    key: 999,
    name: "Probe",
    versions: "1-3",
    flexible: "3+",
    request: () => {
      requests++;
      return { id: int32("0+") };
    },
    response: () => {
      responses++;
      return {};
    },
  });
  assert(supportsVersion(probe, 3) && !supportsVersion(probe, 0));
  assert.deepEqual([requests, responses], [0, 0]);
  for (const version of [1, 2, 3]) {
    const bytes = concat(encodeRequest(probe, version, { id: 7 }));
    assert.deepEqual(decodeRequest(probe, version, new ByteReader(bytes)), { id: 7 });
  }
  assert.equal(probe.request.struct, probe.request.struct);
  assert.deepEqual([requests, responses], [1, 0]);
});
