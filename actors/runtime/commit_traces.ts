/**
 * The spans of one activation's commits, where somebody records. A commit holds the effects of several messages: its span is below the
 * first of them that is traced, and linked with the others.
 */
import type { Span, TraceContext, Tracer } from "../../lib/tracing.ts";

/** Messages that one commit's span is linked with. */
const LINKS_MAX = 32;

export class CommitTraces {
  readonly #tracer: Tracer;
  readonly #name: string;
  /** Where each effect that is not in a commit yet was staged. */
  #staged: (TraceContext | null)[] = [];
  #span: Span | null = null;
  /** Of the effects in the commit under way. */
  #contexts: (TraceContext | null)[] = [];

  constructor(tracer: Tracer, kind: string) {
    this.#tracer = tracer;
    this.#name = `${kind} commit`;
  }

  /** An effect is staged by the code that runs now. */
  staged(): void {
    this.#staged.push(this.#tracer.active());
  }

  /** Runs the commit of the first `count` effects within its span; in none when nobody recorded them. */
  commit<T>(count: number, run: () => T): T {
    this.#contexts = this.#staged.splice(0, count);
    const [parent, ...links] = new Set(this.#contexts.filter((context) => context !== null));
    if (parent === undefined) return this.#tracer.within(null, run);
    this.#span = this.#tracer.startSpan(this.#name, {
      parent,
      links: links.slice(0, LINKS_MAX),
      attributes: { "kavka.commit.effects": count },
    });
    return this.#tracer.within(this.#span.context, run);
  }

  /** The commit is over; with `error` it failed. `count`: how many effects it made durable, when not all. */
  committed(error?: unknown, count = this.#contexts.length): void {
    this.#span?.end(error);
    this.#span = null;
    this.#staged = [...this.#contexts.slice(count), ...this.#staged];
    this.#contexts = [];
  }
}
