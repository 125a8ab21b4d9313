/**
 * OpenTelemetry behind the tracing port, and the counted metrics as its instruments, on what Deno has built in: Deno exports both when
 * OTEL_DENO is true, and makes a span for each HTTP request. Loaded only then.
 */
import {
  type BatchObservableResult,
  type Context,
  context as contexts,
  type Meter,
  metrics,
  type Observable,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { Family } from "../lib/metrics.ts";
import type { Span, SpanOptions, TraceContext, Tracer } from "../lib/tracing.ts";

const SCOPE = "kavka";

export function openTracer(version: string): Tracer {
  const tracer = trace.getTracer(SCOPE, version);
  return {
    active() {
      const active = contexts.active();
      return trace.getSpan(active)?.isRecording() === true ? asPort(active) : null;
    },
    startSpan: (name, options) => startSpan(tracer, name, options),
    within: (context, run) => contexts.with(context === null ? ROOT_CONTEXT : asContext(context), run),
    nameActive(name, attributes) {
      trace.getActiveSpan()?.updateName(name).setAttributes(attributes);
    },
  };
}

function startSpan(
  tracer: ReturnType<typeof trace.getTracer>,
  name: string,
  { parent, attributes = {}, links = [], isServer = false }: SpanOptions,
): Span {
  const parentContext = parent === null ? ROOT_CONTEXT : asContext(parent);
  const spanLinks = links.flatMap((each) => {
    const context = trace.getSpanContext(asContext(each));
    return context === undefined ? [] : [{ context }];
  });
  const kind = isServer ? SpanKind.SERVER : SpanKind.INTERNAL;
  const span = tracer.startSpan(name, { kind, attributes, links: spanLinks }, parentContext);
  let isEnded = false;
  return {
    context: asPort(trace.setSpan(parentContext, span)),
    end(error) {
      if (isEnded) return;
      isEnded = true;
      if (error !== undefined) {
        // The name alone: a message may hold what only the log may show.
        const message = error instanceof Error ? error.name : "error";
        span.setStatus({ code: SpanStatusCode.ERROR, message });
      }
      span.end();
    },
  };
}

function asPort(context: Context): TraceContext {
  return context as unknown as TraceContext;
}

function asContext(context: TraceContext): Context {
  return context as unknown as Context;
}

/** The suffixes of each type's samples: an instrument has one number for each set of attributes. */
const SUFFIXES = { counter: ["_total"], gauge: [""], histogram: ["_bucket", "_count", "_sum"] } as const;

/**
 * Exports what `families` tells whenever Deno exports metrics. A histogram is three counters, buckets with their bound as `le`, since
 * OpenTelemetry does not ask for histograms. `failed` hears why nothing could be told.
 */
export async function exportMetrics(
  version: string,
  families: () => Promise<readonly Family[]>,
  failed: (error: unknown) => void,
): Promise<void> {
  const meter = metrics.getMeter(SCOPE, version);
  const instruments = new Map<string, Observable>();
  for (const family of await families()) {
    for (const suffix of SUFFIXES[family.type]) {
      instruments.set(family.name + suffix, instrumentOf(meter, family, suffix));
    }
  }
  meter.addBatchObservableCallback(async (result: BatchObservableResult) => {
    try {
      for (const { name, samples } of await families()) {
        for (const { suffix, labels, value } of samples) {
          const instrument = instruments.get(name + suffix);
          if (instrument !== undefined && Number.isFinite(value)) {
            result.observe(instrument, value, { ...labels });
          }
        }
      }
    } catch (error) {
      failed(error);
    }
  }, [...instruments.values()]);
}

function instrumentOf(meter: Meter, { name, type, help }: Family, suffix: string): Observable {
  const options = { description: help };
  return type === "gauge"
    ? meter.createObservableGauge(name, options)
    : meter.createObservableCounter(suffix === "_total" ? name : name + suffix, options);
}
