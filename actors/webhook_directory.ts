/** All webhooks of this broker together: their names, and their waking after a restart, since each delivers by itself. */
import type { Env } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import type { ShardStore } from "../storage/shard.ts";
import { listWebhookNames } from "../storage/webhook_store.ts";
import type { WebhookMessage } from "./messages/webhook.ts";
import type { ActorRef } from "./runtime/types.ts";

const RETRY_MS = 5_000;

export interface WebhookDirectoryOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly shards: ShardStore;
  readonly webhook: (name: string) => ActorRef<WebhookMessage>;
}

export class WebhookDirectory {
  readonly #options: WebhookDirectoryOptions;
  readonly #stopped = new AbortController();

  constructor(options: WebhookDirectoryOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#wake();
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** In order. Throws what storage throws. */
  async names(): Promise<string[]> {
    return await listWebhookNames(this.#options.shards);
  }

  /** Nobody else would: a webhook that is not awake delivers nothing. One that cannot be read holds up no other. */
  async #wake(): Promise<void> {
    const { env, log, webhook } = this.#options;
    const { signal } = this.#stopped;
    let asleep: readonly string[] | null = null;
    while (!signal.aborted) {
      try {
        asleep ??= await this.names();
        const failed: string[] = [];
        for (const name of asleep) {
          await webhook(name).ask({ type: "get" }).catch(() => failed.push(name));
        }
        asleep = failed;
        if (asleep.length === 0 || signal.aborted) return;
        log.warn("Cannot wake some webhooks", { count: asleep.length, first: asleep[0] ?? "" });
      } catch (error) {
        log.warn("Cannot wake the webhooks", { error: String(error) });
      }
      await env.sleep(RETRY_MS, signal).catch(() => {
        // The loop looks at the signal.
      });
    }
  }
}
