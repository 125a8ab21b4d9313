import assert from "node:assert/strict";
import { ProducerExpiry } from "./producer_expiry.ts";
import type { ProducerState } from "./producer_state.ts";
import { OpenTransactions } from "./transactions.ts";

function victims(producers: readonly [id: number, lastAppendMs: number][], countMax: number, atMost = 100) {
  const expiry = new ProducerExpiry(
    { expirationMs: 1_000, countMax },
    new OpenTransactions([[9, 0]]),
    10_000,
  );
  for (const [producerId, lastAppendMs] of producers) {
    expiry.look({ producerId, lastAppendMs, producerEpoch: 0, batches: [] } satisfies ProducerState);
  }
  return expiry.victims(atMost).map(({ producerId }) => producerId);
}

Deno.test("ProducerExpiry forgets who was idle for the whole time, and nobody with an open transaction", () => {
  assert.deepEqual(victims([[1, 9_000], [2, 9_001], [9, 0], [3, 5]], 100), [1, 3]);
});

Deno.test("ProducerExpiry forgets those idle longest beyond the number", () => {
  assert.deepEqual(victims([[1, 9_500], [2, 9_400], [3, 9_900], [9, 0]], 2), [2]);
  assert.deepEqual(victims([[1, 9_500], [2, 9_400], [3, 9_900]], 1), [2, 1]);
});

Deno.test("ProducerExpiry takes bounded steps, the expired producers first", () => {
  assert.deepEqual(victims([[1, 9_500], [2, 5], [3, 9_600]], 0, 2), [2, 1]);
});
