/**
 * Codec benchmark: `deno bench bench/codec.ts`. A fetch response of 100 partitions, compiled and as closures; the compiled
 * codec must never be the slower one.
 */
import { ByteReader, ByteWriter } from "../lib/bytes.ts";
import { fetchApi, type FetchResponseInput } from "../protocol/messages/01_fetch.ts";
import { metadata } from "../protocol/messages/03_metadata.ts";
import type { Message } from "../protocol/schema/message.ts";
import { makeCodec } from "../protocol/schema/message.ts";

const records = new Uint8Array(0);
const fetchResponse: FetchResponseInput = {
  errorCode: 0,
  responses: [{
    topic: "orders",
    topicId: "0f3d9a52-6c1b-4e0e-9d87-2a4b6c8d0e1f",
    partitions: Array.from({ length: 100 }, (_, partitionIndex) => ({
      partitionIndex,
      errorCode: 0,
      highWatermark: 5_000_000_000 + partitionIndex,
      lastStableOffset: 5_000_000_000 + partitionIndex,
      logStartOffset: 0,
      abortedTransactions: null,
      records,
    })),
  }],
};

const metadataResponse = {
  brokers: [{ nodeId: 1, host: "broker-1.example", port: 9092 }],
  clusterId: "0f3d9a526c1b4e0e9d872a",
  controllerId: 1,
  topics: Array.from({ length: 20 }, (_, topic) => ({
    errorCode: 0,
    name: `topic-${topic}`,
    topicId: "0f3d9a52-6c1b-4e0e-9d87-2a4b6c8d0e1f",
    partitions: Array.from({ length: 6 }, (_, partitionIndex) => ({
      errorCode: 0,
      partitionIndex,
      leaderId: 1,
      leaderEpoch: 3,
      replicaNodes: [1, 2, 3],
      isrNodes: [1, 2, 3],
      offlineReplicas: [],
    })),
  })),
};

for (
  const { label, message, version, value } of [
    {
      label: "Fetch response v11, 100 partitions",
      message: fetchApi.response,
      version: 11,
      value: fetchResponse,
    },
    {
      label: "Fetch response v17, 100 partitions",
      message: fetchApi.response,
      version: 17,
      value: fetchResponse,
    },
    {
      label: "Metadata response v12, 120 partitions",
      message: metadata.response,
      version: 12,
      value: metadataResponse,
    },
  ]
) {
  const writer = new ByteWriter(16 * 1024);
  for (const codegen of ["if allowed", "never"] as const) {
    const name = codegen === "never" ? "closures" : "compiled";
    const codec = makeCodec(message as Message, version, codegen);
    codec.encode(writer, value);
    const bytes = writer.toBytes();
    Deno.bench({
      name: `encode ${label}: ${name}`,
      group: `encode ${label}`,
      baseline: name === "compiled",
      fn: () => {
        codec.encode(writer, value);
        writer.finish();
      },
    });
    Deno.bench({
      name: `decode ${label}: ${name}`,
      group: `decode ${label}`,
      baseline: name === "compiled",
      fn: () => {
        codec.decode(new ByteReader(bytes));
      },
    });
  }
}
