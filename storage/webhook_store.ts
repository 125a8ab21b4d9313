/**
 * Webhooks in the store: each one's definition and the batches of it that failed. Its actor is the only writer of both. The boundary between
 * `core/webhook` and keys.
 */
import type { Trouble } from "../core/webhook/delivery.ts";
import type { Webhook } from "../core/webhook/webhook.ts";
import { below } from "./keys/keyspace.ts";
import { decodeJsonValue, encodeJsonValue } from "./keys/subscription.ts";
import {
  placeOfTroubleKey,
  webhookKey,
  webhooksPrefix,
  webhookTroubleKey,
  webhookTroublesPrefix,
} from "./keys/webhook.ts";
import { scan } from "./scan.ts";
import type { ShardStore } from "./shard.ts";
import type { Mutation } from "./storage.ts";

/** Mutations of one commit. */
const DELETIONS_PER_COMMIT = 500;

export interface StoredTrouble {
  readonly topicId: string;
  readonly partition: number;
  readonly trouble: Trouble;
}

/** Names of all webhooks, in order. Throws what storage throws. */
export async function listWebhookNames(shards: ShardStore): Promise<string[]> {
  const names: string[] = [];
  for await (const { key } of scan(shards.storage, below(webhooksPrefix))) names.push(key[2] as string);
  return names;
}

export class WebhookStore {
  readonly #shards: ShardStore;
  readonly #name: string;

  constructor(shards: ShardStore, name: string) {
    this.#shards = shards;
    this.#name = name;
  }

  async load(): Promise<{ readonly webhook: Webhook; readonly troubles: readonly StoredTrouble[] } | null> {
    const { storage } = this.#shards;
    const found = await storage.get(webhookKey(this.#name));
    if (found === null) return null;
    const troubles: StoredTrouble[] = [];
    for await (const { key, value } of scan(storage, below(webhookTroublesPrefix(this.#name)))) {
      const trouble = decodeJsonValue("batch of a webhook", value) as Trouble;
      troubles.push({ ...placeOfTroubleKey(key), trouble });
    }
    return { webhook: decodeJsonValue("webhook", found.value) as Webhook, troubles };
  }

  /** Throws `FencedError`, `StorageUnavailableError`; so do the others. */
  async save(webhook: Webhook): Promise<void> {
    await this.#commit([{ type: "set", key: webhookKey(this.#name), value: encodeJsonValue(webhook) }]);
  }

  /** Null: it is over. */
  async saveTrouble(topicId: string, partition: number, trouble: Trouble | null): Promise<void> {
    const key = webhookTroubleKey(this.#name, topicId, partition);
    await this.#commit([
      trouble === null ? { type: "delete", key } : { type: "set", key, value: encodeJsonValue(trouble) },
    ]);
  }

  /** The definition goes last, so that a removal that broke off can be repeated. */
  async remove(): Promise<void> {
    await this.removeTroubles();
    await this.#commit([{ type: "delete", key: webhookKey(this.#name) }]);
  }

  async removeTroubles(): Promise<void> {
    const keys = [];
    for await (const { key } of scan(this.#shards.storage, below(webhookTroublesPrefix(this.#name)))) {
      keys.push(key);
    }
    for (let from = 0; from < keys.length; from += DELETIONS_PER_COMMIT) {
      const some = keys.slice(from, from + DELETIONS_PER_COMMIT);
      await this.#commit(some.map((key) => ({ type: "delete", key })));
    }
  }

  async #commit(mutations: readonly Mutation[]): Promise<void> {
    await this.#shards.commitLoose(mutations);
  }
}
