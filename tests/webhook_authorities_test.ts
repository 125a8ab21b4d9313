/** The certificate authorities of webhooks' receivers, as the configuration reads them at the start. */
import assert from "node:assert/strict";
import { resolveConfig } from "../config.ts";
import { TestAuthority } from "./certificates.ts";

function resolve(files: Readonly<Record<string, string>>) {
  return resolveConfig({
    args: ["--override", "webhook.ca.location=ca.pem"],
    env: () => undefined,
    readText: (path) => {
      const text = files[path];
      return text === undefined ? Promise.reject(new Error("No such file")) : Promise.resolve(text);
    },
  });
}

Deno.test("webhook.ca.location names a file of certificates, which must be there and have some", async () => {
  const certificate = (await TestAuthority.create()).pem.trimEnd();
  const read = await resolve({ "ca.pem": `one\n${certificate}\ntwo\n${certificate}\n` });
  assert.ok(read.ok);
  assert.deepEqual(read.config.webhookAuthorities, [certificate, certificate]);
  for (const files of [{}, { "ca.pem": "-----BEGIN PRIVATE KEY-----" }]) {
    const result = await resolve(files);
    assert.ok(!result.ok && result.exitCode === 2);
    assert.match(
      result.message,
      /^Cannot read webhook\.ca\.location "ca\.pem": (No such file|there is no certificate)/,
    );
  }
  const damaged = [
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
    // Cut, with its end and without.
    `${certificate.slice(0, 200)}\n-----END CERTIFICATE-----`,
    certificate.slice(0, 200),
    certificate.replaceAll("M", "*"),
  ];
  for (const each of damaged) {
    for (const [text, number] of [[each, 1], [`${certificate}\n${each}\n${certificate}`, 2]] as const) {
      const result = await resolve({ "ca.pem": text });
      assert.ok(!result.ok && result.exitCode === 2, text);
      assert.equal(
        result.message,
        `Cannot read webhook.ca.location "ca.pem": certificate ${number} in it is malformed`,
      );
    }
  }
});
