/**
 * The tracing port: spans, and the context that goes from one to the next. `main.ts` connects it to OpenTelemetry when that is asked
 * for; else there is no tracer, and whoever would make a span finds null and does nothing.
 */

declare const contextBrand: unique symbol;

/** A place in a trace, to be carried along. What is in it is the tracer's affair. */
export interface TraceContext {
  readonly [contextBrand]: true;
}

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface Span {
  /** Of what happens within the span. */
  readonly context: TraceContext;
  /** Once; later calls do nothing. With `error` the span has failed. */
  end(error?: unknown): void;
}

export interface SpanOptions {
  /** Null begins a trace. */
  readonly parent: TraceContext | null;
  readonly attributes?: SpanAttributes;
  /** Others that it was made for, too. */
  readonly links?: readonly TraceContext[];
  /** Whether it answers a request from outside. */
  readonly isServer?: boolean;
}

export interface Tracer {
  /** Where in a trace the running code is; null where nobody records. */
  active(): TraceContext | null;
  startSpan(name: string, options: SpanOptions): Span;
  /** Runs within the context, and what it starts and awaits, too; null: in no trace. */
  within<T>(context: TraceContext | null, run: () => T): T;
  /** Tells the span that is active which route it is for, since who made it could not know. */
  nameActive(name: string, attributes: SpanAttributes): void;
}
