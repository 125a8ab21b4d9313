/** Counts and latencies of records sent, and the lines that Kafka's ProducerPerformance prints about them. Pure. */

/** So many latencies are kept at most; of more records every n-th. */
const SAMPLES_MAX = 500_000;
const BYTES_PER_MB = 1024 * 1024;

/** Statistics of one run, or of its steady part. Times in milliseconds. */
export class LatencyStats {
  readonly #startMs: number;
  readonly #label: string;
  readonly #sampling: number;
  readonly #latencies: number[] = [];
  #count = 0;
  #bytes = 0;
  #latencySumMs = 0;
  #latencyMaxMs = 0;
  #windowStartMs: number;
  #windowCount = 0;
  #windowBytes = 0;
  #windowLatencySumMs = 0;
  #windowLatencyMaxMs = 0;

  /** `label`: a word before "records sent". */
  constructor(recordCount: number, startMs: number, label = "") {
    this.#startMs = startMs;
    this.#windowStartMs = startMs;
    this.#label = label === "" ? "" : `${label} `;
    this.#sampling = Math.max(1, Math.floor(recordCount / SAMPLES_MAX));
  }

  record(latencyMs: number, bytes: number): void {
    if (this.#count % this.#sampling === 0) this.#latencies.push(latencyMs);
    this.#count++;
    this.#bytes += bytes;
    this.#latencySumMs += latencyMs;
    this.#latencyMaxMs = Math.max(this.#latencyMaxMs, latencyMs);
    this.#windowCount++;
    this.#windowBytes += bytes;
    this.#windowLatencySumMs += latencyMs;
    this.#windowLatencyMaxMs = Math.max(this.#windowLatencyMaxMs, latencyMs);
  }

  /** The line about the time since the last such line, and a new window; null while it is younger than the interval. */
  takeWindow(nowMs: number, intervalMs: number): string | null {
    const elapsedMs = nowMs - this.#windowStartMs;
    if (elapsedMs < intervalMs) return null;
    const seconds = elapsedMs / 1_000;
    const average = this.#windowLatencySumMs / this.#windowCount;
    const line = `${this.#windowCount} ${this.#label}records sent, ` +
      `${(this.#windowCount / seconds).toFixed(1)} records/sec ` +
      `(${(this.#windowBytes / seconds / BYTES_PER_MB).toFixed(2)} MB/sec), ` +
      `${average.toFixed(1)} ms avg latency, ${this.#windowLatencyMaxMs.toFixed(1)} ms max latency.`;
    this.#windowStartMs = nowMs;
    this.#windowCount =
      this.#windowBytes =
      this.#windowLatencySumMs =
      this.#windowLatencyMaxMs =
        0;
    return line;
  }

  /** The line about all of it. */
  total(nowMs: number): string {
    const seconds = (nowMs - this.#startMs) / 1_000;
    const perSecond = (count: number) => seconds <= 0 ? 0 : count / seconds;
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const percentiles = ([[0.5, "50th"], [0.95, "95th"], [0.99, "99th"], [0.999, "99.9th"]] as const)
      .map(([share, name]) => `${Math.round(sorted[Math.floor(share * sorted.length)] ?? 0)} ms ${name}`);
    return `${this.#count} ${this.#label}records sent, ${perSecond(this.#count).toFixed(6)} records/sec ` +
      `(${perSecond(this.#bytes / BYTES_PER_MB).toFixed(2)} MB/sec), ` +
      `${(this.#latencySumMs / this.#count).toFixed(2)} ms avg latency, ` +
      `${this.#latencyMaxMs.toFixed(2)} ms max latency, ${percentiles.join(", ")}.`;
  }
}
