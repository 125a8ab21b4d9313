/** What a share partition makes of batches: markers, and transactions that were aborted. */
import assert from "node:assert/strict";
import { buildControlBatch } from "../../../protocol/records/control_record.ts";
import { assignOffsets, buildBatch } from "../../../protocol/records/record_batch.ts";
import { logBatches } from "./log_batches.ts";

const record = { key: null, value: new Uint8Array(1), headers: [], timestamp: 1 };

function data(baseOffset: number, count: number, producerId: number | null): Uint8Array {
  const records = Array.from({ length: count }, () => record);
  const batch = producerId === null
    ? buildBatch({ records })
    : buildBatch({ records, producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true });
  assignOffsets(batch, baseOffset, 0);
  return batch;
}

function marker(baseOffset: number, type: "ABORT" | "COMMIT", producerId: number): Uint8Array {
  return buildControlBatch({
    type,
    coordinatorEpoch: 0,
    producerId,
    producerEpoch: 0,
    timestamp: 1,
    baseOffset,
  });
}

const log = [
  data(0, 2, null),
  data(2, 2, 7),
  data(4, 1, 8),
  marker(5, "ABORT", 7),
  data(6, 3, 7),
  marker(9, "COMMIT", 8),
  marker(10, "COMMIT", 7),
];

const deliverable = (aborted: { producerId: number; firstOffset: number }[]) =>
  logBatches(log, aborted).filter(({ isDeliverable }) => isDeliverable)
    .map(({ firstOffset, lastOffset }) => [firstOffset, lastOffset]);

Deno.test("control batches are for nobody; without read_committed everything else is for all", () => {
  assert.deepEqual(deliverable([]), [[0, 1], [2, 3], [4, 4], [6, 8]]);
});

Deno.test("an aborted transaction is left out up to its marker, and the producer's next one is not", () => {
  assert.deepEqual(deliverable([{ producerId: 7, firstOffset: 2 }]), [[0, 1], [4, 4], [6, 8]]);
});
