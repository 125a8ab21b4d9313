/** ShareAcknowledge (API 79): acknowledges records without fetching more (KIP-932); version 2 can renew locks (KIP-1222). */
import { FINAL_EPOCH } from "../core/share/sessions.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { shareAcknowledge, type ShareAcknowledgeRequest } from "../protocol/messages/79_share_acknowledge.ts";
import { handler, type RequestContext } from "./handler.ts";
import {
  acknowledgeAll,
  endSession,
  hasAcknowledgements,
  noLeader,
  shareClient,
  useSession,
} from "./share_requests.ts";

export const shareAcknowledgeHandler = handler(shareAcknowledge, serveShareAcknowledge);

async function serveShareAcknowledge(request: ShareAcknowledgeRequest, context: RequestContext) {
  const client = shareClient(request);
  if ("error" in client) return refused(client.error, client.errorMessage);
  const session = await useSession(client, {
    sessionEpoch: request.shareSessionEpoch,
    added: [],
    forgotten: [],
    hasAcknowledgements: hasAcknowledgements(request),
    api: "acknowledge",
  }, context);
  if (session.error !== "NONE") return refused(session.error, null);
  const acknowledged = await acknowledgeAll(client, request, context);
  if (request.shareSessionEpoch === FINAL_EPOCH) await endSession(client, context);
  const byTopic = Map.groupBy(acknowledged, ({ topicId }) => topicId);
  return {
    errorCode: 0,
    errorMessage: null,
    acquisitionLockTimeoutMs: session.lockDurationMs,
    responses: Array.from(byTopic, ([topicId, partitions]) => ({
      topicId,
      partitions: partitions.map(({ partition, error, errorMessage }) => ({
        partitionIndex: partition,
        errorCode: errorCode(error),
        errorMessage,
        currentLeader: noLeader,
      })),
    })),
    nodeEndpoints: [],
  };
}

function refused(error: ErrorName, errorMessage: string | null) {
  return {
    errorCode: errorCode(error),
    errorMessage,
    acquisitionLockTimeoutMs: 0,
    responses: [],
    nodeEndpoints: [],
  };
}
