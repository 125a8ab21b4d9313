import assert from "node:assert/strict";
import { errorCode } from "../protocol/errors.ts";
import { shareFetch } from "../protocol/messages/78_share_fetch.ts";
import type { Api } from "../protocol/schema/api.ts";
import type { Cluster } from "./cluster.ts";
import { BrokerError, CommitFailedError, ConnectionError } from "./errors.ts";
import { ShareSession } from "./share_session.ts";

const PARTITION = { topicId: "3f0e8d4a-1b2c-4d5e-8f90-a1b2c3d4e5f6", partition: 0 };
const limits = { maxWaitMs: 0, minBytes: 0, maxBytes: 1_000, recordsMax: 10 };

/** A session whose broker refuses acknowledgements with `state.refusal`, and answers nothing more until `state.isAway`. */
function openSession() {
  const state = { isAway: false, refusal: 0 };
  const request = (api: Api) => {
    const { refusal } = state;
    const answer = { partitionIndex: 0, errorCode: api === shareFetch ? 0 : refusal, errorMessage: null };
    const partitions = [{ ...answer, acknowledgeErrorCode: refusal, acknowledgeErrorMessage: "settled" }];
    const responses = [{ topicId: PARTITION.topicId, partitions }];
    return Promise.resolve({ errorCode: 0, errorMessage: null, responses: refusal === 0 ? [] : responses });
  };
  const cluster = {
    requestTimeoutMs: 1_000,
    connection: () =>
      state.isAway ? Promise.reject(new ConnectionError("gone")) : Promise.resolve({ request }),
  };
  const identity = { groupId: "q", memberId: "m" };
  return { state, session: new ShareSession(cluster as unknown as Cluster, 1, identity) };
}

Deno.test("commit() says once that acknowledgements were lost with their session", async () => {
  const { state, session } = openSession();
  await session.fetch([PARTITION], limits);
  session.acknowledge({ ...PARTITION, offset: 7, type: "accept" });
  state.isAway = true;
  await assert.rejects(session.fetch([PARTITION], limits), ConnectionError);
  state.isAway = false;
  await session.fetch([PARTITION], limits);
  await assert.rejects(session.commit(), CommitFailedError);
  await session.commit();
});

Deno.test("what is acknowledged while a fetch is under way goes with the next request", async () => {
  const { session } = openSession();
  await session.fetch([PARTITION], limits);
  session.acknowledge({ ...PARTITION, offset: 7, type: "accept" });
  const fetching = session.fetch([PARTITION], limits);
  session.acknowledge({ ...PARTITION, offset: 8, type: "accept" });
  await fetching;
  assert.equal(session.hasPending, true);
  await session.commit();
  assert.equal(session.hasPending, false);
});

Deno.test("commit() throws the first acknowledgement that a fetch was told is refused, and sends the rest", async () => {
  const { state, session } = openSession();
  await session.fetch([PARTITION], limits);
  session.acknowledge({ ...PARTITION, offset: 7, type: "accept" });
  state.refusal = errorCode("INVALID_RECORD_STATE");
  await session.fetch([PARTITION], limits);
  state.refusal = errorCode("INVALID_REQUEST");
  await session.fetch([PARTITION], limits);
  state.refusal = 0;
  session.acknowledge({ ...PARTITION, offset: 8, type: "accept" });
  const isFirst = (error: unknown) =>
    error instanceof BrokerError && error.error === "INVALID_RECORD_STATE" && /settled/.test(error.message);
  await assert.rejects(session.commit(), isFirst);
  assert.equal(session.hasPending, false);
  await session.commit();
});
