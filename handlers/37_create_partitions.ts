/** CreatePartitions (API 37): gives topics more partitions (KIP-195). */
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { createPartitions, type CreatePartitionsRequest } from "../protocol/messages/37_create_partitions.ts";
import { adminFailure } from "./admin_failure.ts";
import { handler, type RequestContext } from "./handler.ts";
import { MutationQuota, QUOTA_EXCEEDED_MESSAGE } from "./mutation_quota.ts";
import { firstOfEach, repeated } from "./repeated.ts";

/** First version that knows THROTTLING_QUOTA_EXCEEDED (KIP-599). */
const STRICT_QUOTA_VERSION = 3;

type Topic = CreatePartitionsRequest["topics"][number];

export const createPartitionsHandler = handler(createPartitions, serveCreatePartitions);

async function serveCreatePartitions(request: CreatePartitionsRequest, context: RequestContext) {
  const isNamedTwice = repeated(request.topics.map((topic) => topic.name));
  const quota = new MutationQuota(context, STRICT_QUOTA_VERSION);
  const results = [];
  for (const topic of firstOfEach(request.topics, ({ name }) => name)) {
    results.push(
      isNamedTwice(topic.name)
        ? answered(topic, "INVALID_REQUEST", "The request names the topic twice")
        : await addTo(topic, quota, request.validateOnly, context),
    );
  }
  quota.settle();
  return { results };
}

async function addTo(topic: Topic, quota: MutationQuota, validateOnly: boolean, context: RequestContext) {
  if (quota.isExceeded) return answered(topic, "THROTTLING_QUOTA_EXCEEDED", QUOTA_EXCEEDED_MESSAGE);
  const before = context.broker.metadata.topicsByName.get(topic.name)?.partitions.length ?? 0;
  try {
    const outcome = await context.broker.supervisor.ask({
      type: "addPartitions",
      name: topic.name,
      count: topic.count,
      assignments: topic.assignments?.map((assignment) => assignment.brokerIds) ?? null,
      validateOnly,
    });
    if (!("topic" in outcome)) return answered(topic, outcome.error, outcome.message);
    if (!validateOnly) quota.record(outcome.topic.partitions.length - before);
    return answered(topic, "NONE", null);
  } catch (error) {
    const failure = adminFailure(error);
    return answered(topic, failure.error, failure.message);
  }
}

function answered({ name }: Topic, error: ErrorName, errorMessage: string | null) {
  return { name, errorCode: errorCode(error), errorMessage };
}
