/** DeleteTopics (API 20): deletes topics by name, since version 6 also by id (KIP-516). The name is free at once. */
import { ZERO_UUID } from "../lib/bytes.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { deleteTopics, type DeleteTopicsRequest } from "../protocol/messages/20_delete_topics.ts";
import { adminFailure } from "./admin_failure.ts";
import { MutationQuota, QUOTA_EXCEEDED_MESSAGE } from "./mutation_quota.ts";
import { firstOfEach, repeated } from "./repeated.ts";
import { handler, type RequestContext } from "./handler.ts";

const TOPIC_ID_VERSION = 6;

interface Asked {
  readonly name: string | null;
  readonly topicId: string;
}

/** First version that knows THROTTLING_QUOTA_EXCEEDED (KIP-599). */
const STRICT_QUOTA_VERSION = 5;

export const deleteTopicsHandler = handler(deleteTopics, serveDeleteTopics);

async function serveDeleteTopics(request: DeleteTopicsRequest, context: RequestContext) {
  const asked: readonly Asked[] = context.apiVersion >= TOPIC_ID_VERSION
    ? request.topics
    : request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
  const keyOf = ({ name, topicId }: Asked) => `${topicId} ${name ?? ""}`;
  const isNamedTwice = repeated(asked.map(keyOf));
  const quota = new MutationQuota(context, STRICT_QUOTA_VERSION);
  const responses = [];
  for (const each of firstOfEach(asked, keyOf)) {
    responses.push(
      isNamedTwice(keyOf(each))
        ? refused(each, "INVALID_REQUEST", "The request names the topic twice")
        : await deleteOne(each, quota, context),
    );
  }
  quota.settle();
  return { responses };
}

async function deleteOne(asked: Asked, quota: MutationQuota, context: RequestContext) {
  if (quota.isExceeded) return refused(asked, "THROTTLING_QUOTA_EXCEEDED", QUOTA_EXCEEDED_MESSAGE);
  const byId = asked.topicId !== ZERO_UUID;
  if (byId === (asked.name !== null)) {
    return refused(asked, "INVALID_REQUEST", "Give either the name or the id of a topic");
  }
  try {
    const outcome = await context.broker.supervisor.ask({
      type: "deleteTopic",
      ...(byId ? { topicId: asked.topicId } : { name: asked.name ?? "" }),
    });
    if (!("topic" in outcome)) return refused(asked, outcome.error, outcome.message);
    const { name, topicId, partitions } = outcome.topic;
    quota.record(partitions.length);
    return { name, topicId, errorCode: 0, errorMessage: null };
  } catch (error) {
    const failure = adminFailure(error);
    return refused(asked, failure.error, failure.message);
  }
}

function refused(asked: Asked, error: ErrorName, errorMessage: string) {
  return { name: asked.name, topicId: asked.topicId, errorCode: errorCode(error), errorMessage };
}
