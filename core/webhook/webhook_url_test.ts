import assert from "node:assert/strict";
import {
  isInRanges,
  isPublicAddress,
  loopbackRanges,
  parseAddress,
  parseRanges,
  rangesFault,
} from "./address_ranges.ts";
import { retryDelayMs } from "./retry_delay.ts";
import { addressesFault, webhookUrlFault } from "./webhook_url.ts";

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
  "https://[::]/",
  "https://[fe80::1]/",
  "https://[fd00::1]/",
  "https://[::ffff:10.0.0.1]/",
  "https://[64:ff9b::a00:1]/",
  "https://[2001:db8::1]/",
  "https://[2001::1]/",
  "https://[2002:a00:1::]/",
];

Deno.test("webhooks go to public https addresses only, unless this machine is allowed", () => {
  for (const url of ["https://worker.example/hook", "https://8.8.8.8/", "https://[2606:4700::1]/x"]) {
    assert.equal(webhookUrlFault(url, []), null, url);
  }
  for (const url of refused) assert.notEqual(webhookUrlFault(url, []), null, url);
  for (const url of ["http://127.0.0.1:8000/x", "http://localhost/", "https://127.0.0.2/", "http://[::1]/"]) {
    assert.equal(webhookUrlFault(url, loopbackRanges), null, url);
  }
  for (const url of ["http://10.0.0.1/", "ftp://localhost/", "http://8.8.8.8/", "https://127.0.1.1/"]) {
    assert.notEqual(webhookUrlFault(url, loopbackRanges), null, url);
  }
});

Deno.test("every address of a name must be allowed, and only allowed ones are reached without TLS", () => {
  const https = { protocol: "https:" };
  const http = { protocol: "http:" };
  const office = parseRanges("10.1.0.0/16, fd00::/8");
  assert.equal(addressesFault(https, ["8.8.8.8", "2606:4700::1"], []), null);
  assert.match(addressesFault(https, ["8.8.8.8", "10.0.0.1"], []) ?? "", /local network/);
  assert.match(addressesFault(https, ["8.8.8.8", "::1"], []) ?? "", /local network/);
  assert.match(addressesFault(https, ["not an address"], []) ?? "", /local network/);
  assert.match(addressesFault(https, ["fe80::1%eth0"], parseRanges("*")) ?? "", /local network/);
  assert.match(addressesFault(https, [], parseRanges("*")) ?? "", /without an address/);
  assert.equal(addressesFault(http, ["10.1.2.3", "fd00::5"], office), null);
  assert.match(addressesFault(http, ["10.2.0.1"], office) ?? "", /local network/);
  assert.match(addressesFault(http, ["8.8.8.8"], office) ?? "", /https/);
  assert.equal(addressesFault(http, ["8.8.8.8", "::1"], parseRanges("*")), null);
});

Deno.test("addresses and ranges are read as written, and nothing else is", () => {
  assert.deepEqual(parseAddress("10.0.0.255"), [10, 0, 0, 255]);
  assert.deepEqual(parseAddress("::ffff:1.2.3.4"), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4]);
  assert.deepEqual(parseAddress("2001:db8::1")?.slice(0, 4), [0x20, 0x01, 0x0d, 0xb8]);
  for (const text of ["", "1.2.3", "1.2.3.256", "1::2::3", "::12345", "1:2:3:4:5:6:7", ":::", "g::", "1:2"]) {
    assert.equal(parseAddress(text), null, text);
  }
  const inside = (text: string, ranges: string) => isInRanges(parseAddress(text) ?? [], parseRanges(ranges));
  assert.equal(inside("172.31.255.255", "172.16.0.0/12"), true);
  assert.equal(inside("172.32.0.0", "172.16.0.0/12"), false);
  assert.equal(inside("10.0.0.1", "10.0.0.1"), true);
  assert.equal(inside("10.0.0.2", "10.0.0.1"), false);
  assert.equal(inside("::1", "0.0.0.0/0"), false);
  assert.equal(inside("8.8.8.8", ""), false);
  for (const text of ["", "*", "10.0.0.0/8,fd00::/8", "::1"]) assert.equal(rangesFault(text), null, text);
  for (const text of ["10.0.0.0/33", "localhost", "10.0.0.0/", "::/129"]) {
    assert.notEqual(rangesFault(text), null, text);
  }
  assert.equal(isPublicAddress(parseAddress("198.20.0.1") ?? []), true);
});

Deno.test("retries begin after a second and never wait longer than a minute and a fifth, unless told otherwise", () => {
  assert.equal(retryDelayMs(1, 0.5), 1_000);
  assert.equal(retryDelayMs(3, 0.5), 4_000);
  assert.ok(retryDelayMs(50, 0.999) < 72_000);
  assert.equal(retryDelayMs(2, 0, { firstMs: 10, maxMs: 1_000 }), 16);
  assert.ok(retryDelayMs(5_000, 0.999, { firstMs: 10, maxMs: 1_000 }) < 1_200);
});
