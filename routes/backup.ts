/**
 * Backup and restore of topics: `GET /v1/backup` streams a copy as `protocol/backup/backup_file.ts` has it, `POST /v1/restore` takes one.
 *
 * The copy is consistent: groups' offsets are read first and each partition's end after them, so no offset points behind what was
 * copied, and a partition ends where its last stable offset was, so no transaction is cut in two. The broker goes on meanwhile.
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { limits } from "../core/config/limits.ts";
import { internalTopicNames } from "../core/config/topic_name.ts";
import {
  type BackupEnd,
  BackupFormatError,
  type BackupFrame,
  type BackupGroup,
  type BackupHeader,
  backupMagic,
  encodeBackupFrame,
} from "../protocol/backup/backup_file.ts";
import { readBatchHeader } from "../protocol/records/record_batch.ts";
import { addEndpoint, jsonResponse } from "./endpoint.ts";
import { Problem } from "./problem.ts";
import { BackupRestore } from "./restore_backup.ts";
import { bodyDeadlines } from "./body_deadline.ts";
import { findTopic } from "./topic_lookup.ts";

const FETCH_BYTES = 1_048_576;
/** Of a frame besides the batches in it. */
const FRAME_BYTES = 17;

const restoredSchema = z.object({
  topics: z.array(z.string()),
  batchBytes: z.int(),
  groups: z.int(),
  skippedGroups: z.array(z.string()).openapi({
    description: "Groups with members, whose offsets stay as they are",
  }),
}).openapi("Restored");

export function backupApp(broker: Broker): OpenAPIHono {
  const app = new OpenAPIHono();
  addEndpoint(app, {
    method: "get",
    path: "/backup",
    operationId: "backup",
    summary: "A copy of topics: records, configuration, offsets of groups",
    description:
      "A file for `POST /v1/restore`. A file without its last frame is none: the transfer did not end.",
    query: {
      topics: z.string().optional().openapi({ description: "Names, with commas between; default all" }),
    },
    responses: {
      200: {
        description: "The file",
        content: { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } },
      },
    },
    problems: [404],
    async handle({ query }) {
      const names = query.topics?.split(",").filter((name) => name !== "") ?? ownTopics(broker);
      const topics = names.map((name) => findTopic(broker, name));
      const groups = await groupsOf(broker, topics);
      const header = await headerOf(broker, topics);
      return new Response(streamOf(backupFrames(broker, topics, header, groups), broker), {
        headers: { "content-type": "application/octet-stream", "cache-control": "no-store" },
      });
    },
  });
  addEndpoint(app, {
    method: "post",
    path: "/restore",
    operationId: "restore",
    summary: "Put the topics of a backup back",
    description:
      "Topics that are there already are a conflict, unless `overwrite` says to replace them. The topics appear, and what they " +
      "replace goes, at one stroke when the whole backup was read and is sound; when it fails, everything is as before.",
    query: { overwrite: z.enum(["true", "false"], "expected true or false").optional() },
    body: { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } },
    responses: {
      200: { description: "All is back", content: { "application/json": { schema: restoredSchema } } },
    },
    problems: [408, 409],
    async handle({ query, request }) {
      const restore = new BackupRestore(broker, { overwrite: query.overwrite === "true" });
      try {
        for await (const piece of piecesOf(request, broker)) await restore.push(piece);
        return jsonResponse(200, await restore.finish());
      } catch (error) {
        await restore.undo();
        if (error instanceof BackupFormatError) {
          throw new Problem(400, { detail: `Cannot restore the backup: ${error.message}` });
        }
        throw error;
      }
    },
  });
  return app;
}

function ownTopics(broker: Broker): string[] {
  return [...broker.metadata.topicsByName.keys()].filter((name) => !internalTopicNames.has(name)).sort();
}

async function groupsOf(broker: Broker, topics: readonly TopicImage[]): Promise<BackupGroup[]> {
  const topicIds = new Set(topics.map(({ topicId }) => topicId));
  const groups: BackupGroup[] = [];
  for (const { groupId, groupType } of await broker.listGroups()) {
    if (groupType === "share") continue;
    const { error, offsets } = await broker.group(groupId).ask({
      type: "offsetFetch",
      partitions: null,
      memberId: null,
      memberEpoch: -1,
      requireStable: false,
    });
    const own = offsets.filter((each) => topicIds.has(each.topicId) && each.offset >= 0);
    if (error !== "NONE" || own.length === 0) continue;
    groups.push({
      groupId,
      offsets: own.map(({ topic, partition, offset, metadata }) => ({ topic, partition, offset, metadata })),
    });
  }
  return groups;
}

async function headerOf(broker: Broker, topics: readonly TopicImage[]): Promise<BackupHeader> {
  let estimatedBytes = 0;
  const described: BackupHeader["topics"][number][] = [];
  for (const topic of topics) {
    const partitions: { logStartOffset: number; endOffset: number }[] = [];
    for (let partition = 0; partition < topic.partitions.length; partition++) {
      const actor = broker.partition(topic.topicId, partition);
      const { logStartOffset, lastStableOffset, sizeBytes } = await actor.ask({ type: "describe" });
      partitions.push({ logStartOffset, endOffset: lastStableOffset });
      estimatedBytes += sizeBytes + FRAME_BYTES * Math.ceil(sizeBytes / FETCH_BYTES);
    }
    described.push({ name: topic.name, configs: { ...topic.configs }, partitions });
  }
  return {
    clusterId: broker.metadata.clusterId,
    createdMs: broker.env.now(),
    topics: described,
    estimatedBytes,
  };
}

async function* backupFrames(
  broker: Broker,
  topics: readonly TopicImage[],
  header: BackupHeader,
  groups: readonly BackupGroup[],
): AsyncGenerator<BackupFrame, void, void> {
  yield { type: "header", header };
  let batchFrames = 0;
  let batchBytes = 0;
  for (const [topicIndex, topic] of topics.entries()) {
    for (
      const [partition, { logStartOffset, endOffset }] of header.topics[topicIndex]?.partitions.entries() ??
        []
    ) {
      for await (const bytes of batchesOf(broker, topic, partition, logStartOffset, endOffset)) {
        batchFrames++;
        batchBytes += bytes.length;
        yield { type: "batches", topicIndex, partition, bytes };
      }
    }
  }
  for (const group of groups) yield { type: "group", group };
  const end: BackupEnd = { batchFrames, batchBytes, groups: groups.length };
  yield { type: "end", end };
}

/** Stored batches below `endOffset`, some at a time. Throws when they cannot be read. */
async function* batchesOf(
  broker: Broker,
  topic: TopicImage,
  partition: number,
  logStartOffset: number,
  endOffset: number,
): AsyncGenerator<Uint8Array, void, void> {
  const actor = broker.partition(topic.topicId, partition);
  for (let offset = logStartOffset; offset < endOffset;) {
    const answer = await actor.ask({
      type: "fetch",
      offset,
      maxBytes: FETCH_BYTES,
      minOneBatch: true,
      isolationLevel: "read_uncommitted",
      currentLeaderEpoch: -1,
    });
    if (answer.error === "OFFSET_OUT_OF_RANGE" && answer.logStartOffset > offset) {
      // Retention was faster.
      offset = answer.logStartOffset;
      continue;
    }
    if (answer.error !== "NONE") {
      throw new Error(`${topic.name}-${partition}, offset ${offset}: ${answer.error}`);
    }
    const chosen: Uint8Array[] = [];
    let size = 0;
    for (const batch of answer.records) {
      const { baseOffset, lastOffsetDelta } = readBatchHeader(batch);
      if (baseOffset >= endOffset) break;
      chosen.push(batch);
      size += batch.length;
      offset = baseOffset + lastOffsetDelta + 1;
    }
    // What is left up to the end was compacted away.
    if (chosen.length === 0) return;
    yield joined(chosen, size);
  }
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** One frame at a time, as the client takes them. */
function streamOf(
  frames: AsyncGenerator<BackupFrame, void, void>,
  broker: Broker,
): ReadableStream<Uint8Array> {
  let isFirst = true;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (isFirst) {
        isFirst = false;
        return controller.enqueue(backupMagic());
      }
      try {
        const { value, done } = await frames.next();
        if (done === true) controller.close();
        else controller.enqueue(encodeBackupFrame(value));
      } catch (error) {
        broker.log.error("Cannot go on with a backup", { error: String(error) });
        const why = error instanceof Error ? error.message : String(error);
        controller.enqueue(encodeBackupFrame({ type: "failed", why }));
        controller.close();
      }
    },
    async cancel() {
      await frames.return();
    },
  }, { highWaterMark: 0 });
}

async function* piecesOf(request: Request, broker: Broker): AsyncGenerator<Uint8Array, void, void> {
  const reader = request.body?.getReader();
  if (reader === undefined) return;
  const deadlines = bodyDeadlines(broker.env);
  const late = () => new Problem(408, { detail: "The body did not go on" });
  try {
    while (true) {
      const { value, done } = await deadlines.within(limits.httpBodyMsMax, reader.read(), late);
      if (done) return;
      yield value;
    }
  } finally {
    // Whoever stopped early wants no more of it.
    reader.cancel().catch(() => undefined);
  }
}
