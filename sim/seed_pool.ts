/**
 * Runs seeds on all cores: workers, each with a V8 of its own, take the next seed as soon as they are done with the last.
 * What a seed does depends on nothing but the seed, so it does not matter which worker gets it; a repetition goes to
 * another worker where there is one, which proves exactly that.
 */
import type { SeedSummary } from "./seed_summary.ts";
import type { SeedTask } from "./seed_worker.ts";

/** V8 keeps what it has compiled and learned; a worker that has run so many seeds makes room for a new one. */
const SEEDS_PER_WORKER = 2_000;

interface Job {
  readonly task: SeedTask;
  readonly notOn: Slot | null;
  readonly resolve: (done: { readonly summary: SeedSummary; readonly slot: Slot }) => void;
  readonly reject: (error: Error) => void;
}

interface Slot {
  worker: Worker;
  job: Job | null;
  seedCount: number;
}

export class SeedPool {
  readonly #slots: Slot[];
  readonly #waiting: Job[] = [];

  constructor(workerCount: number) {
    this.#slots = Array.from(
      { length: workerCount },
      () => ({ worker: startWorker(), job: null, seedCount: 0 }),
    );
    for (const slot of this.#slots) this.#listen(slot);
  }

  get workerCount(): number {
    return this.#slots.length;
  }

  /** Rejects when the worker broke, which no seed should make it do. */
  async run(task: SeedTask): Promise<SeedSummary> {
    return (await this.#submit(task, null)).summary;
  }

  /** Runs it twice, on two workers if there are two. */
  async runTwice(task: SeedTask): Promise<readonly [SeedSummary, SeedSummary]> {
    const first = await this.#submit(task, null);
    const second = await this.#submit(task, this.#slots.length > 1 ? first.slot : null);
    return [first.summary, second.summary];
  }

  close(): void {
    for (const { worker } of this.#slots) worker.terminate();
  }

  #submit(task: SeedTask, notOn: Slot | null): Promise<{ summary: SeedSummary; slot: Slot }> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ task, notOn, resolve, reject });
      for (const slot of this.#slots) this.#feed(slot);
    });
  }

  #feed(slot: Slot): void {
    if (slot.job !== null) return;
    const index = this.#waiting.findIndex(({ notOn }) => notOn !== slot);
    const [job] = index < 0 ? [] : this.#waiting.splice(index, 1);
    if (job === undefined) return;
    if (slot.seedCount++ >= SEEDS_PER_WORKER) {
      slot.worker.terminate();
      slot.worker = startWorker();
      slot.seedCount = 1;
      this.#listen(slot);
    }
    slot.job = job;
    slot.worker.postMessage(job.task);
  }

  #listen(slot: Slot): void {
    slot.worker.onmessage = ({ data: summary }: MessageEvent<SeedSummary>) => {
      const { job } = slot;
      slot.job = null;
      job?.resolve({ summary, slot });
      this.#feed(slot);
    };
    slot.worker.onerror = (event) => {
      event.preventDefault();
      const { job } = slot;
      slot.job = null;
      job?.reject(new Error(`Worker broke at seed ${job.task.seed}: ${event.message}`));
    };
  }
}

function startWorker(): Worker {
  return new Worker(new URL("./seed_worker.ts", import.meta.url).href, { type: "module" });
}
