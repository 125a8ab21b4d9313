/**
 * Counters and histograms, and their text form (OpenMetrics 1.0). Labels come from outside in part (routes, topics), so each family
 * has a bound on its series: those beyond it are counted together under the label value `other`.
 */

/** Series of one family; then `other`. */
const SERIES_MAX = 500;
const OTHER = "other";

export type Labels = Readonly<Record<string, string>>;

/** One line of the text: what is behind the family's name, the labels, the value. */
export interface Sample {
  readonly suffix: string;
  readonly labels: Labels;
  readonly value: number;
}

export interface Family {
  /** Without the suffixes of its type, with its unit last, e.g. `kavka_commit_seconds`. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly samples: Iterable<Sample>;
}

class Series<T> {
  readonly #names: readonly string[];
  readonly #make: () => T;
  readonly #byKey = new Map<string, { readonly labels: Labels; readonly value: T }>();

  constructor(names: readonly string[], make: () => T) {
    this.#names = names;
    this.#make = make;
  }

  of(values: readonly string[]): T {
    const key = values.join("\0");
    const found = this.#byKey.get(key);
    if (found !== undefined) return found.value;
    const isOver = this.#byKey.size >= SERIES_MAX && values.some((value) => value !== OTHER);
    if (isOver) return this.of(values.map(() => OTHER));
    const labels = Object.fromEntries(this.#names.map((name, index) => [name, values[index] ?? ""]));
    const value = this.#make();
    this.#byKey.set(key, { labels, value });
    return value;
  }

  all(): IterableIterator<{ readonly labels: Labels; readonly value: T }> {
    return this.#byKey.values();
  }
}

/** What only rises. */
export class Counter {
  readonly #name: string;
  readonly #help: string;
  readonly #series: Series<{ count: number }>;

  constructor(name: string, help: string, labelNames: readonly string[]) {
    this.#name = name;
    this.#help = help;
    this.#series = new Series(labelNames, () => ({ count: 0 }));
  }

  /** The values are in the order of the label names. */
  add(amount: number, ...values: readonly string[]): void {
    this.#series.of(values).count += amount;
  }

  family(): Family {
    const samples = Array.from(this.#series.all(), ({ labels, value }) => ({
      suffix: "_total",
      labels,
      value: value.count,
    }));
    return { name: this.#name, type: "counter", help: this.#help, samples };
  }
}

/** From a tenth of a millisecond to ten seconds. */
export const SECONDS_BUCKETS = [
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  10,
] as const;

interface Distribution {
  readonly counts: Float64Array;
  sum: number;
}

export class Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #series: Series<Distribution>;

  constructor(
    name: string,
    help: string,
    labelNames: readonly string[],
    bounds: readonly number[] = SECONDS_BUCKETS,
  ) {
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
    this.#series = new Series(labelNames, () => ({ counts: new Float64Array(bounds.length + 1), sum: 0 }));
  }

  /** The values are in the order of the label names. */
  observe(amount: number, ...values: readonly string[]): void {
    const distribution = this.#series.of(values);
    let index = 0;
    while (index < this.#bounds.length && amount > (this.#bounds[index] ?? Infinity)) index++;
    distribution.counts[index] = (distribution.counts[index] ?? 0) + 1;
    distribution.sum += amount;
  }

  family(): Family {
    const samples: Sample[] = [];
    for (const { labels, value: { counts, sum } } of this.#series.all()) {
      let count = 0;
      for (const [index, bound] of [...this.#bounds, Infinity].entries()) {
        count += counts[index] ?? 0;
        const le = bound === Infinity ? "+Inf" : String(bound);
        samples.push({ suffix: "_bucket", labels: { ...labels, le }, value: count });
      }
      samples.push({ suffix: "_count", labels, value: count }, { suffix: "_sum", labels, value: sum });
    }
    return { name: this.#name, type: "histogram", help: this.#help, samples };
  }
}

/** A family whose values are taken at the moment of asking. */
export function gauge(
  name: string,
  help: string,
  samples: readonly { readonly labels: Labels; readonly value: number }[],
): Family {
  return { name, type: "gauge", help, samples: samples.map((sample) => ({ suffix: "", ...sample })) };
}

/** The whole text. Media type: `application/openmetrics-text; version=1.0.0; charset=utf-8`. */
export function openMetricsText(families: readonly Family[]): string {
  let text = "";
  for (const { name, type, help, samples } of families) {
    text += `# TYPE ${name} ${type}\n# HELP ${name} ${escaped(help)}\n`;
    for (const { suffix, labels, value } of samples) {
      const pairs = Object.entries(labels).map(([label, content]) => `${label}="${escaped(content)}"`);
      text += `${name}${suffix}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${number(value)}\n`;
    }
  }
  return `${text}# EOF\n`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function number(value: number): string {
  return Number.isFinite(value) ? String(value) : Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}
