/** CreatePartitions (API 37): gives topics more partitions (KIP-195). */
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { createPartitions, type CreatePartitionsRequest } from "../protocol/messages/37_create_partitions.ts";
import { adminFailure } from "./admin_failure.ts";
import { handler, type RequestContext } from "./handler.ts";
import { firstOfEach, repeated } from "./repeated.ts";

type Topic = CreatePartitionsRequest["topics"][number];

export const createPartitionsHandler = handler(createPartitions, serveCreatePartitions);

async function serveCreatePartitions(request: CreatePartitionsRequest, context: RequestContext) {
  const isNamedTwice = repeated(request.topics.map((topic) => topic.name));
  const results = [];
  for (const topic of firstOfEach(request.topics, ({ name }) => name)) {
    results.push(
      isNamedTwice(topic.name)
        ? answered(topic, "INVALID_REQUEST", "The request names the topic twice")
        : await addTo(topic, request.validateOnly, context),
    );
  }
  return { results };
}

async function addTo(topic: Topic, validateOnly: boolean, context: RequestContext) {
  try {
    const outcome = await context.broker.supervisor.ask({
      type: "addPartitions",
      name: topic.name,
      count: topic.count,
      assignments: topic.assignments?.map((assignment) => assignment.brokerIds) ?? null,
      validateOnly,
    });
    return "topic" in outcome
      ? answered(topic, "NONE", null)
      : answered(topic, outcome.error, outcome.message);
  } catch (error) {
    const failure = adminFailure(error);
    return answered(topic, failure.error, failure.message);
  }
}

function answered({ name }: Topic, error: ErrorName, errorMessage: string | null) {
  return { name, errorCode: errorCode(error), errorMessage };
}
