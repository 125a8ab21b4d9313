import assert from "node:assert/strict";
import { Access, formatApiKey, isExpired, isSameHash, parseApiKey, scopeFault } from "./api_key.ts";

Deno.test("Access: a scope covers its action on its topics, admin everything", () => {
  const access = new Access(["produce:orders", "consume:log-*", "consume:x"]);
  assert.equal(access.allows("produce", "orders"), true);
  assert.equal(access.allows("produce", "orders2"), false);
  assert.equal(access.allows("produce", "order"), false);
  assert.equal(access.allows("consume", "orders"), false);
  assert.equal(access.allows("consume", "log-"), true);
  assert.equal(access.allows("consume", "log-7"), true);
  assert.equal(access.allows("consume", "log"), false);
  assert.equal(access.allows("consume", null), false);
  assert.equal(access.isAdmin, false);
  assert.equal(new Access(["consume"]).allows("consume", null), true);
  assert.equal(new Access(["consume:*"]).allows("consume", null), true);
  assert.equal(new Access(["consume:*"]).allows("produce", "x"), false);
  assert.equal(new Access(["admin"]).allows("produce", null), true);
  assert.equal(new Access([]).allows("produce", "x"), false);
});

Deno.test("scopeFault() takes what the documentation says and nothing else", () => {
  for (
    const scope of ["admin", "produce", "consume", "produce:a", "consume:a*", "consume:*", "produce:chat/42"]
  ) {
    assert.equal(scopeFault(scope), null, scope);
  }
  for (
    const scope of [
      "",
      "Admin",
      "admin:x",
      "produce:",
      "read:a",
      "consume:a*b",
      "consume:**",
      "produce,consume",
    ]
  ) {
    assert.notEqual(scopeFault(scope), null, scope);
  }
});

Deno.test("parseApiKey() takes only whole keys", () => {
  const text = formatApiKey("0123456789ab", "f".repeat(64));
  assert.deepEqual(parseApiKey(text), { id: "0123456789ab", secret: "f".repeat(64) });
  for (
    const wrong of ["", "kvk_", text.slice(1), text.slice(0, -1), `${text}0`, ` ${text}`, text.toUpperCase()]
  ) {
    assert.equal(parseApiKey(wrong), null, wrong);
  }
});

Deno.test("isSameHash() sees every byte; isExpired() ends at the moment", () => {
  const hash = Uint8Array.from({ length: 32 }, (_, n) => n);
  assert.equal(isSameHash(hash, hash.slice()), true);
  for (let index = 0; index < 32; index++) {
    assert.equal(isSameHash(hash, hash.with(index, 99)), false);
  }
  assert.equal(isSameHash(hash, hash.subarray(1)), false);
  const key = { id: "", name: "", scopes: [], secretHash: hash, createdMs: 0, expiresMs: 10 };
  assert.deepEqual([isExpired(key, 9), isExpired(key, 10)], [false, true]);
  assert.equal(isExpired({ ...key, expiresMs: null }, 1e15), false);
});
