/** Stands in for a partition that the metadata no longer holds, so that asking for it creates nothing. */
import type { LogEffect } from "../storage/partition_log.ts";
import type { FetchResult, PartitionMessage, ProduceResult } from "./messages/partition.ts";
import { noOffset } from "./partition_reader.ts";
import type { ActorHost, Reply } from "./runtime/types.ts";

export class AbsentPartition implements ActorHost<PartitionMessage, LogEffect> {
  receive(message: PartitionMessage, reply: Reply<unknown>): void {
    const error = "UNKNOWN_TOPIC_OR_PARTITION";
    switch (message.type) {
      case "produce":
        return reply.sendNow(refusedProduce(error, null, -1));
      case "fetch":
        return reply.sendNow({ ...emptyFetch, error });
      case "listOffset":
        return reply.sendNow({ ...noOffset, error });
      case "findEpochEnd":
        return reply.sendNow({ error, epoch: -1, endOffset: -1 });
      case "describe":
        return reply.sendNow({
          logStartOffset: 0,
          highWatermark: 0,
          lastStableOffset: 0,
          leaderEpoch: -1,
          sizeBytes: 0,
        });
      case "writeMarker":
        return reply.sendNow({ error });
      case "describeProducers":
        return reply.sendNow({ error, producers: [] });
      case "deleteRecords":
        return reply.sendNow({ error, lowWatermark: -1 });
      case "clean":
      case "expireProducers":
        return reply.sendNow(false);
      case "compact":
        return reply.sendNow("done");
      case "restore":
        return reply.sendNow({ fault: "The topic is gone" });
      case "verify":
        return reply.sendNow({ next: null, batchCount: 0, sizeBytes: 0, faults: [] });
      case "forgetProducers":
        return;
      case "awaitData":
      case "close":
        return reply.sendNow(true);
    }
  }
}

const emptyFetch: FetchResult = {
  error: "NONE",
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  records: [],
  abortedTransactions: [],
};

export function refusedProduce(
  error: ProduceResult["error"],
  errorMessage: string | null,
  logStartOffset: number,
): ProduceResult {
  return { error, errorMessage, baseOffset: -1, logAppendTimeMs: -1, logStartOffset };
}
