/** Names and numbers that cannot be. */

import assert from "node:assert/strict";
import { fetchApi } from "../../../protocol/messages/01_fetch.ts";
import { metadata } from "../../../protocol/messages/03_metadata.ts";
import { createTopics } from "../../../protocol/messages/19_create_topics.ts";
import { batch } from "./batches.ts";
import type { Peer } from "./peer.ts";
import { createTopic, ERROR, HEALTHY, one, produceTo, row, SUFFIX, VICTIM } from "./row.ts";

export async function nameRows(): Promise<void> {
  const FETCH_VERSION = 12;
  const good = batch(["one", "two"]);

  const {
    NONE,
    OFFSET_OUT_OF_RANGE,
    UNKNOWN_TOPIC_OR_PARTITION,
    INVALID_TOPIC_EXCEPTION,
    CLUSTER_AUTHORIZATION_FAILED,
    INVALID_PARTITIONS,
    INVALID_REQUEST,
    FETCH_SESSION_ID_NOT_FOUND,
    INVALID_FETCH_SESSION_EPOCH,
  } = ERROR;

  for (const name of ["", ".", "..", "a".repeat(250), "a/b", "a\0b", "a\u202eb", "a b", "größe"]) {
    await row(
      `topic name ${JSON.stringify(name.slice(0, 12))} of ${name.length} characters`,
      async (peer) => {
        assert.equal(await createTopic(peer, name), INVALID_TOPIC_EXCEPTION);
        const answer = await peer.ask(metadata, 4, { topics: [{ name }], allowAutoTopicCreation: true });
        one(answer?.topics[0]?.errorCode, [INVALID_TOPIC_EXCEPTION], "Metadata");
      },
    );
  }

  await row("topics whose names differ in . and _ only", async (peer) => {
    assert.equal(await createTopic(peer, `x.${SUFFIX}.y`), NONE);
    assert.equal(await createTopic(peer, `x_${SUFFIX}.y`), INVALID_TOPIC_EXCEPTION);
  });

  await row("100,000 topics in one request", async (peer) => {
    const topics = Array.from({ length: 100_000 }, (_, i) => ({ name: `none-${i}` }));
    const answer = await peer.ask(metadata, 4, { topics, allowAutoTopicCreation: false });
    assert.equal(answer?.topics.length, 100_000);
    assert.ok(answer.topics.every((each) => each.errorCode === UNKNOWN_TOPIC_OR_PARTITION));
  });

  await row("100,000 partitions of one topic in one Fetch", async (peer) => {
    const partitions = Array.from(
      { length: 100_000 },
      (_, partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1 }),
    );
    const answer = await peer.ask(fetchApi, FETCH_VERSION, {
      maxWaitMs: 0,
      minBytes: 0,
      topics: [{ topic: VICTIM, partitions }],
    });
    assert.equal(answer?.responses[0]?.partitions.length, 100_000);
    assert.ok(
      answer.responses[0].partitions.slice(1).every((each) => each.errorCode === UNKNOWN_TOPIC_OR_PARTITION),
    );
  });

  await row("100,000 partitions to be created", async (peer) => {
    const topics = [{
      name: `wide-${SUFFIX}`,
      numPartitions: 100_000,
      replicationFactor: 1,
      assignments: [],
      configs: [],
    }];
    const answer = await peer.ask(createTopics, 5, { topics, timeoutMs: 10_000 });
    one(answer?.topics[0]?.errorCode, [INVALID_PARTITIONS, INVALID_REQUEST], "error");
  });

  for (const index of [-1, 1, 0x7fff_ffff]) {
    await row(`partition ${index}`, async (peer) => {
      assert.equal((await produceTo(peer, VICTIM, good, index))?.errorCode, UNKNOWN_TOPIC_OR_PARTITION);
    });
  }

  async function fetchFrom(
    peer: Peer,
    fields: {
      fetchOffset?: number;
      maxWaitMs?: number;
      maxBytes?: number;
      replicaId?: number;
      sessionId?: number;
      sessionEpoch?: number;
    },
  ) {
    const { fetchOffset = 0, maxWaitMs = 0, ...rest } = fields;
    return await peer.ask(fetchApi, FETCH_VERSION, {
      maxWaitMs,
      minBytes: 0,
      topics: [{ topic: HEALTHY, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }] }],
      ...rest,
    });
  }

  await row("Fetch offset -3, and one far behind the end", async (peer) => {
    for (const fetchOffset of [-3, 1_000_000_000]) {
      const answer = await fetchFrom(peer, { fetchOffset });
      assert.equal(
        answer?.responses[0]?.partitions[0]?.errorCode,
        OFFSET_OUT_OF_RANGE,
        `offset ${fetchOffset}`,
      );
    }
  });

  await row("Fetch with maxBytes -1, and with maxWaitMs 2^31-1 where there are records", async (peer) => {
    assert.equal((await fetchFrom(peer, { maxBytes: -1 }))?.responses[0]?.partitions[0]?.errorCode, NONE);
    assert.equal(
      (await fetchFrom(peer, { maxWaitMs: 0x7fff_ffff }))?.responses[0]?.partitions[0]?.errorCode,
      NONE,
    );
  });

  await row("Fetch in a session that is not there, with an epoch that makes no sense", async (peer) => {
    assert.equal(
      (await fetchFrom(peer, { sessionId: 123_456_789, sessionEpoch: 5 }))?.errorCode,
      FETCH_SESSION_ID_NOT_FOUND,
    );
    const opened = await fetchFrom(peer, { sessionEpoch: 0 });
    assert.ok(opened && opened.sessionId > 0, "no session");
    const { sessionId } = opened;
    assert.equal(
      (await fetchFrom(peer, { sessionId, sessionEpoch: 77 }))?.errorCode,
      INVALID_FETCH_SESSION_EPOCH,
    );
    one((await fetchFrom(peer, { sessionId, sessionEpoch: -9 }))?.errorCode, [
      INVALID_FETCH_SESSION_EPOCH,
      FETCH_SESSION_ID_NOT_FOUND,
    ], "epoch -9");
  });

  await row("a client that poses as a follower", async (peer) => {
    assert.equal((await fetchFrom(peer, { replicaId: 5 }))?.errorCode, CLUSTER_AUTHORIZATION_FAILED);
  });

  await row("records for internal topics", async (peer) => {
    for (const name of ["__consumer_offsets", "__transaction_state"]) {
      const answer = await produceTo(peer, name, good);
      one(answer?.errorCode, [
        INVALID_TOPIC_EXCEPTION,
        UNKNOWN_TOPIC_OR_PARTITION,
        ERROR.TOPIC_AUTHORIZATION_FAILED,
      ], name);
    }
  });
}
