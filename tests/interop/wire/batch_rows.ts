/** Record batches that are not what they say. */

import assert from "node:assert/strict";
import { concat } from "../../../lib/bytes.ts";
import { initProducerId } from "../../../protocol/messages/22_init_producer_id.ts";
import { buildControlBatch } from "../../../protocol/records/control_record.ts";
import { batch, changed } from "./batches.ts";
import { createTopic, endOffset, ERROR, one, produceTo, row, SUFFIX, VICTIM } from "./row.ts";

export async function batchRows(): Promise<void> {
  const {
    NONE,
    CORRUPT_MESSAGE,
    INVALID_TIMESTAMP,
    UNSUPPORTED_FOR_MESSAGE_FORMAT,
    OUT_OF_ORDER_SEQUENCE_NUMBER,
    INVALID_PRODUCER_EPOCH,
    INVALID_TXN_STATE,
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    UNKNOWN_PRODUCER_ID,
    UNSUPPORTED_COMPRESSION_TYPE,
    INVALID_RECORD,
  } = ERROR;

  const good = batch(["one", "two"]);
  const control = buildControlBatch({
    type: "COMMIT",
    producerId: 1,
    producerEpoch: 0,
    coordinatorEpoch: 0,
    timestamp: 1_700_000_000_000,
  });
  const MIN_INT64 = -(2n ** 63n);
  /** Name, bytes, what they are to be answered with, and the transactional id that the request names. */
  const BATCHES: readonly [string, Uint8Array, readonly number[], string?][] = [
    ["wrong CRC", changed(good, { crc: 1 }), [CORRUPT_MESSAGE]],
    ["magic 0", changed(good, { magic: 0 }), [
      INVALID_RECORD,
      CORRUPT_MESSAGE,
      UNSUPPORTED_FOR_MESSAGE_FORMAT,
    ]],
    ["magic 1", changed(good, { magic: 1 }), [
      INVALID_RECORD,
      CORRUPT_MESSAGE,
      UNSUPPORTED_FOR_MESSAGE_FORMAT,
    ]],
    ["magic 3", changed(good, { magic: 3 }), [
      INVALID_RECORD,
      CORRUPT_MESSAGE,
      UNSUPPORTED_FOR_MESSAGE_FORMAT,
    ]],
    ["length one too small", changed(good, { batchLength: good.length - 13 }), [
      CORRUPT_MESSAGE,
      INVALID_RECORD,
    ]],
    ["length one too large", changed(good, { batchLength: good.length - 11 }), [
      CORRUPT_MESSAGE,
      INVALID_RECORD,
    ]],
    ["length -1", changed(good, { batchLength: -1 }), [CORRUPT_MESSAGE, INVALID_RECORD]],
    ["length 2^31-1", changed(good, { batchLength: 0x7fff_ffff }), [CORRUPT_MESSAGE, INVALID_RECORD]],
    ["last offset delta of more records", changed(good, { lastOffsetDelta: 7 }), [
      INVALID_RECORD,
      CORRUPT_MESSAGE,
    ]],
    ["last offset delta -1", changed(good, { lastOffsetDelta: -1 }), [INVALID_RECORD, CORRUPT_MESSAGE]],
    ["2^31-1 records", changed(good, { recordCount: 0x7fff_ffff, lastOffsetDelta: 0x7fff_fffe }), [
      INVALID_RECORD,
      CORRUPT_MESSAGE,
    ]],
    ["no records", changed(good, { recordCount: 0 }), [INVALID_RECORD, CORRUPT_MESSAGE]],
    ["-1 records", changed(good, { recordCount: -1 }), [INVALID_RECORD, CORRUPT_MESSAGE]],
    ["codec 7", changed(good, { attributes: 7 }), [
      CORRUPT_MESSAGE,
      INVALID_RECORD,
      UNSUPPORTED_COMPRESSION_TYPE,
    ]],
    ["control batch of a client", changed(control, { attributes: 0x20 }), [INVALID_RECORD]],
    // Kafka asks first whether the client may use the transactional id, which it does not name.
    ["transactional control batch of a client", control, [TRANSACTIONAL_ID_AUTHORIZATION_FAILED]],
    ["control batch of a client that names its transactional id", control, [INVALID_RECORD], "nobody"],
    ["two batches where one may be", concat([good, good]), [INVALID_RECORD]],
    ["timestamp 2^63-1", changed(good, { baseTimestamp: -MIN_INT64 - 1n, maxTimestamp: -MIN_INT64 - 1n }), [
      INVALID_TIMESTAMP,
      INVALID_RECORD,
      CORRUPT_MESSAGE,
    ]],
    ["timestamp -2^63", changed(good, { baseTimestamp: MIN_INT64, maxTimestamp: MIN_INT64 }), [
      INVALID_TIMESTAMP,
      INVALID_RECORD,
      CORRUPT_MESSAGE,
    ]],
    [
      "negative sequence of an idempotent producer",
      changed(good, { producerId: 4_000, producerEpoch: 0, baseSequence: -5 }),
      [INVALID_RECORD, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH],
    ],
    ["transactional without a producer id", changed(good, { attributes: 0x10 }), [
      TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ]],
    ["no producer id, and the transactional id is named", changed(good, { attributes: 0x10 }), [
      INVALID_RECORD,
    ], "nobody"],
  ];
  for (const [name, records, errors, transactionalId] of BATCHES) {
    await row(`batch: ${name}`, async (peer) => {
      const answer = await produceTo(peer, VICTIM, records, 0, transactionalId);
      one(answer?.errorCode, errors, "error");
      return `error ${answer?.errorCode}`;
    });
  }

  await row(
    "batch: reserved attribute bits are refused, or kept as they came, as Kafka keeps them",
    async (peer) => {
      const topic = `reserved-${SUFFIX}`;
      assert.equal(await createTopic(peer, topic), NONE);
      const answer = await produceTo(peer, topic, changed(good, { attributes: 0x7f80 }));
      one(answer?.errorCode, [NONE, INVALID_RECORD, CORRUPT_MESSAGE], "error");
      return `error ${answer?.errorCode}`;
    },
  );

  await row("batch: a sequence that was not expected, one that was sent before", async (peer) => {
    const topic = `sequences-${SUFFIX}`;
    assert.equal(await createTopic(peer, topic), NONE);
    const ids = await peer.ask(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 60_000 });
    assert.ok(ids);
    const at = (baseSequence: number) =>
      batch(["x"], { producerId: ids.producerId, producerEpoch: ids.producerEpoch, baseSequence });
    assert.equal((await produceTo(peer, topic, at(0)))?.errorCode, NONE);
    one((await produceTo(peer, topic, at(5)))?.errorCode, [OUT_OF_ORDER_SEQUENCE_NUMBER], "a gap");
    const again = await produceTo(peer, topic, at(0));
    assert.deepEqual([again?.errorCode, again?.baseOffset], [NONE, 0], "the same again is where it was");
    assert.equal(await endOffset(peer, topic), 1);
  });

  await row("batch: transactional without a transaction", async (peer) => {
    const records = batch(["x"], {
      producerId: 9_999,
      producerEpoch: 0,
      baseSequence: 0,
      isTransactional: true,
    });
    const answer = await produceTo(peer, VICTIM, records, 0, "nobody");
    one(answer?.errorCode, [INVALID_TXN_STATE, 49, 67, UNKNOWN_PRODUCER_ID, INVALID_PRODUCER_EPOCH], "error");
    return `error ${answer?.errorCode}`;
  });
}
