/** Figures that a client keeps about itself, under Kafka's names. Pure. Source: Kafka's SenderMetricsRegistry, FetchMetricsRegistry. */

/** A figure, as `producer-metrics` `record-send-total` 5. */
export interface ClientMetric {
  readonly group: string;
  readonly name: string;
  /** NaN: an average or a maximum of nothing yet. */
  readonly value: number;
}

/** Counts amounts, of which Kafka tells the average and the maximum. */
export class AmountMetric {
  #count = 0;
  #sum = 0;
  #max = NaN;

  record(amount: number): void {
    this.#count++;
    this.#sum += amount;
    if (!(amount <= this.#max)) this.#max = amount;
  }

  get count(): number {
    return this.#count;
  }

  get average(): number {
    return this.#sum / this.#count;
  }

  get max(): number {
    return this.#max;
  }
}
