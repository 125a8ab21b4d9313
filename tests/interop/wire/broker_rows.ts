/** Versions that are not served, and requests that only brokers and administrators send. */

import assert from "node:assert/strict";
import { oldProduce } from "../../../protocol/messages/00_produce_old.ts";
import { apiVersions } from "../../../protocol/messages/18_api_versions.ts";
import { initProducerId } from "../../../protocol/messages/22_init_producer_id.ts";
import { writeTxnMarkers } from "../../../protocol/messages/27_write_txn_markers.ts";
import { batch } from "./batches.ts";
import { header, Peer, sized } from "./peer.ts";
import { createTopic, endOffset, ERROR, produceTo, row, SUFFIX, VICTIM } from "./row.ts";

const { NONE, UNKNOWN_TOPIC_OR_PARTITION, INVALID_PRODUCER_EPOCH } = ERROR;
const API_VERSIONS = 18;
const PRODUCE = 0;
const MARKERS_VERSION = 1;

interface MarkerFields {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly topic: string;
  readonly partitionIndexes: readonly number[];
}

async function mark(peer: Peer, { producerId, producerEpoch, topic, partitionIndexes }: MarkerFields) {
  const answer = await peer.ask(writeTxnMarkers, MARKERS_VERSION, {
    markers: [{
      producerId,
      producerEpoch,
      transactionResult: true,
      coordinatorEpoch: 0,
      topics: [{ name: topic, partitionIndexes: [...partitionIndexes] }],
    }],
  });
  return answer?.markers[0]?.topics[0]?.partitions.map(({ errorCode }) => errorCode);
}

export async function brokerRows(): Promise<void> {
  await row(
    "each API in a version that is not served: closed, as Kafka closes; ApiVersions is answered",
    async (peer) => {
      const served = (await peer.ask(apiVersions, 0, {}))?.apiKeys ?? [];
      assert.ok(served.length > 40, `${served.length} APIs`);
      for (const { apiKey, maxVersion } of served) {
        for (const version of [maxVersion + 1, 0x7fff, -1]) {
          using other = await Peer.connect();
          await other.send(sized(header(apiKey, version), new Uint8Array(50)));
          const answer = await other.reply();
          if (apiKey !== API_VERSIONS) assert.equal(answer, null, `API ${apiKey} in version ${version}`);
          else {
            assert.ok(answer);
            // The correlation id, then the error.
            const view = new DataView(answer.buffer, answer.byteOffset);
            assert.deepEqual([view.getInt32(0), view.getInt16(4)], [7, ERROR.UNSUPPORTED_VERSION]);
          }
        }
      }
      return `${served.length} APIs`;
    },
  );

  await row(
    "APIs that nobody serves, and those of brokers and controllers among themselves: closed",
    async () => {
      const alone = [4, 5, 6, 7, 52, 53, 54, 55, 56, 58, 59, 62, 63, 64, 67, 70, 80, 81, 82, 0x7fff, -1];
      for (const key of alone) {
        using peer = await Peer.connect();
        await peer.send(sized(header(key, 0), new Uint8Array(20)));
        assert.equal(await peer.reply(), null, `API ${key}`);
      }
    },
  );

  await row("Produce in versions 0 to 2, which are advertised and not served", async (peer) => {
    const served = (await peer.ask(apiVersions, 0, {}))?.apiKeys.find(({ apiKey }) => apiKey === PRODUCE);
    assert.equal(served?.minVersion, 0);
    const topicData = [{ name: VICTIM, partitionData: [{ index: 0, records: batch(["x"]) }] }];
    for (const version of [0, 1, 2]) {
      const answer = await peer.ask(oldProduce, version, { acks: 1, timeoutMs: 10_000, topicData });
      const { errorCode } = answer?.responses[0]?.partitionResponses[0] ?? {};
      assert.equal(errorCode, ERROR.UNSUPPORTED_VERSION, `version ${version}`);
    }
  });

  await row("WriteTxnMarkers of a client: nothing is written where no transaction is open", async (peer) => {
    const nobody = { producerId: 123_456_789, producerEpoch: 0, topic: VICTIM };
    assert.deepEqual(await mark(peer, { ...nobody, partitionIndexes: [0] }), [NONE]);
    assert.deepEqual(
      await mark(peer, { ...nobody, partitionIndexes: [-1, 1, 0x7fff_ffff] }),
      Array(3).fill(UNKNOWN_TOPIC_OR_PARTITION),
    );
    assert.deepEqual(
      await mark(peer, { ...nobody, topic: `none-${SUFFIX}`, partitionIndexes: [0] }),
      [UNKNOWN_TOPIC_OR_PARTITION],
    );
    const many = await mark(peer, { ...nobody, partitionIndexes: Array(100_000).fill(7) });
    assert.equal(many?.length, 100_000);
  });

  await row("WriteTxnMarkers with an old epoch, or for a producer that has no transaction", async (peer) => {
    const topic = `marked-${SUFFIX}`;
    assert.equal(await createTopic(peer, topic), NONE);
    const me = await peer.ask(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 60_000 });
    assert.ok(me);
    const { producerId } = me;
    const records = batch(["x"], { producerId, producerEpoch: 3, baseSequence: 0 });
    assert.equal((await produceTo(peer, topic, records))?.errorCode, NONE);
    const marker = { producerId, topic, partitionIndexes: [0] };
    assert.deepEqual(await mark(peer, { ...marker, producerEpoch: 2 }), [INVALID_PRODUCER_EPOCH]);
    assert.deepEqual(await mark(peer, { ...marker, producerEpoch: 3 }), [NONE]);
    assert.equal(await endOffset(peer, topic), 1, "no marker is written");
  });
}
