import assert from "node:assert/strict";
import { matchesPattern, retryDelayMs, webhookUrlFault } from "./subscription.ts";

Deno.test("a star is one segment, two are any number of them", () => {
  const cases: [pattern: string, path: string, expected: boolean][] = [
    ["events/*", "events/a", true],
    ["events/*", "events", false],
    ["events/*", "events/a/b", false],
    ["events/**", "events", true],
    ["events/**", "events/a/b", true],
    ["**", "a/b", true],
    ["**/c", "a/b/c", true],
    ["**/c", "c", true],
    ["a/**/c/*", "a/b/c/c/d", true],
    ["a.b", "axb", false],
    ["a*", "ab", false],
  ];
  for (const [pattern, path, expected] of cases) {
    assert.equal(matchesPattern(pattern, path), expected, `${pattern} ${path}`);
  }
  assert.equal(matchesPattern(new Array(200).fill("**").join("/"), new Array(200).fill("a").join("/")), true);
});

Deno.test("webhooks go to public https addresses only, unless this machine is allowed", () => {
  for (const url of ["https://worker.example/hook", "https://8.8.8.8/", "https://[2606:4700::1]/x"]) {
    assert.equal(webhookUrlFault(url, false), null, url);
  }
  const refused = [
    "x",
    "http://worker.example/",
    "ftp://worker.example/",
    "https://user:pass@worker.example/",
    "https://localhost/",
    "https://localhost./",
    "https://a.localhost/",
    "https://printer.local/",
    "https://intranet/",
    "https://10.0.0.1/",
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://169.254.169.254/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "https://[::1]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
  ];
  for (const url of refused) assert.notEqual(webhookUrlFault(url, false), null, url);
  for (const url of ["http://127.0.0.1:8000/x", "http://localhost/", "https://127.0.0.2/"]) {
    assert.equal(webhookUrlFault(url, true), null, url);
  }
  for (const url of ["http://10.0.0.1/", "ftp://localhost/", "http://[::1]/"]) {
    assert.notEqual(webhookUrlFault(url, true), null, url);
  }
});

Deno.test("retries begin after a second and never wait longer than a minute and a fifth", () => {
  assert.equal(retryDelayMs(1, 0.5), 1_000);
  assert.equal(retryDelayMs(3, 0.5), 4_000);
  assert.ok(retryDelayMs(50, 0.999) < 72_000);
});
