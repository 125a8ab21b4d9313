/** Subscriptions to streams in the store: one shard, kept in memory by its actor. The boundary between `core/stream` and keys. */
import type { StreamLink, Subscription } from "../core/stream/subscription.ts";
import { below } from "./keys/keyspace.ts";
import {
  decodeJsonValue,
  decodeLink,
  encodeJsonValue,
  encodeLink,
  placeOfLinkKey,
  signingKeyKey,
  subscriptionHeadKey,
  subscriptionKey,
  subscriptionLinkKey,
  subscriptionLinksPrefix,
  subscriptionsPrefix,
} from "./keys/subscription.ts";
import { scan } from "./scan.ts";
import type { Shard, ShardStore } from "./shard.ts";
import type { Mutation } from "./storage.ts";

export type SubscriptionChange =
  | { readonly type: "put"; readonly subscription: Subscription }
  | { readonly type: "remove"; readonly id: string }
  | { readonly type: "link"; readonly id: string; readonly path: string; readonly link: StreamLink }
  | { readonly type: "unlink"; readonly id: string; readonly path: string };

/** Mutations of one commit; more go in several, of which a prefix is stored when the process dies. */
const CHANGES_PER_COMMIT = 500;

export class SubscriptionStore {
  readonly subscriptions: readonly Subscription[];
  readonly links: readonly { readonly id: string; readonly path: string; readonly link: StreamLink }[];
  readonly #shard: Shard;

  private constructor(
    shard: Shard,
    subscriptions: readonly Subscription[],
    links: SubscriptionStore["links"],
  ) {
    this.#shard = shard;
    this.subscriptions = subscriptions;
    this.links = links;
  }

  /** Fences older writers and reads everything. Throws what `openShard` throws, and `CorruptStorageError`. */
  static async open(shards: ShardStore): Promise<SubscriptionStore> {
    const shard = await shards.openShard(subscriptionHeadKey);
    const subscriptions: Subscription[] = [];
    for await (const { value } of scan(shards.storage, below(subscriptionsPrefix))) {
      subscriptions.push(decodeJsonValue("subscription", value) as Subscription);
    }
    const links: { id: string; path: string; link: StreamLink }[] = [];
    for await (const { key, value } of scan(shards.storage, below(subscriptionLinksPrefix))) {
      links.push({ ...placeOfLinkKey(key), link: decodeLink(value) });
    }
    return new SubscriptionStore(shard, subscriptions, links);
  }

  /** The stored key, or the one that `generate` makes, stored. */
  async signingKey(shards: ShardStore, generate: () => Promise<JsonWebKey>): Promise<JsonWebKey> {
    const found = await shards.storage.get(signingKeyKey);
    if (found !== null) return decodeJsonValue("signing key", found.value) as JsonWebKey;
    const key = await generate();
    await this.#shard.commit({
      mutations: [{ type: "set", key: signingKeyKey, value: encodeJsonValue(key) }],
    });
    return key;
  }

  /** In order. Throws `FencedError`, `StorageUnavailableError`. */
  async commit(changes: readonly SubscriptionChange[]): Promise<void> {
    for (let from = 0; from < changes.length; from += CHANGES_PER_COMMIT) {
      const mutations = changes.slice(from, from + CHANGES_PER_COMMIT).map(mutationOf);
      await this.#shard.commit({ mutations });
    }
  }

  close(): void {
    this.#shard.close();
  }
}

function mutationOf(change: SubscriptionChange): Mutation {
  switch (change.type) {
    case "put": {
      const { subscription } = change;
      return { type: "set", key: subscriptionKey(subscription.id), value: encodeJsonValue(subscription) };
    }
    case "remove":
      return { type: "delete", key: subscriptionKey(change.id) };
    case "link":
      return {
        type: "set",
        key: subscriptionLinkKey(change.id, change.path),
        value: encodeLink(change.link),
      };
    case "unlink":
      return { type: "delete", key: subscriptionLinkKey(change.id, change.path) };
  }
}
