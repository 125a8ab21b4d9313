/**
 * Batches larger than one commit. Kafka's default `message.max.bytes` is above what a commit takes, so this is an
 * ordinary path: the pieces are written under a registered attempt by as many commits as it takes, then the append
 * commit makes them a batch by naming the attempt in its index entry, and deletes the registration.
 *
 * Pieces are the one thing written without a head check. What keeps them harmless: their keys are used once, every
 * commit of an attempt carries its registration, an opening sweeps the attempts that it finds registered, and the topic's row
 * is checked, so that none can come after the topic's deletion.
 */
import { mutant } from "../lib/mutants.ts";
import { type CommitSize, emptyCommitSize, sizeOfMutations } from "./commit_size.ts";
import { addSizes } from "./commit_size.ts";
import { attemptOfKey, decodeAttempt, encodeAttempt } from "./keys/attempt.ts";
import { decodeBatchIndex } from "./keys/batch_index.ts";
import { splitIntoChunks } from "./keys/chunk.ts";
import type { PartitionKeys } from "./keys/partition.ts";
import type { Shard, ShardStore } from "./shard.ts";
import type { Mutation } from "./storage.ts";

/** Writes the pieces of `bytes` and returns the attempt that names them. Throws what `ShardStore.commitLoose` throws. */
export async function writeAttempt(
  shards: ShardStore,
  shard: Shard,
  keys: PartitionKeys,
  baseOffset: number,
  bytes: Uint8Array,
): Promise<string> {
  const attempt = shards.env.uuid();
  const chunks = splitIntoChunks(bytes, shards.storage.limits.valueBytesMax);
  const registration: Mutation = {
    type: "set",
    key: keys.attempt(attempt),
    value: encodeAttempt({ baseOffset, chunkCount: chunks.length }),
  };
  const registrationSize = sizeOfMutations([registration]);
  const commits: Mutation[][] = [];
  let size: CommitSize = emptyCommitSize;
  for (const [k, value] of chunks.entries()) {
    const mutation: Mutation = { type: "set", key: keys.chunk(baseOffset, attempt, k), value };
    const added = addSizes(size, sizeOfMutations([mutation]));
    const open = commits[commits.length - 1];
    if (open !== undefined && shards.fitsLoose(added)) {
      open.push(mutation);
      size = added;
    } else {
      commits.push([registration, mutation]);
      size = addSizes(registrationSize, sizeOfMutations([mutation]));
    }
  }
  const written = Promise.all(commits.map((mutations) => shard.commitLoose(mutations)));
  if (!mutant("index-before-chunks")) await written;
  return attempt;
}

const ATTEMPTS_PER_SWEEP = 16;
const DELETIONS_PER_COMMIT = 250;

/**
 * Deletes what attempts of older writers left behind. To be called after fencing and before the first append: whatever
 * is registered then will never become a batch. Pieces go first and the registration last, so that a crash in between
 * leaves something to find.
 */
export async function sweepAttempts(shards: ShardStore, shard: Shard, keys: PartitionKeys): Promise<number> {
  let sweptCount = 0;
  if (mutant("no-sweep")) return 0;
  const { listPageMax, mutationsMax } = shards.storage.limits;
  const limit = Math.min(ATTEMPTS_PER_SWEEP, listPageMax);
  // The head goes along.
  const deletionCountMax = Math.min(DELETIONS_PER_COMMIT, mutationsMax - 1);
  while (true) {
    const found = await shards.storage.list(keys.attempts(), { limit });
    for (const entry of found) {
      const attempt = attemptOfKey(entry.key);
      const { baseOffset, chunkCount } = decodeAttempt(entry.value);
      // A late duplicate of a piece's commit can bring back the registration of an attempt that succeeded.
      const isKept = await isNamed(shards, keys, baseOffset, attempt);
      // In one commit with the pieces where that is possible: this process's own late commit of a piece, which brings
      // the registration back, then comes before and is deleted whole, or after and is found by the next sweep.
      const mutations: Mutation[] = [{ type: "delete", key: entry.key }];
      for (let k = 0; !isKept && k < chunkCount; k++) {
        mutations.splice(-1, 0, { type: "delete", key: keys.chunk(baseOffset, attempt, k) });
      }
      while (mutations.length > 0) await shard.commit({ mutations: mutations.splice(0, deletionCountMax) });
      sweptCount++;
    }
    if (found.length < limit) return sweptCount;
  }
}

async function isNamed(
  shards: ShardStore,
  keys: PartitionKeys,
  baseOffset: number,
  attempt: string,
): Promise<boolean> {
  const entry = await shards.storage.get(keys.index(baseOffset));
  if (entry === null) return false;
  const { place } = decodeBatchIndex(entry.value);
  return place.kind === "chunks" && place.attempt === attempt;
}
