/** `/metrics` of a whole broker; foreign parsers read it in tests/interop/web_clients.py. */
import assert from "node:assert/strict";
import { serveBroker } from "../served_broker.ts";

async function sampleOf(text: string, name: string): Promise<number> {
  await Promise.resolve();
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  assert.ok(line !== undefined, `${name} in\n${text}`);
  return Number(line.slice(name.length + 1));
}

Deno.test("/metrics tells requests, commits, reads, partitions and lags", async () => {
  await using served = await serveBroker();
  const headers = { "content-type": "application/json" };
  for (let n = 0; n < 3; n++) {
    const body = JSON.stringify({ value: "a" });
    const { status } = await served.http("/v1/topics/t/records", { method: "POST", headers, body });
    assert.equal(status, 200);
  }
  assert.equal((await served.http("/v1/topics/t/partitions/0/records")).status, 200);
  assert.equal((await served.http("/nope/<b>")).status, 404);
  const v2 = { "content-type": "application/vnd.kafka.v2+json" };
  const at = "/consumers/g/instances/c";
  const post = (path: string, body: unknown) =>
    served.http(path, { method: "POST", headers: v2, body: JSON.stringify(body) });
  assert.equal((await post("/consumers/g", { name: "c", "auto.offset.reset": "earliest" })).status, 200);
  assert.equal((await post(`${at}/assignments`, { partitions: [{ topic: "t", partition: 0 }] })).status, 204);
  assert.equal(
    (await post(`${at}/offsets`, { offsets: [{ topic: "t", partition: 0, offset: 0 }] })).status,
    204,
  );
  const response = await served.http("/metrics");
  assert.match(response.headers.get("content-type") ?? "", /^application\/openmetrics-text; version=1\.0\.0/);
  const text = await response.text();
  const produced = 'kavka_http_requests_total{route="produceRecords",method="POST",status="200"}';
  assert.equal(await sampleOf(text, produced), 3);
  assert.equal(await sampleOf(text, 'kavka_http_requests_total{route="none",method="GET",status="404"}'), 1);
  assert.equal(
    await sampleOf(text, 'kavka_http_requests_total{route="/consumers/{group}",method="POST",status="200"}'),
    1,
  );
  assert.equal(await sampleOf(text, 'kavka_http_request_seconds_count{route="produceRecords"}'), 3);
  assert.ok(await sampleOf(text, 'kavka_commit_seconds_count{actor="partition"}') >= 1);
  assert.equal(await sampleOf(text, 'kavka_fetches_total{source="cache"}'), 1);
  assert.equal(await sampleOf(text, 'kavka_partition_high_watermark{topic="t",partition="0"}'), 3);
  assert.equal(await sampleOf(text, 'kavka_group_lag_records{group="g",topic="t",partition="0"}'), 2);
  assert.equal(await sampleOf(text, 'kavka_actors{actor="partition"}'), 1);
  assert.equal(await sampleOf(text, 'kavka_actor_mailbox_messages{actor="partition"}'), 0);
  assert.equal(await sampleOf(text, 'kavka_groups{state="Empty"}'), 1);
  assert.equal(await sampleOf(text, "kavka_live_tails"), 0);
  assert.equal(text.includes("<b>"), false);
});
