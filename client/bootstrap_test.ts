import assert from "node:assert/strict";
import { parseBootstrapServers } from "./bootstrap.ts";
import { ConfigurationError } from "./errors.ts";

Deno.test("parseBootstrapServers() reads hosts, IPv6 addresses and protocols", () => {
  assert.deepEqual(parseBootstrapServers(" a:1, [::1]:9092 ,PLAINTEXT://b.example:65535,"), [
    { hostname: "a", port: 1 },
    { hostname: "::1", port: 9092 },
    { hostname: "b.example", port: 65535 },
  ]);
  assert.deepEqual(parseBootstrapServers(["a:1"]), [{ hostname: "a", port: 1 }]);
});

Deno.test("parseBootstrapServers() refuses everything else", () => {
  for (const servers of ["", ",", "a", "a:", "a:0", "a:65536", "::1:9092", "a b:1", "a:1:2"]) {
    assert.throws(() => parseBootstrapServers(servers), ConfigurationError, servers);
  }
});
