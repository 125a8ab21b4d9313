import assert from "node:assert/strict";
import { Counter, gauge, Histogram, openMetricsText } from "./metrics.ts";

Deno.test("openMetricsText() writes counters, gauges and histograms", () => {
  const counter = new Counter("kavka_requests", "Requests", ["route"]);
  counter.add(1, "/a");
  counter.add(2, "/a");
  counter.add(1, 'b"\n\\');
  const histogram = new Histogram("kavka_wait_seconds", "Waiting", [], [0.1, 1]);
  for (const amount of [0.1, 0.11, 5]) histogram.observe(amount);
  const depth = gauge("kavka_depth", "Depth", [{ labels: {}, value: NaN }]);
  assert.equal(
    openMetricsText([counter.family(), histogram.family(), depth]),
    [
      "# TYPE kavka_requests counter",
      "# HELP kavka_requests Requests",
      'kavka_requests_total{route="/a"} 3',
      'kavka_requests_total{route="b\\"\\n\\\\"} 1',
      "# TYPE kavka_wait_seconds histogram",
      "# HELP kavka_wait_seconds Waiting",
      'kavka_wait_seconds_bucket{le="0.1"} 1',
      'kavka_wait_seconds_bucket{le="1"} 2',
      'kavka_wait_seconds_bucket{le="+Inf"} 3',
      "kavka_wait_seconds_count 3",
      "kavka_wait_seconds_sum 5.21",
      "# TYPE kavka_depth gauge",
      "# HELP kavka_depth Depth",
      "kavka_depth NaN",
      "# EOF",
      "",
    ].join("\n"),
  );
});

Deno.test("Counter: label values from outside are bounded, and nothing is lost", () => {
  const counter = new Counter("c", "", ["a", "b"]);
  for (let n = 0; n < 10_000; n++) counter.add(1, String(n), "x");
  const samples = [...counter.family().samples];
  assert.ok(samples.length <= 501, String(samples.length));
  assert.equal(samples.reduce((sum, { value }) => sum + value, 0), 10_000);
  assert.deepEqual(samples.at(-1)?.labels, { a: "other", b: "other" });
});
