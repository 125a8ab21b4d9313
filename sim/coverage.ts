/** Adds up what seeds did and met, and says it as a table. Pure. */
import { type FaultKind, FAULTS } from "./fault_log.ts";
import type { SeedSummary } from "./seed_summary.ts";

export class Coverage {
  readonly #counts = new Map<FaultKind, { count: number; seedCount: number }>();
  #seedCount = 0;
  #stepCount = 0;
  #recordCount = 0;

  get seedCount(): number {
    return this.#seedCount;
  }

  add({ stepCount, recordCount, faults }: SeedSummary): void {
    this.#seedCount++;
    this.#stepCount += stepCount;
    this.#recordCount += recordCount;
    for (const [kind, count] of faults) {
      const sum = this.#counts.get(kind) ?? { count: 0, seedCount: 0 };
      this.#counts.set(kind, { count: sum.count + count, seedCount: sum.seedCount + 1 });
    }
  }

  /** Kinds of fault that no seed has met. */
  get missing(): FaultKind[] {
    return (Object.keys(FAULTS) as FaultKind[]).filter((kind) => !this.#counts.has(kind));
  }

  table(): string {
    const lines = Object.entries(FAULTS).map(([kind, about]) => {
      const { count, seedCount } = this.#counts.get(kind as FaultKind) ?? { count: 0, seedCount: 0 };
      return `  ${kind.padEnd(22)} ${String(count).padStart(9)} ${String(seedCount).padStart(7)}  ${about}`;
    });
    return [`faults in ${this.#seedCount} seeds (how often, in how many of them):`, ...lines].join("\n");
  }

  total(failureCount: number): string {
    return `${this.#seedCount} seeds, ${this.#stepCount} steps, ${this.#recordCount} records, ${failureCount} failed`;
  }

  rates(elapsedMs: number): string {
    const seconds = elapsedMs / 1_000;
    const perHour = Math.round(this.#seedCount / seconds * 3_600);
    return `${seconds.toFixed(1)} s, ${perHour} seeds/h, ${Math.round(this.#stepCount / seconds)} steps/s`;
  }
}
