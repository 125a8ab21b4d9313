/**
 * The client that does nothing wrong: it writes a record, reads it back and asks for versions, over and over on one
 * connection, while others send nonsense. Whatever is not as it must be is a fault.
 */

import assert from "node:assert/strict";
import { produce } from "../../../protocol/messages/00_produce.ts";
import { fetchApi } from "../../../protocol/messages/01_fetch.ts";
import { apiVersions } from "../../../protocol/messages/18_api_versions.ts";
import { readRecords, splitBatches } from "../../../protocol/records/record_batch.ts";
import { batch } from "./batches.ts";
import { Peer } from "./peer.ts";

/** So that a row of little work is not all about this client. */
const REST_MS = 5;
const decoder = new TextDecoder();

export class Bystander {
  readonly #peer: Peer;
  readonly #topic: string;
  readonly #faults: string[] = [];
  readonly #waiting: { readonly round: number; readonly done: () => void }[] = [];
  #round = 0;
  #stopped = false;
  #ended: Promise<void> = Promise.resolve();

  private constructor(peer: Peer, topic: string) {
    this.#peer = peer;
    this.#topic = topic;
  }

  /** `topic` is its own, and empty. */
  static async start(topic: string): Promise<Bystander> {
    const bystander = new Bystander(await Peer.connect(), topic);
    bystander.#ended = bystander.#run();
    return bystander;
  }

  /** Rounds that have ended. */
  get rounds(): number {
    return this.#round;
  }

  /** Waits for a whole round that begins after this call; fails with what was wrong since the last time. */
  async isWell(): Promise<void> {
    // The round under way has begun before.
    const round = this.#round + 2;
    await new Promise<void>((done) => {
      if (this.#stopped) done();
      else this.#waiting.push({ round, done });
    });
    assert.deepEqual(this.#faults.splice(0), [], "the client that does nothing wrong");
    assert.ok(!this.#stopped, "the client that does nothing wrong has ended");
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
    this.#peer[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#serveOnce();
      } catch (error) {
        this.#faults.push(String(error).slice(0, 300));
        // Its connection may be of no use any more.
        this.#stopped = true;
      }
      this.#round++;
      this.#tell();
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
    }
    this.#tell();
  }

  #tell(): void {
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const each = this.#waiting[i];
      if (each === undefined || (!this.#stopped && each.round > this.#round)) continue;
      this.#waiting.splice(i, 1);
      each.done();
    }
  }

  async #serveOnce(): Promise<void> {
    const value = `round ${this.#round}`;
    const written = await this.#peer.ask(produce, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: this.#topic, partitionData: [{ index: 0, records: batch([value]) }] }],
    });
    const answer = written?.responses[0]?.partitionResponses[0];
    assert.deepEqual([answer?.errorCode, answer?.baseOffset], [0, this.#round], "Produce");
    const fetched = await this.#peer.ask(fetchApi, 12, {
      maxWaitMs: 10_000,
      minBytes: 1,
      topics: [{
        topic: this.#topic,
        partitions: [{ partition: 0, fetchOffset: this.#round, partitionMaxBytes: 100_000 }],
      }],
    });
    const read = fetched?.responses[0]?.partitions[0];
    const [first] = splitBatches(read?.records ?? new Uint8Array());
    const values = first === undefined ? [] : readRecords(first.bytes).map(({ value }) => value);
    assert.deepEqual([read?.errorCode, values.map((each) => decoder.decode(each ?? undefined))], [0, [
      value,
    ]]);
    const versions = await this.#peer.ask(apiVersions, 0, {});
    assert.equal(versions?.errorCode, 0, "ApiVersions");
  }
}
