/**
 * `GET /v1/storage/check`: reads everything that the topics' logs hold and checks it, while the broker goes on: length and checksum of
 * every batch, and the chain of offsets. Lines of JSON, one for each partition as it is done, then a summary. What no entry names is
 * found by `kavka storage check` on a stopped server's directory.
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { addEndpoint } from "./endpoint.ts";
import { findTopic } from "./topic_lookup.ts";

/** Between two steps at least, so that requests come first. */
const STEP_PAUSE_MS = 2;
const FAULTS_MAX = 1_000;

export function storageCheckApp(broker: Broker): OpenAPIHono {
  const app = new OpenAPIHono();
  addEndpoint(app, {
    method: "get",
    path: "/storage/check",
    operationId: "checkStorage",
    summary: "Check what is stored, batch by batch",
    query: {
      topics: z.string().optional().openapi({ description: "Names, with commas between; default all" }),
    },
    responses: {
      200: {
        description: "A line for each partition, then one with `done`",
        content: { "application/x-ndjson": { schema: z.string() } },
      },
    },
    problems: [404],
    handle({ query }) {
      const names = query.topics?.split(",").filter((name) => name !== "");
      const topics = names?.map((name) => findTopic(broker, name)) ??
        [...broker.metadata.topicsByName.values()];
      const lines = reportLines(broker, topics);
      const encoder = new TextEncoder();
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          const { value, done } = await lines.next();
          if (done === true) controller.close();
          else controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
        },
        async cancel() {
          await lines.return();
        },
      }, { highWaterMark: 0 });
      return new Response(body, {
        headers: { "content-type": "application/x-ndjson", "cache-control": "no-store" },
      });
    },
  });
  return app;
}

async function* reportLines(
  broker: Broker,
  topics: readonly TopicImage[],
): AsyncGenerator<unknown, void, void> {
  const sum = { partitions: 0, batchCount: 0, sizeBytes: 0, faults: 0 };
  for (const topic of topics) {
    for (let partition = 0; partition < topic.partitions.length; partition++) {
      const report = await checkPartition(broker, topic, partition);
      sum.partitions++;
      sum.batchCount += report.batchCount;
      sum.sizeBytes += report.sizeBytes;
      sum.faults += report.faults.length;
      yield { topic: topic.name, partition, ...report };
    }
  }
  yield { done: true, ...sum };
}

async function checkPartition(broker: Broker, topic: TopicImage, partition: number) {
  const report = { batchCount: 0, sizeBytes: 0, faults: [] as string[] };
  try {
    const actor = broker.partition(topic.topicId, partition);
    const { logStartOffset } = await actor.ask({ type: "describe" });
    let from: number | null = logStartOffset;
    while (from !== null) {
      const startedMs = broker.env.mono();
      const step: { next: number | null; batchCount: number; sizeBytes: number; faults: readonly string[] } =
        await actor
          .ask({ type: "verify", from });
      report.batchCount += step.batchCount;
      report.sizeBytes += step.sizeBytes;
      report.faults.push(...step.faults.slice(0, FAULTS_MAX - report.faults.length));
      from = step.next;
      if (from !== null) await broker.env.sleep(Math.max(STEP_PAUSE_MS, broker.env.mono() - startedMs));
    }
  } catch (error) {
    report.faults.push(error instanceof Error ? error.message : String(error));
  }
  return report;
}
