/** A line on standard error that shows how far something came; a few times a second on a terminal, else once, at the end. */
import type { Terminal } from "./command_line.ts";

const WIDTH = 30;
const INTERVAL_MS = 200;

export class ProgressBar {
  readonly #terminal: Terminal;
  readonly #label: string;
  /** Bytes; 0 when nobody knows. */
  readonly #total: number;
  readonly #startedMs: number;
  #done = 0;
  #shownMs = -Infinity;

  constructor(terminal: Terminal, label: string, total: number) {
    this.#terminal = terminal;
    this.#label = label;
    this.#total = total;
    this.#startedMs = terminal.env.mono();
  }

  add(bytes: number): void {
    this.#done += bytes;
    const nowMs = this.#terminal.env.mono();
    if (nowMs - this.#shownMs < INTERVAL_MS) return;
    this.#shownMs = nowMs;
    this.#terminal.writeStatus?.(
      this.#line(Math.min(0.99, this.#total === 0 ? 0 : this.#done / this.#total)),
    );
  }

  /** All is done: the bar is full, and stays. */
  finish(): void {
    this.#terminal.writeStatus?.("");
    this.#terminal.writeError(this.#line(1));
  }

  /** Takes the line away, for a message. */
  clear(): void {
    this.#terminal.writeStatus?.("");
  }

  #line(share: number): string {
    const filled = Math.round(share * WIDTH);
    const seconds = Math.max(0.001, (this.#terminal.env.mono() - this.#startedMs) / 1_000);
    const bar = "#".repeat(filled) + ".".repeat(WIDTH - filled);
    const megabytes = this.#done / 1e6;
    return `${this.#label} [${bar}] ${String(Math.floor(share * 100)).padStart(3)} % ${
      megabytes.toFixed(1)
    } MB, ` +
      `${(megabytes / seconds).toFixed(1)} MB/s`;
  }
}
