/**
 * The quota of changes of topics (KIP-599), which are counted in partitions: old versions of a request are told to hold back
 * afterwards, newer ones are refused with THROTTLING_QUOTA_EXCEEDED while the client owes.
 */
import { quotaClient, type RequestContext } from "./handler.ts";

export const QUOTA_EXCEEDED_MESSAGE = "The client has changed as many partitions as its quota lets it";

export class MutationQuota {
  readonly #context: RequestContext;
  readonly #isStrict: boolean;
  #hasRefused = false;

  constructor(context: RequestContext, strictSinceVersion: number) {
    this.#context = context;
    this.#isStrict = context.apiVersion >= strictSinceVersion;
  }

  /** Whether the next change is refused. */
  get isExceeded(): boolean {
    if (!this.#isStrict || this.#throttleMs() === 0) return false;
    this.#hasRefused = true;
    return true;
  }

  record(partitionCount: number): void {
    const { quotas, env } = this.#context.broker;
    quotas.recordMutations(quotaClient(this.#context), partitionCount, env.mono());
  }

  /** Asks the client to hold back until nothing is owed; in new versions, like Kafka, not before something was refused. */
  settle(): void {
    if (!this.#isStrict || this.#hasRefused) this.#context.throttle(this.#throttleMs());
  }

  #throttleMs(): number {
    const { quotas, env } = this.#context.broker;
    return quotas.mutationThrottleMs(quotaClient(this.#context), env.mono());
  }
}
