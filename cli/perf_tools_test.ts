/** kafka-producer-perf-test.sh and kafka-consumer-perf-test.sh: arguments, and the lines they print. */
import assert from "node:assert/strict";
import { parseConsumerPerfArguments } from "./consumer_perf.ts";
import { formatTime } from "./java_date_format.ts";
import { LatencyStats } from "./latency_stats.ts";
import { parseProducerPerfArguments } from "./producer_perf.ts";

Deno.test("kafka-producer-perf-test.sh refuses what cannot be meant", () => {
  const parse = (line: string) => parseProducerPerfArguments(line.split(" "));
  const start = "--bootstrap-server h:1 --topic t --throughput -1";
  const options = parse(`${start} --num-records 10 --record-size 5 --producer-props acks=1 linger.ms=0`);
  assert.deepEqual([options.numRecords, options.throughput, options.producerProps], [10, -1, [
    "acks=1",
    "linger.ms=0",
  ]]);
  for (
    const [line, message] of [
      ["--topic t", /num-records/],
      [`${start} --num-records 0 --record-size 5`, /--num-records should be greater than zero/],
      [`${start} --num-records 5 --record-size 0`, /--record-size should be greater than zero/],
      [`${start} --num-records 5`, /one of the arguments/],
      [`${start} --num-records 5 --record-size 5 --payload-monotonic`, /one of the arguments/],
      [`${start} --num-records 5 --record-size 5 --warmup-records 5`, /must be strictly fewer/],
      [
        `${start} --num-records 5 --record-size 5 --transaction-duration-ms 0`,
        /--transaction-duration-ms should be greater than zero/,
      ],
      ["--topic t --throughput -1 --num-records 5 --record-size 5", /At least one of --bootstrap-server/],
    ] as const
  ) assert.throws(() => parse(line), message, line);
});

Deno.test("kafka-consumer-perf-test.sh refuses what cannot be meant", () => {
  const parse = (line: string) => parseConsumerPerfArguments(line.split(" "));
  assert.equal(parse("--bootstrap-server h:1 --topic t --messages 5").messages, 5);
  for (
    const [line, message] of [
      ["--topic t --num-records 5", /\[bootstrap-server\]/],
      ["--bootstrap-server h:1 --topic t", /\[messages\], \[num-records\]/],
      ["--bootstrap-server h:1 --num-records 5", /\[topic\], \[include\]/],
      ["--bootstrap-server h:1 --topic t --include t --num-records 5", /\[topic\], \[include\]/],
      ["--bootstrap-server h:1 --topic t --num-records 5 --reporting-interval 0", /must be greater than 0/],
    ] as const
  ) assert.throws(() => parse(line), message, line);
});

Deno.test("LatencyStats prints Kafka's lines", () => {
  const stats = new LatencyStats(100, 1_000);
  for (let latency = 1; latency <= 100; latency++) stats.record(latency, 1024 * 1024);
  assert.equal(stats.takeWindow(1_999, 1_000), null);
  assert.equal(
    stats.takeWindow(2_000, 1_000),
    "100 records sent, 100.0 records/sec (100.00 MB/sec), 50.5 ms avg latency, 100.0 ms max latency.",
  );
  stats.record(300, 0);
  assert.match(
    stats.takeWindow(3_000, 1_000) ?? "",
    /^1 records sent, 1.0 records.* 300.0 ms max latency\.$/,
  );
  assert.equal(
    stats.total(3_000),
    "101 records sent, 50.500000 records/sec (50.00 MB/sec), 52.97 ms avg latency, 300.00 ms max latency, " +
      "51 ms 50th, 96 ms 95th, 100 ms 99th, 300 ms 99.9th.",
  );
  const nothing = new LatencyStats(5, 0, "steady state").total(10);
  assert.match(nothing, /^0 steady state records sent, 0.000000 records\/sec .* NaN ms avg latency/);
});

Deno.test("formatTime() knows the letters that are numbers", () => {
  const time = new Date(2026, 10, 2, 15, 4, 5, 6).getTime();
  assert.equal(formatTime(time, "yyyy-MM-dd HH:mm:ss:SSS"), "2026-11-02 15:04:05:006");
  assert.equal(formatTime(time, "h 'o''clock' yy Z"), "3 o'clock 26 Z");
});
